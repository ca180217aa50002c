"""Overlap of two segmentations against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from microbleeds.evaluate.overlap import confusion, dice_of, overlaps, side_accuracy
from microbleeds.networks.anatomy import IGNORED
from microbleeds.regions import CSF, VENTRICLE, code_of

LEFT, RIGHT = code_of("thalamus", "left"), code_of("thalamus", "right")
LOBAR = code_of("frontal_cortex", "left")


def volumes(*pairs: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return found and truth from (truth, found, number of voxels)."""
    truth = np.concatenate([np.full(n, t) for t, _, n in pairs]).astype(np.uint8)
    found = np.concatenate([np.full(n, f) for _, f, n in pairs]).astype(np.uint8)
    return found, truth


def test_dice_by_hand() -> None:
    found, truth = volumes((LEFT, LEFT, 6), (LEFT, LOBAR, 2), (LOBAR, LOBAR, 10), (CSF, LEFT, 2))
    dice = overlaps(confusion(found, truth))
    assert dice["deep"] == pytest.approx(2 * 6 / (8 + 8))
    assert dice["lobar"] == pytest.approx(2 * 10 / (10 + 12))
    assert dice["brain"] == pytest.approx(2 * 18 / (18 + 20))
    assert dice["row:left thalamus"] == dice["deep"]
    assert math.isnan(dice["infratentorial"])


def test_sides_count_apart_in_rows_and_together_in_groups() -> None:
    found, truth = volumes((LEFT, RIGHT, 5), (RIGHT, RIGHT, 5))
    counts = confusion(found, truth)
    assert overlaps(counts)["deep"] == 1
    assert overlaps(counts)["row:left thalamus"] == 0
    assert overlaps(counts)["row:right thalamus"] == pytest.approx(2 * 5 / 15)
    assert side_accuracy(counts) == 0.5


def test_voxels_that_are_not_asked_are_left_out() -> None:
    found, truth = volumes((LEFT, LEFT, 4), (IGNORED, LOBAR, 9), (VENTRICLE, VENTRICLE, 1))
    counts = confusion(found, truth)
    assert counts.sum() == 5
    assert math.isnan(overlaps(counts)["lobar"])


def test_confusions_add_up() -> None:
    one = confusion(*volumes((LEFT, LEFT, 3), (LOBAR, CSF, 1)))
    two = confusion(*volumes((LEFT, CSF, 3), (LOBAR, LOBAR, 1)))
    codes = np.zeros(64, dtype=bool)
    codes[LEFT] = True
    assert dice_of(one + two, codes) == pytest.approx(2 * 3 / (6 + 3))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one shape"):
        confusion(np.zeros(3, dtype=np.uint8), np.zeros(4, dtype=np.uint8))
