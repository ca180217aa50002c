"""A detector's score at given places, above any threshold or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, score_map
from microbleeds.networks.detector import Detector, cell_to_voxel, for_inference
from microbleeds.prepare import Prepared
from microbleeds.refine import refinement_logits

WITHIN_MM = 3.0


def scores_at(
    places_mm: Sequence[NDArray[np.float64]],
    prepared: Prepared,
    model: Detector,
    compute: Compute,
    use: str = "swi+phase",
) -> list[float]:
    """Return the uncalibrated score of the surest cell whose middle lies within 3 mm of each place.

    A second stage is asked of that cell's centre, however low the cell's own score: a search would not ask it of
    what is far below any threshold, but two spots are compared on the same scale only if both are asked.

    Args:
        places_mm: RAS mm, [3] each.
        prepared: the scan.
        model: the detector.
        compute: device and precision.
        use: ``swi`` takes the phase away.

    Returns:
        One score per place; 0 where no cell is near.
    """
    image = prepared.masked()
    if use == "swi":
        image[1] = 0
    logit, offset = score_map(image, model, DetectSettings(), compute)
    cells = [_surest_cell(prepared.grid.to_ijk(place), logit, model, prepared) for place in places_mm]
    there = [n for n, cell in enumerate(cells) if cell is not None]
    scores = [0.0] * len(cells)
    if not there:
        return scores
    chosen = np.stack([cells[n] for n in there])
    logits = logit[tuple(chosen.T)].astype(np.float64)
    if model.refinement is not None:
        fast = for_inference(model, compute.device, compute.dtype)
        centres = cell_to_voxel(chosen + offset[(slice(None), *chosen.T)].T, model.config)
        logits = logits + refinement_logits(image, centres, fast, compute)
    for n, value in zip(there, logits, strict=True):
        scores[n] = float(0.5 * (1 + np.tanh(value / 2)))
    return scores


def _surest_cell(
    voxel: NDArray[np.float64], logit: NDArray[np.float32], model: Detector, prepared: Prepared
) -> NDArray[np.int64] | None:
    """Return the cell [3] of the largest logit whose middle lies within 3 mm of a voxel, or none."""
    cell, spacing_mm = np.asarray(model.config.cell), prepared.grid.spacing_mm
    middle = np.floor((voxel + 0.5) / cell).astype(int)
    reach = np.ceil(WITHIN_MM / (spacing_mm * cell)).astype(int) + 1
    axes = [
        np.arange(max(0, m - r), min(n, m + r + 1)) for m, r, n in zip(middle, reach, logit.shape, strict=True)
    ]
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    offset_mm = (cell_to_voxel(cells, model.config) - voxel) * spacing_mm
    near = cells[np.linalg.norm(offset_mm, axis=1) <= WITHIN_MM]
    return near[np.argmax(logit[tuple(near.T)])] if len(near) else None
