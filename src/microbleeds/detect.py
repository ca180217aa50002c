"""From prepared arrays to candidates: tiles, peaks, sub-cell centres, non-maximum suppression in mm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from microbleeds.compute import Compute, choose
from microbleeds.diameter import apparent_diameter_mm
from microbleeds.networks.config import DetectorConfig, Stride
from microbleeds.networks.detector import Detector, cell_to_voxel, for_inference
from microbleeds.networks.finite import finite
from microbleeds.prepare import Prepared
from microbleeds.refine import refinement_logits
from microbleeds.scan import Candidate
from microbleeds.tiles import Tile, largest_tiles, window_tiles
from microbleeds.weights.card import Calibration, Card

#: What the first stage gives an uncalibrated score below 0.1 is no candidate for the second, which learned from
#: nothing below either: of 286 microbleeds of validation scans none more is found if it is asked of more, up to 4
#: false positives per scan, and each look costs.
REFINED_FROM_LOGIT = float(np.log(0.1 / 0.9))


@dataclass(frozen=True)
class DetectSettings:
    """How to search; :func:`settings_for` gives what goes with weights.

    Args:
        floor: lowest score of a candidate; low, so that curves and screening have something to choose from.
        separation_mm: of two candidates nearer than this the weaker is dropped. Microbleeds are mostly
            below 5 mm, so two centres within 4 mm are one bleed.
        calibration: raw logit to score. It stands in the card of the weights; the default calibrates nothing.
        whole_voxels: up to so many padded voxels the brain goes through in one piece; twelve million need
            about 1 GB in bfloat16 (half as many are allowed in float32).
        halo_cells: overlap of tiles beyond that, in cells on each side; 16 cells are 32 mm.
        window: voxels of a window that slides over the brain instead, for a network that never saw more at once.
        window_overlap: share of a window that its neighbours see too along each axis. Training puts a bleed up to
            0.35 of a crop from its middle, so a window decides the three quarters around its middle. The paper
            does not state its overlap; what others bring is measured in docs/method.md.
        measure_diameters: whether to fill ``Candidate.diameter_mm``.
    """

    floor: float = 0.05
    separation_mm: float = 4.0
    calibration: Calibration = field(default_factory=Calibration)
    whole_voxels: int = 12_000_000
    halo_cells: int = 16
    window: Stride | None = None
    window_overlap: float = 0.25
    measure_diameters: bool = True


def settings_for(card: Card, *, with_phase: bool) -> DetectSettings:
    """Settings for weights: their window and calibration, and a floor below both operating points.

    Args:
        card: of the weights.
        with_phase: whether the scan has its phase; scores without are calibrated by themselves.
    """
    scoring = card.scoring(with_phase=with_phase)
    lowest = 0.5 * min(scoring.operating_points.balanced, scoring.operating_points.screening)
    floor = min(DetectSettings.floor, lowest)
    return DetectSettings(floor=floor, calibration=scoring.calibration, window=card.search_window)


def detect(
    prepared: Prepared,
    model: Detector,
    settings: DetectSettings,
    compute: Compute | None = None,
) -> list[Candidate]:
    """Find candidates, surest first.

    Where the weights have a second stage, its logit is added to that of the proposal.

    Args:
        prepared: the scan on the working grid of the model's preparation.
        model: the detector (it is not changed).
        settings: how to search, :func:`settings_for` the card of the model; there is no default, since scores
            mean nothing with the calibration of other weights.
        compute: device and precision; measured when not given.
    """
    compute = compute or choose()
    image, fast = prepared.masked(), for_inference(model, compute.device, compute.dtype)
    logit, offset = tiled_map(image, fast, settings, compute)
    brain = cells_touching(prepared.brain, model.config.cell, logit.shape)
    cells, peaks = _peaks(logit, brain)
    logits = peaks.astype(np.float64)
    centres = cells + offset[:, cells[:, 0], cells[:, 1], cells[:, 2]].T
    voxels = cell_to_voxel(centres, model.config)
    if fast.refinement is not None:
        # Neighbours fall first, by what the first stage says of them: each look at a patch costs.
        asked = np.flatnonzero(logits >= REFINED_FROM_LOGIT)
        asked = asked[suppress(prepared.grid.to_mm(voxels[asked]), logits[asked], settings.separation_mm)]
        voxels = voxels[asked]
        logits = logits[asked] + refinement_logits(image, voxels, fast, compute)
    scores = settings.calibration.score(logits)
    kept = scores >= settings.floor
    voxels, scores = voxels[kept], scores[kept]
    positions = prepared.grid.to_mm(voxels)
    chosen = suppress(positions, scores, settings.separation_mm)
    return [_candidate(prepared, voxels[n], positions[n], scores[n], settings) for n in chosen]


def score_map(
    image: NDArray[np.float32], model: Detector, settings: DetectSettings, compute: Compute
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run the network over a masked image [C, X, Y, Z]; see :func:`tiled_map`."""
    return tiled_map(image, for_inference(model, compute.device, compute.dtype), settings, compute)


