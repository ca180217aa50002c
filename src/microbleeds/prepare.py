"""From a scan to the arrays that the detector reads, by a specification that is stored with the weights.

Conventions:
    * On the working grid the axis with the largest spacing is last; the other two keep their order. A voxel
      maps to RAS mm through ``Prepared.grid``, exactly, whatever was permuted, cropped or resampled.
    * An axis whose spacing is within ``spacing_tolerance`` of the wanted one is not resampled, so that
      0.5 x 0.5 x 2 mm scans stay bit-exact.
    * ``Prepared.image`` is not masked; :meth:`Prepared.masked` is what the network sees. Training varies
      the mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import ndimage

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.scan import Scan

Kernel = Literal["cubic", "linear", "area"]
Float = NDArray[np.float32]


class PreparationSpec(BaseModel):
    """How a scan becomes arrays; a model works only with the one it was trained with.

    Args:
        version: of the algorithm below; raised when its results change.
        spacing_mm: working voxel, two in-plane sides and the slice distance.
        slices: interpolate the whole scan to this many slices instead (as Kim et al., 224).
        spacing_tolerance: relative difference in spacing that is left alone.
        margin_mm: kept around the brain box.
        normalisation: ``deep-median`` divides the SWI by the median of the brain deeper than
            ``deep_depth_mm`` and leaves the phase in radians; ``min-max`` brings both to 0..1.
        swi_clip: upper limit of the normalised SWI.
        deep_depth_mm: depth below the brain surface from which the median is taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    spacing_mm: tuple[float, float, float] = (0.5, 0.5, 2.0)
    slices: int | None = None
    spacing_tolerance: float = 0.05
    margin_mm: float = 5.0
    normalisation: Literal["deep-median", "min-max"] = "deep-median"
    swi_clip: float = 2.0
    deep_depth_mm: float = 10.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """A scan on the working grid.

    Args:
        image: float32 [2, X, Y, Z]: normalised SWI, and phase in radians (zero when absent).
        brain: bool [X, Y, Z].
        grid: working grid; maps voxels to RAS mm.
        has_phase: whether the second channel carries anything.
    """

    image: Float
    brain: NDArray[np.bool_]
    grid: Grid
    has_phase: bool

    def masked(self) -> Float:
        """The image with everything outside the brain at zero, [2, X, Y, Z]."""
        return self.image * self.brain


def prepare(scan: Scan, brain_mask: NDArray[np.bool_], spec: PreparationSpec) -> Prepared:
    """Bring a scan to the working grid.

    Args:
        scan: the scan.
        brain_mask: bool [X, Y, Z] on ``scan.grid``.
        spec: the specification.

    Raises:
        InputError: if the mask is empty or lies on another grid.
    """
    if brain_mask.shape != scan.grid.shape:
        raise InputError(
            f"The brain mask has shape {brain_mask.shape} but the scan {scan.grid.shape};"
            " give a mask on the grid of the scan."
        )
    if not brain_mask.any():
        raise InputError("The brain mask is empty; check that the image shows a brain.")
    order = _working_order(scan.grid)
    whole = _permuted_grid(scan.grid, order)
    target = _target_spacing(whole, spec)
    start, stop = _brain_box(np.transpose(brain_mask, order), whole, spec.margin_mm)
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    source = whole.cropped(start, stop)

    def cut(array: NDArray) -> NDArray:
        return np.transpose(array, order)[box]

    swi, phase, brain, grid = _resample_all(
        cut(scan.swi),
        None if scan.phase_rad is None else cut(scan.phase_rad),
        cut(brain_mask),
        source,
        target,
    )
    image = _normalised(swi, phase, brain, grid, spec)
    return Prepared(image, brain, grid, phase is not None)


def _working_order(grid: Grid) -> tuple[int, int, int]:
    """Axes in the order of the working grid: the thickest last, unless the grid is near-isotropic.

    Not ``Grid.slice_axis``: weights learned from scans that were turned by this rule (1.2 times the median).
    """
    spacing = grid.spacing_mm
    thickest = int(np.argmax(spacing))
    if spacing[thickest] < 1.2 * np.median(spacing):
        thickest = 2
    rest = [axis for axis in range(3) if axis != thickest]
    return (rest[0], rest[1], thickest)


def _permuted_grid(grid: Grid, order: tuple[int, int, int]) -> Grid:
    """The same voxels with their axes in another order."""
    affine = grid.affine.copy()
    affine[:, :3] = grid.affine[:, list(order)]
    i, j, k = (grid.shape[axis] for axis in order)
    return Grid((i, j, k), affine)


def _target_spacing(grid: Grid, spec: PreparationSpec) -> NDArray[np.float64]:
    """Spacing of the working grid; an axis close enough keeps the spacing it has."""
    have, want = grid.spacing_mm, np.array(spec.spacing_mm)
    if spec.slices is not None:
        want[2] = have[2] * grid.shape[2] / spec.slices
    return np.where(np.abs(have / want - 1) <= spec.spacing_tolerance, have, want)


