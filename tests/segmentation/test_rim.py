"""The rim that is measured on a scan: white matter within 10 mm of the ventricle that was found, and no other."""

from __future__ import annotations

import numpy as np
import pytest

from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import parts_of_whereabouts, whereabouts
from microbleeds.networks.anatomy_classes import AnatomyClass, Place
from microbleeds.segmentation.rim import with_measured_rim

SHAPE = (60, 20, 20)
GRID = Grid(SHAPE, np.diag([1.0, 1.0, 2.0, 1.0]))


def volume(value: int) -> np.ndarray:
    return np.full(SHAPE, value, dtype=np.uint8)


@pytest.fixture
def classes() -> np.ndarray:
    classes = volume(AnatomyClass.WHITE)
    classes[28:32, 8:12, 9:11] = AnatomyClass.VENTRICLE
    return classes


def places_of(where: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return parts_of_whereabouts(with_measured_rim(where, classes, GRID))[0]


def test_parts_are_those_that_were_put_together() -> None:
    places, lobes, right = np.indices((len(Place), 5, 2)).reshape(3, -1).astype(np.uint8)
    for part, again in zip(
        (places, lobes, right), parts_of_whereabouts(whereabouts(places, lobes, right)), strict=True
    ):
        np.testing.assert_array_equal(part, again)


def test_reaches_ten_millimetres_whatever_the_network_said(classes: np.ndarray) -> None:
    for said in (Place.PARIETAL, Place.PERIVENTRICULAR_WHITE):
        where = whereabouts(volume(said), volume(Place.PARIETAL), volume(1))
        places = places_of(where, classes)
        rim = places == Place.PERIVENTRICULAR_WHITE
        assert list(np.flatnonzero(rim[:, 10, 10])) == list(range(18, 42))
        assert list(np.flatnonzero(rim[30, 10, :])) == list(range(4, 16))  # slices of 2 mm
        assert (places[~rim] == Place.PARIETAL).all()


def test_capsules_and_callosum_stay(classes: np.ndarray) -> None:
    for said in (Place.INTERNAL_CAPSULE, Place.EXTERNAL_CAPSULE, Place.CORPUS_CALLOSUM):
        assert (places_of(whereabouts(volume(said), volume(0), volume(0)), classes) == said).all()


def test_lobe_and_side_stay(classes: np.ndarray) -> None:
    where = whereabouts(volume(Place.PERIVENTRICULAR_WHITE), volume(Place.OCCIPITAL), volume(1))
    _, lobes, right = parts_of_whereabouts(with_measured_rim(where, classes, GRID))
    assert (lobes == Place.OCCIPITAL).all()
    assert (right == 1).all()


def test_a_smaller_piece_has_no_rim(classes: np.ndarray) -> None:
    classes[2:4, 2, 2] = AnatomyClass.VENTRICLE
    where = whereabouts(volume(Place.FRONTAL), volume(Place.FRONTAL), volume(0))
    assert (places_of(where, classes)[:10] == Place.FRONTAL).all()


def test_each_half_has_a_ventricle_of_its_own(classes: np.ndarray) -> None:
    classes[2:4, 2, 2] = AnatomyClass.VENTRICLE
    right = (np.arange(60) < 20).astype(np.uint8)[:, None, None] + volume(0)
    places = places_of(whereabouts(volume(Place.FRONTAL), volume(Place.FRONTAL), right), classes)
    assert (places[:14, 2, 2] == Place.PERIVENTRICULAR_WHITE).all()


def test_without_a_ventricle_the_network_is_believed() -> None:
    where = whereabouts(volume(Place.PERIVENTRICULAR_WHITE), volume(Place.FRONTAL), volume(0))
    np.testing.assert_array_equal(with_measured_rim(where, volume(AnatomyClass.WHITE), GRID), where)