def tiled_map(
    image: NDArray[np.float32], fast: Detector, settings: DetectSettings, compute: Compute
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run a network that is ready for inference over a masked image [C, X, Y, Z], tile by tile.

    Args:
        image: on the working grid.
        fast: what :func:`microbleeds.networks.detector.for_inference` returns; making it copies the network.
        settings: how to search.
        compute: for which ``fast`` was made.

    Returns:
        logit [cells...] and offset [3, cells...] in cell units; cells are cut to those that hold a voxel.
    """
    shape = tuple(int(n) for n in -(-np.asarray(image.shape[1:]) // np.asarray(fast.config.cell)))
    logit = np.empty(shape, dtype=np.float32)
    offset = np.empty((3, *shape), dtype=np.float32)
    with torch.inference_mode():
        for tile in _tiles(shape, fast.config, settings, compute):
            cut = torch.from_numpy(tile.cut(image, fast.config.cell))
            out = finite(partial(fast, _padded(cut, fast.config.total_stride, compute)))
            logit[tile.core] = out.logit[0].float().cpu().numpy()[tile.inner]
            for axis in range(3):
                offset[axis][tile.core] = out.offset[0, axis].float().cpu().numpy()[tile.inner]
    return logit, offset


def _padded(tile: Tensor, stride: Stride, compute: Compute) -> Tensor:
    """Add the batch axis, pad to multiples of the stride with zeros, move to device and precision."""
    pad: list[int] = []
    for n, s in zip(tile.shape[:0:-1], stride[::-1], strict=True):
        pad += [0, -n % s]
    image = functional.pad(tile, pad)[None].to(compute.device, compute.dtype)
    return image.contiguous(memory_format=torch.channels_last_3d)


def _tiles(
    shape: tuple[int, ...], config: DetectorConfig, settings: DetectSettings, compute: Compute
) -> Iterator[Tile]:
    """Pieces in which a map of so many cells is made."""
    if settings.window is not None:
        return window_tiles(shape, config, settings.window, settings.window_overlap)
    allowed = settings.whole_voxels * 2 // (torch.finfo(compute.dtype).bits // 8)
    return largest_tiles(shape, config, allowed, settings.halo_cells)


def cells_touching(brain: NDArray[np.bool_], cell: Stride, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Cells that hold at least one brain voxel."""
    padded = np.pad(brain, [(0, n * c - b) for b, c, n in zip(brain.shape, cell, shape, strict=True)])
    blocks = padded.reshape(shape[0], cell[0], shape[1], cell[1], shape[2], cell[2])
    return np.asarray(blocks.any(axis=(1, 3, 5)))


def _peaks(logit: NDArray[np.float32], brain: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Cells [N, 3] inside the brain that are the largest of their 3 x 3 x 3 neighbours, and their logits."""
    inside = np.where(brain, logit, -np.inf).astype(np.float32)
    largest = functional.max_pool3d(torch.from_numpy(inside)[None], 3, stride=1, padding=1)[0].numpy()
    cells = np.argwhere((inside == largest) & brain)
    return cells, inside[cells[:, 0], cells[:, 1], cells[:, 2]]


def suppress(positions_mm: NDArray[np.float64], scores: NDArray[np.floating], separation_mm: float) -> list[int]:
    """Indices to keep, highest score first, none within ``separation_mm`` of a kept one."""
    kept: list[int] = []
    for n in np.argsort(-scores, kind="stable"):
        gaps = np.linalg.norm(positions_mm[kept] - positions_mm[n], axis=1)
        if not kept or gaps.min() >= separation_mm:
            kept.append(int(n))
    return kept


def _candidate(
    prepared: Prepared,
    voxel: NDArray[np.float64],
    position: NDArray[np.float64],
    score: float,
    settings: DetectSettings,
) -> Candidate:
    """Fill in a candidate."""
    diameter = None
    if settings.measure_diameters:
        diameter = apparent_diameter_mm(prepared.image[0], voxel, prepared.grid.spacing_mm)
    x, y, z = (float(v) for v in position)
    return Candidate((x, y, z), float(score), diameter)
