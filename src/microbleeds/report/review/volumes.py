"""The volumes that `review.html` holds: the scan cut to the head's middle, in 256 grey levels or fewer.

Conventions:
    * Volumes lie on the scan's canonical grid, cut to the brain's box and :data:`MARGIN_MM` around it, with the
      affine of that part, so that millimetres on the page are the scan's own (RAS).
    * SWI: 0 is the value 0 (or less, if the image is), 255 a quarter above the bright end of the reading window.
      Noise is some five levels on a 3 T scan, so the steps can't be seen.
    * Phase: -pi to pi; -pi (black) beyond :data:`PHASE_REACH_MM` of the brain, where it is noise that can't be
      packed.
    * Codes: those of :mod:`microbleeds.regions`; :data:`BRAIN` marks brain of unknown region, 0 what is no brain.
    * A page that would exceed its limit is made with fewer grey levels first, then with coarser voxels.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.geometry import Grid
from microbleeds.report.window import Window, magnitude_window, phase_window
from microbleeds.scan import Scan

MARGIN_MM = 12.0
PHASE_REACH_MM = 8.0
BRAIN = 255
#: All volumes together, in base64. With the viewer (2.3 MB) and thumbnails a page stays below 40 MB.
MOST_BYTES = 34_000_000
# Grey levels of SWI and phase, and how often neighbouring voxels are averaged along the finest axes.
_ECONOMIES = ((256, 256, 0), (256, 64, 0), (128, 32, 0), (256, 64, 1), (128, 32, 1), (128, 32, 2), (64, 32, 3))
# Noise has no repeats to search for: run lengths alone make files 2 % smaller than gzip's own search, in a third
# of its time (measured on a simulated head of 448 x 384 x 72 voxels). 31 stands for a gzip header.
_GZIP = (6, zlib.DEFLATED, 31, 8, zlib.Z_RLE)


@dataclass(frozen=True, eq=False)
class Embedded:
    """One volume as it lies in the page.

    Args:
        data: gzipped NIfTI of uint8 with slope and intercept, in base64.
        window: black and white of the first view, in the scan's units.
    """

    data: str
    window: Window


@dataclass(frozen=True, eq=False)
class Volumes:
    """What the page shows.

    Args:
        grid: grid of all volumes.
        swi: the SWI, or the magnitude of a T2*-weighted scan.
        phase: phase in radians, paramagnetic positive; ``None`` if the scan has none.
        codes: regions; see the module's conventions.
        levels: grey levels of SWI and of phase.
        located: whether the codes tell regions, or brain alone.
    """

    grid: Grid
    swi: Embedded
    phase: Embedded | None
    codes: Embedded
    levels: tuple[int, int]
    located: bool

    @property
    def size(self) -> int:
        """Number of bytes in the page."""
        return sum(len(part.data) for part in (self.swi, self.phase, self.codes) if part is not None)


def embed(
    scan: Scan, brain: NDArray[np.bool_], regions: NDArray[np.uint8] | None, most_bytes: int = MOST_BYTES
) -> Volumes:
    """Cut, quantise and compress a scan.

    Args:
        scan: the scan.
        brain: [X, Y, Z] mask on ``scan.grid``.
        regions: [X, Y, Z] codes on ``scan.grid``, or ``None`` if the regions are unknown.
        most_bytes: size to keep below; the last economy is taken even if it is larger.
    """
    part = box(brain, scan.grid)
    grid = scan.grid.cropped([s.start for s in part], [s.stop for s in part])
    codes = codes_of(brain, regions)[part]
    windows = magnitude_window(scan.swi, brain), _phase_window(scan, brain)
    swi = np.ascontiguousarray(scan.swi[part])
    phase = None if scan.phase_rad is None else _quiet(scan.phase_rad[part], codes > 0, grid)
    for swi_levels, phase_levels, halvings in _ECONOMIES:
        coarse = [_halved(array, grid, halvings) for array in (swi, phase) if array is not None]
        made = Volumes(
            grid=coarse[0][1],
            swi=_swi(coarse[0][0], coarse[0][1], windows[0], swi_levels),
            phase=None if phase is None else _phase(coarse[1][0], coarse[1][1], windows[1], phase_levels),
            codes=_nifti(codes[_middles(grid, halvings)], coarse[0][1], Window(0, 255), (1.0, 0.0)),
            levels=(swi_levels, phase_levels),
            located=regions is not None and bool(regions.any()),
        )
        if made.size <= most_bytes:
            break
    return made


def box(brain: NDArray[np.bool_], grid: Grid) -> tuple[slice, slice, slice]:
    """Return the brain's box with a margin, as slices; the whole grid where the mask is empty."""
    if not brain.any():
        i, j, k = (slice(0, n) for n in grid.shape)
        return i, j, k
    spans = [np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    margin = np.ceil(MARGIN_MM / grid.spacing_mm).astype(int)
    start = np.maximum([span[0] for span in spans] - margin, 0)
    stop = np.minimum([span[-1] + 1 for span in spans] + margin, grid.shape)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return i, j, k


def codes_of(brain: NDArray[np.bool_], regions: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Join the brain mask and the regions: a region's code, :data:`BRAIN` in brain without one, else 0."""
    unknown = np.where(brain, np.uint8(BRAIN), np.uint8(0))
    return unknown if regions is None else np.where(brain & (regions == 0), np.uint8(BRAIN), regions)


def _phase_window(scan: Scan, brain: NDArray[np.bool_]) -> Window:
    """Return the phase's window, any if there is no phase."""
    return Window(-1, 1) if scan.phase_rad is None else phase_window(scan.phase_rad, brain)


def _quiet(phase_rad: NDArray[np.float32], brain: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """Return the phase, black far from the brain; a box takes 0.1 s where a distance map takes 3 s."""
    size = tuple(2 * int(n) + 1 for n in np.ceil(PHASE_REACH_MM / grid.spacing_mm))
    near = ndimage.maximum_filter(brain.view(np.uint8), size=size, mode="constant")
    return np.where(near, phase_rad, np.float32(-np.pi))


def _middles(grid: Grid, halvings: int) -> tuple[NDArray[np.int64], ...]:
    """Return the index of the voxels whose codes stay: of those that become one, the one at or next to the middle.

    The last ones may be too few to have it; their last one stays then.
    """
    axes = zip(grid.shape, _factors(grid, halvings), strict=True)
    return np.ix_(*(np.minimum(np.arange(0, size, n) + (n - 1) // 2, size - 1) for size, n in axes))


def _factors(grid: Grid, halvings: int) -> NDArray[np.int64]:
    """Return how many voxels become one along each axis; voxels grow towards cubes."""
    factors = np.ones(3, dtype=np.int64)
    for _ in range(halvings):
        spacing_mm = grid.spacing_mm * factors
        factors[spacing_mm < 1.5 * spacing_mm.min()] *= 2
    return factors


def _halved(array: NDArray[np.float32], grid: Grid, halvings: int) -> tuple[NDArray[np.float32], Grid]:
    """Average neighbouring voxels; a last one without a neighbour stands for itself."""
    factors = _factors(grid, halvings)
    for axis, factor in enumerate(factors):
        if factor > 1:
            starts = np.arange(0, array.shape[axis], factor)
            counts = np.minimum(starts + factor, array.shape[axis]) - starts
            shape = [-1 if n == axis else 1 for n in range(3)]
            array = np.add.reduceat(array, starts, axis=axis) / counts.reshape(shape).astype(np.float32)
    return array, grid.with_spacing(grid.spacing_mm * factors) if halvings else grid


def _swi(image: NDArray[np.float32], grid: Grid, window: Window, levels: int) -> Embedded:
    """Quantise an SWI."""
    low = min(0.0, window.low)
    high = window.low + 1.25 * (window.high - window.low)
    return _nifti(_quantised(image, low, high, levels), grid, window, ((high - low) / 255, low))


def _phase(image: NDArray[np.float32], grid: Grid, window: Window, levels: int) -> Embedded:
    """Quantise a phase image."""
    return _nifti(_quantised(image, -np.pi, np.pi, levels), grid, window, (2 * np.pi / 255, -np.pi))


def _quantised(image: NDArray[np.float32], low: float, high: float, levels: int) -> NDArray[np.uint8]:
    """Round values to evenly spaced steps of 0..255."""
    steps = np.clip((image - np.float32(low)) * np.float32((levels - 1) / (high - low)), 0, levels - 1)
    return np.round(np.round(steps) * np.float32(255 / (levels - 1))).astype(np.uint8)


def _nifti(stored: NDArray[np.uint8], grid: Grid, window: Window, scale: tuple[float, float]) -> Embedded:
    """Write a volume as the text that lies in the page."""
    image = nib.Nifti1Image(stored, grid.affine)
    image.header.set_slope_inter(*scale)
    image.header.set_xyzt_units("mm", "sec")
    image.header["cal_min"], image.header["cal_max"] = window.low, window.high
    packer = zlib.compressobj(*_GZIP)
    packed = packer.compress(image.to_bytes()) + packer.flush()
    return Embedded(base64.b64encode(packed).decode("ascii"), window)
