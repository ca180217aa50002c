"""A detector's score at given places, above any threshold or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, score_map
from microbleeds.networks.detector import Detector, cell_to_voxel
from microbleeds.prepare import Prepared

WITHIN_MM = 3.0


def scores_at(
    places_mm: Sequence[NDArray[np.float64]],
    prepared: Prepared,
    model: Detector,
    compute: Compute,
    use: str = "swi+phase",
) -> list[float]:
    """Return the largest uncalibrated score of the cells whose middle lies within 3 mm of each place.

    Args:
        places_mm: RAS mm, [3] each.
        prepared: the scan.
        model: the detector.
        compute: device and precision.
        use: ``swi`` takes the phase away.
    """
    image = prepared.masked()
    if use == "swi":
        image[1] = 0
    logit, _ = score_map(image, model, DetectSettings(), compute)
    cell = np.asarray(model.config.cell)
    reach = np.ceil(WITHIN_MM / (prepared.grid.spacing_mm * cell)).astype(int) + 1
    scores = []
    for place in places_mm:
        voxel = prepared.grid.to_ijk(place)
        middle = np.floor((voxel + 0.5) / cell).astype(int)
        axes = [
            np.arange(max(0, m - r), min(n, m + r + 1)) for m, r, n in zip(middle, reach, logit.shape, strict=True)
        ]
        cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        offset_mm = (cell_to_voxel(cells, model.config) - voxel) * prepared.grid.spacing_mm
        near = cells[np.linalg.norm(offset_mm, axis=1) <= WITHIN_MM]
        largest = logit[tuple(near.T)].max(initial=-np.inf)
        scores.append(float(0.5 * (1 + np.tanh(largest / 2))) if len(near) else 0.0)
    return scores
