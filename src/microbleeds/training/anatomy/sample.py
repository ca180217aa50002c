"""One training example for the anatomy network: an image, and the region of each of its voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool3d, grid_sample

from microbleeds.networks.anatomy import SPACING_MM, coordinate_maps
from microbleeds.regions import mirrored
from microbleeds.segmentation.look import normalise
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.periventricular import with_rim
from microbleeds.tissues import Tissue
from microbleeds.training.anatomy import contrast
from microbleeds.training.anatomy.view import limit_view, strip_skull
from microbleeds.training.anatomy.warp import head_positions, uniform

Window = tuple[int, int, int]

# Sub-voxel offsets: four corners of a tetrahedron stand for the eight octants of a voxel at half price.
_TETRAHEDRON = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
_OFFSETS_MM = _TETRAHEDRON * torch.tensor(SPACING_MM) / 4


@dataclass(frozen=True, eq=False)
class Head:
    """An anatomy made ready for quick sampling.

    Args:
        codes: uint8 [X, Y, Z] codes of :class:`Tissue` at 1 mm, zero (air) on all faces.
        rimless: uint8 [X, Y, Z] region codes of the same voxels, without the periventricular rim.
        origin_mm: [3] RAS mm of the first voxel.
        nearness: float32 [1, 1, x, y, z] blurred sinus air at 4 mm, over the same field of view.
        centre_mm: [3] RAS mm of the middle of the brain.
        upright: [3, 3] rotation from the axes of MNI152 to those of the head.
    """

    codes: Tensor
    rimless: Tensor
    origin_mm: Tensor
    nearness: Tensor
    centre_mm: Tensor
    upright: Tensor

    @property
    def regions(self) -> Tensor:
        """Region codes of the same voxels, uint8 [X, Y, Z]."""
        return torch.from_numpy(with_rim(self.rimless.numpy(), self.codes.numpy()))


@dataclass(frozen=True, eq=False)
class Sample:
    """A training example on the network's grid.

    Args:
        image: [1, X, Y, Z] normalised; [4, X, Y, Z] with the coordinate maps.
        regions: uint8 [X, Y, Z] region codes, :data:`~microbleeds.networks.anatomy.IGNORED` outside of the view.
    """

    image: Tensor
    regions: Tensor


def prepare_head(anatomy: Anatomy) -> Head:
    """Bring an anatomy into the form that :func:`draw_painted` reads."""
    codes, rimless = anatomy.labels.copy(), anatomy.rimless.copy()
    for axis in range(3):  # positions outside of the head's grid are clamped to a face
        for volume in (codes, rimless):
            face = np.moveaxis(volume, axis, 0)
            face[0] = face[-1] = 0
    air = torch.from_numpy((codes == int(Tissue.SINUS_AIR)).astype(np.float32))[None, None]
    nearness = avg_pool3d(air, 4)
    for _ in range(3):  # three boxes of 12 mm: close to a Gaussian of 6 mm
        nearness = avg_pool3d(nearness, 3, stride=1, padding=1)
    brain = np.argwhere(anatomy.brain[::4, ::4, ::4]) * 4
    centre = anatomy.grid.to_mm((brain.min(axis=0) + brain.max(axis=0)) / 2)
    left, _, right = np.linalg.svd(np.linalg.inv(anatomy.mni_from_ras)[:3, :3])
    return Head(
        codes=torch.from_numpy(codes),
        rimless=torch.from_numpy(rimless),
        origin_mm=torch.from_numpy(anatomy.grid.to_mm([0, 0, 0])).float(),
        nearness=nearness,
        centre_mm=torch.from_numpy(centre).float(),
        upright=torch.from_numpy(left @ right).float(),
    )


def draw_painted(head: Head, shape: Window, generator: Generator) -> Sample:
    """Draw one example of ``head`` on a window of ``shape`` voxels, in any contrast."""
    mirror = uniform(0, 1, generator) < 0.5
    shift_mm = torch.randn(3, generator=generator) * torch.tensor([8.0, 12.0, 14.0])
    positions = head_positions(shape, head.centre_mm + shift_mm, head.upright, mirror, generator)
    codes = torch.stack([_taken(head.codes, head, positions + o[:, None, None, None]) for o in _OFFSETS_MM])
    regions = _regions_at(head, positions)
    if mirror:
        regions = torch.from_numpy(mirrored())[regions.long()]
    image = contrast.paint(codes, generator)
    image = contrast.darken_veins(image, codes, generator)
    image = contrast.darken_near_air(image, _nearness_at(head, positions), generator)
    image = contrast.thicken(contrast.shade(image, generator), generator)
    return seen_through(image, regions, generator)


def seen_through(image: Tensor, regions: Tensor, generator: Generator) -> Sample:
    """Add noise, strip the skull now and then, limit the view, and normalise.

    Args:
        image: [X, Y, Z] of any scale, brightest tissues near 1.
        regions: uint8 [X, Y, Z] region codes.
        generator: source of the draws.
    """
    strip = uniform(0, 1, generator) < 0.3
    strip_after_noise = uniform(0, 1, generator) < 0.5
    if strip and not strip_after_noise:
        image, regions = strip_skull(image, regions, generator)
    image = contrast.add_noise(image, generator)
    if strip and strip_after_noise:
        image, regions = strip_skull(image, regions, generator)
    image, regions = limit_view(image, regions, generator)
    return Sample(normalise(image)[None], regions)


def with_coordinates(sample: Sample, generator: Generator) -> Sample:
    """Add the paper's coordinate maps, as if the window were a random part of a larger volume."""
    x, y, z = sample.regions.shape
    whole = [round(n * uniform(1.0, 1.6, generator)) for n in (x, y, z)]
    start = [round(uniform(0, 1, generator) * (w - n)) for w, n in zip(whole, (x, y, z), strict=True)]
    maps = coordinate_maps((x, y, z), (start[0], start[1], start[2]), (whole[0], whole[1], whole[2]))
    return Sample(torch.cat([sample.image, maps]), sample.regions)


def _regions_at(head: Head, positions_mm: Tensor) -> Tensor:
    """Return the regions [X, Y, Z] of a bent head; its rim is measured there, as in a simulated one."""
    rimless = _taken(head.rimless, head, positions_mm)
    labels = _taken(head.codes, head, positions_mm)
    return torch.from_numpy(with_rim(rimless.numpy(), labels.numpy(), SPACING_MM))


def _taken(volume: Tensor, head: Head, positions_mm: Tensor) -> Tensor:
    """Return the values [X, Y, Z] of the head's voxels nearest to RAS ``positions_mm`` [3, X, Y, Z]."""
    index = flat_index((positions_mm - head.origin_mm[:, None, None, None]).round_(), volume.shape)
    return volume.reshape(-1)[index]


def flat_index(ijk: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the flat index int64 [...] of voxels [3, ...] of a volume, clamped to its faces."""
    index = ijk.long()
    for axis, size in enumerate(shape):
        index[axis].clamp_(0, size - 1)
    return (index[0] * shape[1] + index[1]) * shape[2] + index[2]


def _nearness_at(head: Head, positions_mm: Tensor) -> Tensor:
    """Return the blurred sinus air [X, Y, Z] at RAS ``positions_mm``."""
    size = torch.tensor(head.nearness.shape[2:])[:, None, None, None]
    index = (positions_mm - head.origin_mm[:, None, None, None] - 1.5) / 4
    scaled = 2 * index / (size - 1) - 1
    grid = scaled.flip(0).movedim(0, -1)[None]  # grid_sample wants the last axis first
    return grid_sample(head.nearness, grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0, 0]
