"""How far a segmentation into regions covers the true one: Dice by region, by MARS row and by group.

Conventions:
    * All figures come from one confusion matrix of voxels per scan, so that they can't disagree.
    * Dice (Dice 1945) of two empty masks is not a number: such a scan says nothing of that structure.
    * The **brain** is parenchyma and ventricles.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from microbleeds.regions import MARS, REGIONS, VENTRICLE

CODES = 64
GROUPS = ("lobar", "deep", "infratentorial")


def confusion(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the number of voxels by true (rows) and found (columns) region code, [64, 64].

    Args:
        found: region codes [X, Y, Z].
        truth: region codes [X, Y, Z]; voxels of codes that are no region are left out.

    Raises:
        ValueError: if the shapes differ.
    """
    if found.shape != truth.shape:
        raise ValueError(f"Both must have one shape, got {found.shape} and {truth.shape}.")
    pairs = truth.astype(np.uint16) * CODES + np.minimum(found, CODES - 1)
    counts = np.bincount(pairs[truth < CODES].ravel(), minlength=CODES * CODES)
    return counts.reshape(CODES, CODES)


def dice_of(counts: NDArray[np.int64], codes: NDArray[np.bool_]) -> float:
    """Return the Dice overlap of the union of the regions where ``codes`` [64] is true; NaN if it is empty."""
    both = counts[codes][:, codes].sum()
    size = counts[codes].sum() + counts[:, codes].sum()
    return float(2 * both / size) if size else float("nan")


def overlaps(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return Dice of ``brain``, the groups, and ``row:NAME`` of each MARS row and side (``row:left thalamus``)."""
    found = {"brain": dice_of(counts, np.arange(CODES) >= VENTRICLE)}
    for group in GROUPS:
        found[group] = dice_of(counts, _where(region.group == group for region in REGIONS.values()))
    for row in dict.fromkeys(MARS.rows.values()):
        for side in ("left", "right"):
            wanted = (MARS.rows.get(r.name) == row and r.side == side for r in REGIONS.values())
            found[f"row:{side} {row}"] = dice_of(counts, _where(wanted))
    return found


def side_accuracy(counts: NDArray[np.int64]) -> float:
    """Return the share of voxels of paired regions, in truth and answer, that lie on the right side."""
    side = np.zeros(CODES)
    for code, region in REGIONS.items():
        side[code] = {"left": -1, "right": 1, "none": 0}[region.side]
    product = np.outer(side, side)
    compared = counts[product != 0].sum()
    return float(counts[product > 0].sum() / compared) if compared else float("nan")


def _where(wanted: Iterable[bool]) -> NDArray[np.bool_]:
    """Return which codes are wanted, [64], from whether each of :data:`REGIONS` is."""
    codes = np.zeros(CODES, dtype=bool)
    codes[list(REGIONS)] = list(wanted)
    return codes
