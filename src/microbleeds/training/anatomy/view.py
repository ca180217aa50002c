"""What of the head is seen: skull stripping and the field of view, with what the network shall then answer."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import max_pool3d

from microbleeds.networks.anatomy import AnatomyClass
from microbleeds.training.anatomy.warp import smooth_noise, uniform

IGNORED = 255  # voxels outside of the field of view: the program knows them, the network needn't


def strip_skull(image: Tensor, target: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Keep the brain and a ragged rim of it, as extraction programs leave it; what is cut is outside.

    Args:
        image: [X, Y, Z].
        target: [X, Y, Z] class codes (uint8).
        generator: source of the draws.
    """
    brain = (target >= int(AnatomyClass.VENTRICLE)).float()[None, None]
    for _ in range(int(uniform(0, 3, generator))):
        brain = max_pool3d(brain, 3, stride=1, padding=1)
    if uniform(0, 1, generator) < 0.3:  # an extraction that also bites into the cortex
        brain = -max_pool3d(-brain, 3, stride=1, padding=1)
    ragged = smooth_noise(tuple(image.shape), 5.0, generator)[0] < 1.8
    kept = (brain[0, 0] > 0.5) & (ragged | (target >= int(AnatomyClass.WHITE)))
    return image * kept, torch.where(kept, target, torch.zeros_like(target))


def limit_view(image: Tensor, target: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Blank what lies outside of a random field of view: a slab of slices, or a small block.

    Returns:
        The image and the target, whose voxels outside of the field of view are :data:`IGNORED`.
    """
    kind = uniform(0, 1, generator)
    if kind < 0.7:
        return image, target
    start, stop = [0, 0, 0], list(image.shape)
    axes = (2,) if kind < 0.92 else (0, 1, 2)
    shortest = 0.35 if kind < 0.92 else 0.25
    for axis in axes:
        length = round(image.shape[axis] * uniform(shortest, 1.0, generator))
        start[axis] = round(uniform(0, 1, generator) * (image.shape[axis] - length))
        stop[axis] = start[axis] + length
    seen = torch.zeros_like(target, dtype=torch.bool)
    seen[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]] = True
    return image * seen, torch.where(seen, target, torch.full_like(target, IGNORED))
