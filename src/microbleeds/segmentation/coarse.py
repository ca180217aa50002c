"""The anatomy network's view of an image: class probabilities, side and MNI152 position on a 3 mm grid.

The 3 mm grid has the axes and the outer faces of the image's own canonical grid, so an oblique scan stays oblique:
the network was trained on tilted heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microbleeds.compute import Compute
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import (
    MULTIPLE,
    POSITION_STRIDE,
    POSITION_UNIT_MM,
    SPACING_MM,
    AnatomyClass,
    AnatomyNetwork,
)
from microbleeds.networks.finite import finite
from microbleeds.prepare import Kernel, resampling_matrix

Float = NDArray[np.float32]

LEAST_SHAPE = (48, 64, 48)  # a smaller field of view is padded to the smallest window of the training
STIFFNESS_MM = 5.0  # spread of points below which the fitted affine leans on the identity
TRIM = 2.5  # points that miss the affine by this many medians don't count in the second fit


@dataclass(frozen=True, eq=False)
class CoarseAnatomy:
    """The network's answer on the 3 mm grid.

    Args:
        grid: the 3 mm grid.
        image: float32 [X, Y, Z] the normalised image.
        probabilities: float32 [12, X, Y, Z] of :class:`AnatomyClass`.
        right: float32 [X, Y, Z], probability of the right half of the head.
        block_ras_mm: float64 [N, 3] centres of the blocks of 4 x 4 x 4 voxels that are mostly brain.
        block_mni_mm: float64 [N, 3] their MNI152 positions as the network sees them.
    """

    grid: Grid
    image: Float
    probabilities: Float
    right: Float
    block_ras_mm: NDArray[np.float64]
    block_mni_mm: NDArray[np.float64]

    @property
    def classes(self) -> NDArray[np.uint8]:
        """The likeliest class of each voxel, [X, Y, Z]."""
        return self.probabilities.argmax(axis=0).astype(np.uint8)


def normalise(image: Tensor) -> Tensor:
    """Divide by the 99th percentile of the positive voxels (of every second one per axis) and clip to 0..1.5."""
    bright = image[::2, ::2, ::2]
    bright = bright[bright > 0]
    if bright.numel() == 0:
        return torch.zeros_like(image)
    return (image / torch.quantile(bright, 0.99).clamp_min(1e-12)).clamp(0, 1.5)


def to_coarse(volume: NDArray, grid: Grid) -> tuple[Float, Grid]:
    """Bring a canonical volume [X, Y, Z] to the 3 mm grid: averages where it is finer, linear where coarser."""
    coarse = grid.with_spacing((SPACING_MM,) * 3)
    image = torch.from_numpy(np.ascontiguousarray(volume, dtype=np.float32))
    for axis in (2, 0, 1):  # slices are views of the last axis; thin them out first
        matrix = _matrix(grid, coarse, axis)
        image = torch.tensordot(matrix, image, dims=([1], [axis])).movedim(0, axis)
    return image.contiguous().numpy(), coarse


def from_coarse(grid: Grid, coarse: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Return the interpolation weights [n_fine, n_coarse] of the three axes from the 3 mm grid to ``grid``."""
    first, second, third = (_matrix(coarse, grid, axis) for axis in range(3))
    return first, second, third


def _matrix(source: Grid, target: Grid, axis: int) -> Tensor:
    """Return the weights [n_target, n_source] along one axis."""
    ratio = float(target.spacing_mm[axis] / source.spacing_mm[axis])
    kernel: Kernel = "area" if ratio > 1 else "linear"
    return torch.from_numpy(resampling_matrix(source.shape[axis], target.shape[axis], ratio, kernel))