def _brain_box(
    brain: NDArray[np.bool_], grid: Grid, margin_mm: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and past-the-last voxel of the brain along each axis, widened by a margin within the image."""
    spans = [np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    margin = np.ceil(margin_mm / grid.spacing_mm).astype(int)
    start = np.maximum([span[0] for span in spans] - margin, 0)
    stop = np.minimum([span[-1] + 1 for span in spans] + margin, grid.shape)
    return start, stop


def _resample_all(
    swi: NDArray, phase: NDArray | None, brain: NDArray[np.bool_], source: Grid, target: NDArray[np.float64]
) -> tuple[Float, Float | None, NDArray[np.bool_], Grid]:
    """Bring image, phase and mask to the wanted spacing."""
    swi = np.ascontiguousarray(swi, dtype=np.float32)
    phase = None if phase is None else np.ascontiguousarray(phase, dtype=np.float32)
    if np.array_equal(source.spacing_mm, target):
        return swi, phase, np.ascontiguousarray(brain), source
    grid = source.with_spacing(target)
    weights = np.maximum(swi, 0)
    swi_new = np.maximum(resample(swi, source, grid), 0)  # cubic kernels undershoot beside veins
    phase_new = None if phase is None else _resample_phase(phase, weights, source, grid)
    brain_new = resample(brain.astype(np.float32), source, grid, in_plane="linear") >= 0.5
    return swi_new, phase_new, brain_new, grid


def _resample_phase(phase: Float, weights: Float, source: Grid, grid: Grid) -> Float:
    """Resample the phase of a complex signal, so that a wrap is not averaged to zero.

    Phase that leaves +-pi has been unwrapped before and is resampled as a plain number.
    """
    if np.abs(phase).max() > 1.01 * np.pi:
        return resample(phase, source, grid)
    real = resample(weights * np.cos(phase), source, grid)
    imaginary = resample(weights * np.sin(phase), source, grid)
    return np.arctan2(imaginary, real)


def resample(array: Float, source: Grid, grid: Grid, in_plane: Kernel = "cubic") -> Float:
    """Resample [X, Y, Z] from one grid to another of the same axes and outer face.

    In plane by ``in_plane``; along slices by area average when they get thicker, else linearly.
    """
    ratio = grid.spacing_mm / source.spacing_mm
    kernels: list[Kernel] = [in_plane, in_plane, "area" if ratio[2] > 1 else "linear"]
    for axis in range(3):
        if ratio[axis] == 1:
            continue
        matrix = resampling_matrix(array.shape[axis], grid.shape[axis], float(ratio[axis]), kernels[axis])
        array = np.moveaxis(np.tensordot(matrix, array, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(array)


def resampling_matrix(inputs: int, outputs: int, ratio: float, kernel: Kernel) -> Float:
    """Weights [outputs, inputs] of a separable resampling step; rows sum to one.

    Args:
        inputs: samples before.
        outputs: samples after.
        ratio: new spacing over old; above 1 the kernel widens with it, which is the antialiasing.
        kernel: ``cubic`` is Keys' with a = -1/2 (Keys 1981), ``linear`` the tent, ``area`` exact overlap.
    """
    centres = (np.arange(outputs)[:, None] + 0.5) * ratio - 0.5
    distance = np.arange(inputs)[None] - centres
    if kernel == "area":
        weights = np.clip((ratio + 1) / 2 - np.abs(distance), 0, min(1.0, ratio))
    else:
        x = np.abs(distance) / max(ratio, 1.0)
        weights = _keys(x) if kernel == "cubic" else np.maximum(1 - x, 0)
    # At the last voxel of the field of view an output centre may lie past every input: repeat the edge.
    empty = np.abs(weights).sum(axis=1) < 1e-6
    weights[empty, -1] = 1
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _keys(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel, a = -1/2, at distances x >= 0."""
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _normalised(
    swi: Float, phase: Float | None, brain: NDArray[np.bool_], grid: Grid, spec: PreparationSpec
) -> Float:
    """Stack and scale both channels by the specification."""
    image = np.zeros((2, *swi.shape), dtype=np.float32)
    if spec.normalisation == "min-max":
        image[0] = _min_max(swi, brain)
        if phase is not None:
            image[1] = _min_max(phase, brain)
        return image
    reference = float(np.median(swi[_deep(brain, grid, spec.deep_depth_mm)]))
    if not reference > 0:
        raise InputError("The median signal inside the brain is zero; check the image and the brain mask.")
    np.clip(swi / np.float32(reference), 0, spec.swi_clip, out=image[0])
    if phase is not None:
        np.clip(phase, -np.pi, np.pi, out=image[1])
    return image


def _min_max(array: Float, brain: NDArray[np.bool_]) -> Float:
    """Scale to 0..1 by the extremes inside the brain."""
    low, high = float(array[brain].min()), float(array[brain].max())
    return np.clip((array - low) / max(high - low, 1e-6), 0, 1)


def _deep(brain: NDArray[np.bool_], grid: Grid, depth_mm: float) -> NDArray[np.bool_]:
    """Brain deeper than ``depth_mm`` below its surface, or all of it where too little lies so deep."""
    deep = depth_below_surface(brain, grid) > depth_mm
    return deep if deep.sum() >= 0.05 * brain.sum() else brain


def depth_below_surface(brain: NDArray[np.bool_], grid: Grid, limit_mm: float = 30.0) -> Float:
    """Signed distance in mm to the brain surface, positive inside, accurate to about 1 mm.

    Computed on a grid thinned to about 1 mm, since an exact transform of 7 million voxels takes seconds.
    The border of the array does not count as surface.
    """
    step = np.maximum(1, np.round(1.0 / grid.spacing_mm)).astype(int)
    coarse = brain[:: step[0], :: step[1], :: step[2]]
    sampling = grid.spacing_mm * step
    if coarse.all() or not coarse.any():
        return np.full(brain.shape, limit_mm if coarse.any() else -limit_mm, dtype=np.float32)
    inside = ndimage.distance_transform_edt(coarse, sampling)
    outside = ndimage.distance_transform_edt(~coarse, sampling)
    signed = np.clip(inside - outside, -limit_mm, limit_mm).astype(np.float32)
    for axis in range(3):
        signed = np.repeat(signed, step[axis], axis=axis)
    return signed[tuple(slice(0, n) for n in brain.shape)]
