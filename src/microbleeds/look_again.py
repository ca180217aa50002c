"""A second look at findings: how much does a score change when the image is mirrored or shifted a little?

A mirror image of a head is a head, and where the cells of the network begin means nothing. So a score that
changes much under either stands on little, and its reader should know.

Conventions:
    * A *window* is a box of voxels on the working grid. Its place and size are whole coarsest voxels of the
      network, so that an unchanged window is cut as a tile of the whole brain is.
    * What of a window lies outside of the image is zero, as the padding of a tile is. At a border of the
      image the window moves inwards, so that the network sees the border where it saw it before.
    * Only changes that training showed to the network are used: it drew crops at any voxel, and mirrored
      them along every axis (`training/augment.py`) unless the card says that it did not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from microbleeds.compute import Compute, choose
from microbleeds.detect import DetectSettings, cells_touching, tiled_map
from microbleeds.geometry import Grid
from microbleeds.networks.config import DetectorConfig, Stride
from microbleeds.networks.detector import Detector, cell_to_voxel, for_inference, voxel_to_cell
from microbleeds.prepare import Prepared
from microbleeds.refine import refinement_logits
from microbleeds.scan import Candidate
from microbleeds.tiles import cut_box
from microbleeds.weights.card import Card

#: A centre within this of the candidate is the same spot; below the 4 mm that part two candidates.
MATCH_MM = 3.0
#: Context on each side, in cells: as much as the middle of a training crop has. The tiles of a search have more,
#: which moved the scores of 14 findings on two simulated scans by 0.06 at most and makes a look twice as dear.
HALO_CELLS = 12
#: Cells farther than this from the candidate's own are not asked whether they put a centre at it.
REACH_CELLS = 4


@dataclass(frozen=True)
class Change:
    """One way to lay the same image before the network.

    Args:
        flipped: axes of the working grid that are mirrored.
        shift_voxels: by how much the cells move against the image along each axis.
    """

    flipped: tuple[int, ...] = ()
    shift_voxels: Stride = (0, 0, 0)


#: One mirror image along each axis, and every way in which a cell, four voxels wide in plane, can lie half a cell
#: off. Flip and shift come together, so that four passes ask all of it.
CHANGES = (
    Change(flipped=(0,), shift_voxels=(2, 0, 0)),
    Change(flipped=(1,), shift_voxels=(0, 2, 0)),
    Change(flipped=(2,), shift_voxels=(2, 2, 1)),
    Change(shift_voxels=(1, 1, 0)),
)


def changes_for(card: Card) -> tuple[Change, ...]:
    """Return the changes that weights should stand: flips only where training showed them."""
    return CHANGES if card.training.flips else tuple(replace(change, flipped=()) for change in CHANGES)


def look_again(
    prepared: Prepared,
    model: Detector,
    candidates: Sequence[Candidate],
    chosen: Sequence[bool],
    settings: DetectSettings,
    compute: Compute | None = None,
    changes: Sequence[Change] = CHANGES,
) -> list[Candidate]:
    """Measure how far the scores of chosen candidates depend on how the image lies.

    Args:
        prepared: the scan as it was searched.
        model: the detector (it is not changed).
        candidates: what :func:`microbleeds.detect.detect` found.
        chosen: which of them to measure, one for each; every window costs a pass for each change.
        settings: as they were searched with; another calibration would make a spread out of itself.
        compute: device and precision; measured when not given.
        changes: that each window goes through.

    Returns:
        The candidates in the same order; the chosen ones have their ``score_range``.
    """
    indices = [n for n, (_, wanted) in enumerate(zip(candidates, chosen, strict=True)) if wanted]
    if not indices:
        return list(candidates)
    compute = compute or choose()
    fast = for_inference(model, compute.device, compute.dtype)
    scores = {n: [candidates[n].score] for n in indices}
    # A window of this size is what the network has seen as one piece, so it goes through as one.
    at_once = replace(settings, window=None)
    if settings.window is None:
        windows = _windows(prepared.grid, candidates, indices, model.config, changes)
    else:
        # As in the search, which slides it past the edges of the image.
        size, total = np.asarray(settings.window), np.asarray(model.config.total_stride)
        windows = _around(prepared.grid, candidates, indices, size, total)
    for window, members in windows:
        for change in changes:
            view = _look(prepared, fast, window, change, at_once, compute)
            spots = [view.strongest(candidates[n].position_ras_mm, prepared.grid, model.config) for n in members]
            logits = np.array([spot.logit for spot in spots])
            if fast.refinement is not None:
                logits += refinement_logits(view.image, np.stack([spot.voxel for spot in spots]), fast, compute)
            for n, score in zip(members, settings.calibration.score(logits), strict=True):
                scores[n].append(float(score))
    ranges = {n: (min(seen), max(seen)) for n, seen in scores.items()}
    return [replace(c, score_range=ranges[n]) if n in ranges else c for n, c in enumerate(candidates)]


@dataclass(frozen=True)
class Window:
    """A box of voxels of the working grid; it may reach outside of the image.

    Args:
        start: first voxel.
        size: voxels along each axis.
    """

    start: Stride
    size: Stride

    def cut(self, array: NDArray) -> NDArray:
        """Return what an array [..., X, Y, Z] holds in the window, zero outside of the image."""
        return cut_box(array, self.start, self.size)


@dataclass(frozen=True, eq=False)
class Spot:
    """What the proposal network says of a place.

    Args:
        logit: minus infinity where no cell puts a centre there.
        voxel: [3] of the changed window.
    """

    logit: float
    voxel: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class View:
    """What the proposal network says of a window after a change.

    Args:
        window: what was cut, shift included.
        flipped: axes that were mirrored after the cut.
        image: [C, x, y, z] that it saw.
        logit: [cells...], minus infinity where no brain is.
        offset: [3, cells...] of a centre from the middle of its cell, in cells.
    """

    window: Window
    flipped: tuple[int, ...]
    image: NDArray[np.float32]
    logit: NDArray[np.float32]
    offset: NDArray[np.float32]

    def strongest(self, position_ras_mm: tuple[float, float, float], grid: Grid, config: DetectorConfig) -> Spot:
        """Return the largest logit of the cells that put a centre at a position, and that centre.

        That is the logit of the peak there. Where there is none any more, say because a neighbour outshines
        it by a voxel, the strongest cell still says what the network thinks of this spot.
        """
        here = self._mirrored(grid.to_ijk(position_ras_mm) - self.window.start)
        cell = np.rint(voxel_to_cell(here, config))
        low = np.clip(cell - REACH_CELLS, 0, self.logit.shape).astype(int)
        high = np.clip(cell + REACH_CELLS + 1, 0, self.logit.shape).astype(int)
        i, j, k = (slice(a, b) for a, b in zip(low, high, strict=True))
        cells = np.moveaxis(np.indices(high - low) + self.offset[:, i, j, k], 0, -1) + low
        voxels = cell_to_voxel(cells, config)
        centres = grid.to_mm(self._mirrored(voxels) + self.window.start)
        near = np.linalg.norm(centres - position_ras_mm, axis=-1) <= MATCH_MM
        logits = self.logit[i, j, k][near]
        if not len(logits):
            return Spot(-np.inf, here)
        return Spot(float(logits.max()), voxels[near][logits.argmax()])

    def _mirrored(self, voxels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map voxels [..., 3] of the window to the mirrored window, or back."""
        flip = np.isin(np.arange(3), self.flipped)
        return np.where(flip, np.asarray(self.window.size) - 1 - voxels, voxels)


