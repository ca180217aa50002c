"""One training example for the anatomy network: an image and what the network shall say about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool3d, grid_sample

from microbleeds.networks.anatomy import (
    POSITION_STRIDE,
    POSITION_UNIT_MM,
    SPACING_MM,
    AnatomyClass,
    class_of_tissue,
)
from microbleeds.segmentation.coarse import normalise
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.tissues import Tissue
from microbleeds.training.anatomy import contrast
from microbleeds.training.anatomy.view import IGNORED, limit_view, strip_skull
from microbleeds.training.anatomy.warp import head_positions, uniform

# Sub-voxel offsets, mm: four corners of a tetrahedron stand for the eight octants of a voxel at half price.
_OFFSETS_MM = (
    SPACING_MM / 4 * torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
)


@dataclass(frozen=True, eq=False)
class Head:
    """An anatomy made ready for quick sampling.

    Args:
        codes: uint8 [X, Y, Z] codes of :class:`Tissue` at 1 mm, zero (air) on all faces.
        origin_mm: [3] RAS mm of the first voxel.
        nearness: float32 [1, 1, x, y, z] blurred sinus air at 4 mm, over the same field of view.
        centre_mm: [3] RAS mm of the middle of the brain.
        upright: [3, 3] rotation from the axes of MNI152 to those of the head.
        mni_from_ras: [4, 4].
    """

    codes: Tensor
    origin_mm: Tensor
    nearness: Tensor
    centre_mm: Tensor
    upright: Tensor
    mni_from_ras: Tensor


@dataclass(frozen=True, eq=False)
class Sample:
    """A training example on the network's grid.

    Args:
        image: [1, X, Y, Z] normalised.
        target: int64 [X, Y, Z] codes of :class:`AnatomyClass`, or :data:`IGNORED`.
        right: [X, Y, Z] 1 where the right half of the head is, else 0.
        position: [3, X / 4, Y / 4, Z / 4] MNI152 coordinates in :data:`POSITION_UNIT_MM`.
        brain: [X / 4, Y / 4, Z / 4] share of seen brain (parenchyma and ventricles) in each of these blocks.
    """

    image: Tensor
    target: Tensor
    right: Tensor
    position: Tensor
    brain: Tensor


def prepare_head(anatomy: Anatomy) -> Head:
    """Bring an anatomy into the form that :func:`draw_sample` reads."""
    codes = anatomy.labels.copy()
    for axis in range(3):
        face = np.moveaxis(codes, axis, 0)
        face[0] = face[-1] = int(Tissue.AIR)  # positions outside of the head's grid are clamped to a face
    air = torch.from_numpy((codes == int(Tissue.SINUS_AIR)).astype(np.float32))[None, None]
    nearness = avg_pool3d(air, 4)
    for _ in range(3):  # three boxes of 12 mm: close to a Gaussian of 6 mm
        nearness = avg_pool3d(nearness, 3, stride=1, padding=1)
    brain = np.argwhere(anatomy.brain[::4, ::4, ::4]) * 4
    centre = anatomy.grid.to_mm((brain.min(axis=0) + brain.max(axis=0)) / 2)
    left, _, right = np.linalg.svd(np.linalg.inv(anatomy.mni_from_ras)[:3, :3])
    return Head(
        codes=torch.from_numpy(codes),
        origin_mm=torch.from_numpy(anatomy.grid.to_mm([0, 0, 0])).float(),
        nearness=nearness,
        centre_mm=torch.from_numpy(centre).float(),
        upright=torch.from_numpy(left @ right).float(),
        mni_from_ras=torch.from_numpy(anatomy.mni_from_ras).float(),
    )


def draw_sample(head: Head, shape: tuple[int, int, int], generator: Generator) -> Sample:
    """Draw one example of ``head`` on a window of ``shape`` voxels of the network's grid."""
    positions, mirror = draw_positions(head, shape, generator)
    codes = torch.stack([codes_at(head, positions + o[:, None, None, None]) for o in _OFFSETS_MM])
    target = torch.from_numpy(class_of_tissue())[codes_at(head, positions).long()]
    mni = _mni_positions(head, positions, mirror)
    image, target = _render(codes, target, _nearness_at(head, positions), generator)
    seen_brain = ((target >= int(AnatomyClass.VENTRICLE)) & (target != IGNORED)).float()[None]
    return Sample(
        image=normalise(image)[None],
        target=target.long(),
        right=(mni[0] > 0).float(),
        position=avg_pool3d(mni, POSITION_STRIDE) / POSITION_UNIT_MM,
        brain=avg_pool3d(seen_brain, POSITION_STRIDE)[0],
    )


def draw_positions(head: Head, shape: tuple[int, int, int], generator: Generator) -> tuple[Tensor, bool]:
    """Draw which RAS mm [3, X, Y, Z] of the head each voxel of a window shows, and whether it is mirrored."""
    mirror = uniform(0, 1, generator) < 0.5
    shift_mm = torch.randn(3, generator=generator) * torch.tensor([5.0, 9.0, 12.0])
    return head_positions(shape, head.centre_mm + shift_mm, head.upright, mirror, generator), mirror


def _render(codes: Tensor, target: Tensor, nearness: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return an image [X, Y, Z] of the tissues and the target as far as it is seen."""
    image = contrast.paint(codes, generator)
    image = contrast.darken_veins(image, codes, generator)
    image = contrast.darken_near_air(image, nearness, generator)
    image = contrast.thicken(contrast.shade(image, generator), generator)
    strip_after_noise = uniform(0, 1, generator) < 0.5
    strip = uniform(0, 1, generator) < 0.3
    if strip and not strip_after_noise:
        image, target = strip_skull(image, target, generator)
    image = contrast.add_noise(image, generator)
    if strip and strip_after_noise:
        image, target = strip_skull(image, target, generator)
    return limit_view(image, target, generator)


def codes_at(head: Head, positions_mm: Tensor) -> Tensor:
    """Return the codes [X, Y, Z] of the head's voxels nearest to RAS ``positions_mm`` [3, X, Y, Z]."""
    _, height, depth = head.codes.shape
    index = (positions_mm - head.origin_mm[:, None, None, None]).round_().long()
    for axis, size in enumerate(head.codes.shape):
        index[axis].clamp_(0, size - 1)
    return head.codes.reshape(-1)[(index[0] * height + index[1]) * depth + index[2]]


def _nearness_at(head: Head, positions_mm: Tensor) -> Tensor:
    """Return the blurred sinus air [X, Y, Z] at RAS ``positions_mm``."""
    size = torch.tensor(head.nearness.shape[2:])[:, None, None, None]
    index = (positions_mm - head.origin_mm[:, None, None, None] - 1.5) / 4
    scaled = 2 * index / (size - 1) - 1
    grid = scaled.flip(0).movedim(0, -1)[None]  # grid_sample wants the last axis first
    return grid_sample(head.nearness, grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0, 0]


def _mni_positions(head: Head, positions_mm: Tensor, mirror: bool) -> Tensor:
    """Return MNI152 mm [3, X, Y, Z] of RAS ``positions_mm``; in a mirrored head left is right."""
    matrix = head.mni_from_ras
    mni = torch.einsum("ab,bxyz->axyz", matrix[:3, :3], positions_mm) + matrix[:3, 3, None, None, None]
    if mirror:
        mni[0].neg_()
    return mni