def look(volume: NDArray, grid: Grid, network: AnatomyNetwork, compute: Compute) -> CoarseAnatomy:
    """Run the network on a whole image.

    Args:
        volume: [X, Y, Z] non-negative image of any contrast on the canonical ``grid``.
        grid: its grid.
        network: in evaluation mode.
        compute: device and precision.
    """
    image, coarse = to_coarse(volume, grid)
    normal = normalise(torch.from_numpy(image))
    padded, start = _padded(normal)
    network = network.to(compute.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    with torch.inference_mode(), compute.autocast():
        laid = padded[None, None].to(compute.device, memory_format=torch.channels_last_3d)
        output = finite(partial(network, laid))
    box = tuple(slice(s, s + n) for s, n in zip(start, coarse.shape, strict=True))
    probabilities = output.classes[0].float().softmax(dim=0)
    brain = probabilities[int(AnatomyClass.VENTRICLE) :].sum(dim=0).cpu()
    ras_mm, mni_mm = _blocks(output.position[0].float().cpu() * POSITION_UNIT_MM, brain, box, coarse)
    return CoarseAnatomy(
        grid=coarse,
        image=normal.numpy(),
        probabilities=probabilities[:, box[0], box[1], box[2]].cpu().numpy(),
        right=output.right[0, 0].float().sigmoid()[box].cpu().numpy(),
        block_ras_mm=ras_mm,
        block_mni_mm=mni_mm,
    )


def _padded(image: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
    """Pad with zeros on both sides to what the network takes; return the image and where it starts."""
    wanted = [max(least, -(-n // MULTIPLE) * MULTIPLE) for n, least in zip(image.shape, LEAST_SHAPE, strict=True)]
    first, second, third = ((w - n) // 2 for w, n in zip(wanted, image.shape, strict=True))
    padded = torch.zeros(wanted)
    x, y, z = image.shape
    padded[first : first + x, second : second + y, third : third + z] = image
    return padded, (first, second, third)


def _blocks(
    mni_mm: Tensor, brain: Tensor, box: tuple[slice, ...], coarse: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the blocks of brain lie, RAS and MNI153 mm, each [N, 3]."""
    seen = torch.zeros_like(brain)
    seen[box] = 1
    share = torch.nn.functional.avg_pool3d((brain * seen)[None], POSITION_STRIDE)[0]
    chosen = torch.nonzero(share > 0.5).numpy()
    start = np.array([part.start for part in box])
    ijk = chosen * POSITION_STRIDE + (POSITION_STRIDE - 1) / 2 - start
    return coarse.to_mm(ijk), mni_mm.numpy()[:, chosen[:, 0], chosen[:, 1], chosen[:, 2]].T.astype(np.float64)


def fit_mni(anatomy: CoarseAnatomy) -> tuple[NDArray[np.float64], float]:
    """Fit the affine from RAS mm to MNI153 mm to what the network says of each block of brain.

    Ridge regression towards the identity: a whole brain (spread of points 40 mm) is fitted almost freely, in a
    small block of it (10 mm) the scales are held near 1. A second fit leaves out what missed the first.

    Returns:
        The affine [4, 4] and the median distance in mm by which it misses; infinite without brain.
    """
    here, there = anatomy.block_ras_mm, anatomy.block_mni_mm
    if len(here) < 4:
        return np.eye(4), float("inf")
    affine = _ridge(here, there)
    miss = _misses(affine, here, there)
    kept = miss <= TRIM * np.median(miss)
    affine = _ridge(here[kept], there[kept])
    return affine, float(np.median(_misses(affine, here, there)))


def _misses(affine: NDArray[np.float64], here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray:
    """Return the distances [N] in mm between mapped and wanted points."""
    return np.linalg.norm(here @ affine[:3, :3].T + affine[:3, 3] - there, axis=1)


def _ridge(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the affine [4, 4] with the least squares, held to the identity as by :data:`STIFFNESS_MM`."""
    middle_here, middle_there = here.mean(axis=0), there.mean(axis=0)
    x, y = here - middle_here, there - middle_there
    stiffness = len(x) * STIFFNESS_MM**2 * np.eye(3)
    linear = np.linalg.solve(x.T @ x + stiffness, x.T @ y + stiffness).T
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = middle_there - linear @ middle_here
    return affine