def _windows(
    grid: Grid,
    candidates: Sequence[Candidate],
    indices: Sequence[int],
    config: DetectorConfig,
    changes: Sequence[Change],
) -> list[tuple[Window, list[int]]]:
    """Return windows and the candidates that each serves; one window of the whole brain where that is less."""
    total, cell = np.asarray(config.total_stride), np.asarray(config.cell)
    # Room for the largest shift, so that a shift never pushes a voxel of the image out of the last window.
    room = np.max([change.shift_voxels for change in changes], axis=0, initial=0)
    whole = -(-(np.asarray(grid.shape) + room) // total) * total
    # The window's start is rounded to coarsest voxels, which may take half of one from the context.
    size = np.minimum(-(-(2 * HALO_CELLS * cell + total) // total) * total, whole)
    served = _around(grid, candidates, indices, size, total, latest=whole - size)
    if len(served) * np.prod(size) > np.prod(whole):
        return [(Window((0, 0, 0), _triple(whole)), list(indices))]
    return served


def _around(
    grid: Grid,
    candidates: Sequence[Candidate],
    indices: Sequence[int],
    size: NDArray[np.int64],
    total: NDArray[np.int64],
    latest: NDArray[np.int64] | None = None,
) -> list[tuple[Window, list[int]]]:
    """Return windows of a size around candidates, in steps of ``total``, from 0 to ``latest`` if given."""
    served: dict[Stride, list[int]] = {}
    for n in indices:
        middle = grid.to_ijk(candidates[n].position_ras_mm) + 0.5
        start = np.rint((middle - size / 2) / total).astype(int) * total
        served.setdefault(_triple(start if latest is None else np.clip(start, 0, latest)), []).append(n)
    return [(Window(start, _triple(size)), members) for start, members in served.items()]


def _look(
    prepared: Prepared,
    fast: Detector,
    window: Window,
    change: Change,
    settings: DetectSettings,
    compute: Compute,
) -> View:
    """Run the network over a changed window."""
    shifted = Window(_triple(np.subtract(window.start, change.shift_voxels)), window.size)
    brain = np.flip(shifted.cut(prepared.brain), change.flipped)
    image = np.flip(shifted.cut(prepared.image), tuple(axis + 1 for axis in change.flipped)) * brain
    logit, offset = tiled_map(image, fast, settings, compute)
    # As in the search: outside of the brain training said nothing.
    searched = cells_touching(brain, fast.config.cell, logit.shape)
    return View(shifted, change.flipped, image, np.where(searched, logit, -np.inf).astype(np.float32), offset)


def _triple(values: NDArray | Sequence[int]) -> Stride:
    """Return three whole numbers as a tuple."""
    i, j, k = (int(value) for value in values)
    return i, j, k
