"""Volumes of structures, and the sentence on those that no head has."""

from __future__ import annotations

import numpy as np
import pytest

from microbleeds.geometry import Grid
from microbleeds.regions import REGIONS, code_of
from microbleeds.segmentation.volumes import (
    STRUCTURES,
    WIDENED,
    Volumes,
    out_of_range,
    ranges_of,
    uncut,
    volumes_ml,
)

GRID = Grid((20, 20, 20), np.diag([1.0, 1.0, 2.0, 1.0]))


@pytest.fixture
def regions() -> np.ndarray:
    """A left thalamus of 1 ml, and a left cerebellum that the view cuts."""
    codes = np.zeros(GRID.shape, dtype=np.uint8)
    codes[5:15, 5:15, 5:10] = code_of("thalamus", "left")
    codes[5:15, 5:15, :2] = code_of("cerebellum", "left")
    return codes


def test_volumes_in_ml(regions: np.ndarray) -> None:
    found = volumes_ml(regions, GRID).whole
    assert found["left thalamus"] == pytest.approx(1.0)


def test_nothing_of_a_structure_is_odd_where_its_other_side_is_whole(regions: np.ndarray) -> None:
    found = volumes_ml(regions, GRID).whole
    assert found["right thalamus"] == 0
    assert not {"right cerebellum", "left insula", "right insula"} & set(found)
    sentence = out_of_range(volumes_ml(regions, GRID), {"right thalamus": (5.0, 11.0)})
    assert sentence is not None
    assert "right thalamus 0.0 ml" in sentence


def test_what_the_view_cuts_is_not_measured(regions: np.ndarray) -> None:
    found = volumes_ml(regions, GRID)
    assert "left cerebellum" not in found.whole
    assert found.cut == {"left cerebellum": pytest.approx(0.4)}
    assert set(np.unique(uncut(regions))) == {0, code_of("thalamus", "left")}


def test_ranges_are_widened() -> None:
    ranges = ranges_of([{"left thalamus": 6.0}, {"left thalamus": 9.0, "left insula": 8.0}])
    assert ranges["left thalamus"] == pytest.approx((6 / WIDENED, 9 * WIDENED), abs=0.01)
    assert ranges["left insula"] == pytest.approx((8 / WIDENED, 8 * WIDENED), abs=0.01)


def test_the_sentence_names_what_is_odd() -> None:
    ranges = {"left thalamus": (5.0, 11.0), "right thalamus": (5.0, 11.0)}
    fine = {"left thalamus": 6.0, "right thalamus": 7.0, "left insula": 900.0}
    assert out_of_range(Volumes(fine, {}), ranges) is None
    sentence = out_of_range(Volumes({"left thalamus": 1.0, "right thalamus": 7.0}, {}), ranges)
    assert sentence is not None
    assert "left thalamus 1.0 ml (expected 5.0 to 11.0)" in sentence
    assert "right" not in sentence


def test_what_is_cut_may_be_small_but_not_too_large() -> None:
    ranges = {"left cerebellum": (30.0, 80.0)}
    assert out_of_range(Volumes({}, {"left cerebellum": 5.0}), ranges) is None
    assert "left cerebellum 95.0 ml" in (out_of_range(Volumes({}, {"left cerebellum": 95.0}), ranges) or "")


def test_every_structure_is_made_of_regions() -> None:
    names = {region.name for region in REGIONS.values()}
    assert all(set(parts) <= names for parts in STRUCTURES.values())
