"""What of the head is seen: skull stripping and the field of view, with what the network shall then answer."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import max_pool3d

from microbleeds.networks.anatomy import IGNORED
from microbleeds.regions import OUTSIDE, REGIONS, VENTRICLE
from microbleeds.training.anatomy.warp import smooth_noise, uniform

_CORTEX = tuple(code for code, region in REGIONS.items() if region.name.endswith("_cortex"))
_CLOSED = (3, 3, 3)  # voxels of 2 mm by which sulci and cisterns are closed


def _grown(field: Tensor, reach: tuple[int, int, int]) -> Tensor:
    """Return the largest value within ``reach`` voxels along each axis of [1, 1, X, Y, Z], one axis at a time."""
    for axis, voxels in enumerate(reach):
        if voxels == 0:
            continue
        kernel, padding = [1, 1, 1], [0, 0, 0]
        kernel[axis], padding[axis] = 2 * voxels + 1, voxels
        field = max_pool3d(field, kernel, stride=1, padding=padding)
    return field


def is_brain(regions: Tensor) -> Tensor:
    """Return where parenchyma or a ventricle is, bool [X, Y, Z]."""
    return (regions >= VENTRICLE) & (regions != IGNORED)


def strip_skull(image: Tensor, regions: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Keep the brain and a ragged rim of it, as extraction programs leave it; what is cut is outside.

    Args:
        image: [X, Y, Z].
        regions: uint8 [X, Y, Z] region codes.
        generator: source of the draws.
    """
    # On voxels of 2 x 2 x 2 mm, since growing costs more than all else that is done to an example.
    brain = max_pool3d(is_brain(regions).float()[None, None], (2, 2, 1))
    brain = -_grown(-_grown(brain, _CLOSED), _CLOSED)
    rim = int(uniform(0, 5, generator))
    bite = int(uniform(1, 3, generator)) if uniform(0, 1, generator) < 0.3 else 0
    brain = _grown(brain, (rim, rim, 0))
    brain = -_grown(-brain, (bite, bite, 0))  # an extraction that also bites into the cortex
    skin = _grown(1 - brain, (1, 1, 0))[0, 0].repeat_interleave(2, 0).repeat_interleave(2, 1) > 0.5
    brain = brain.repeat_interleave(2, 2).repeat_interleave(2, 3)
    ragged = smooth_noise(tuple(image.shape), 15.0, generator)[0] < 1.8
    deep = ~skin & ~torch.isin(regions, torch.tensor(_CORTEX, dtype=torch.uint8))
    kept = (brain[0, 0] > 0.5) & (ragged | deep)
    cut = torch.where(regions == IGNORED, regions, torch.full_like(regions, OUTSIDE))
    return image * kept, torch.where(kept, regions, cut)


def limit_view(image: Tensor, regions: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Blank what lies outside of a random field of view: a slab of slices, or a small block.

    Returns:
        The image and the regions, whose voxels outside of the field of view are
        :data:`~microbleeds.networks.anatomy.IGNORED`.
    """
    kind = uniform(0, 1, generator)
    if kind < 0.8:
        return image, regions
    start, stop = [0, 0, 0], list(image.shape)
    axes = (2,) if kind < 0.95 else (0, 1, 2)
    shortest = 0.35 if kind < 0.95 else 0.3
    for axis in axes:
        length = round(image.shape[axis] * uniform(shortest, 1.0, generator))
        start[axis] = round(uniform(0, 1, generator) * (image.shape[axis] - length))
        stop[axis] = start[axis] + length
    seen = torch.zeros_like(regions, dtype=torch.bool)
    seen[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]] = True
    return image * seen, torch.where(seen, regions, torch.full_like(regions, IGNORED))
