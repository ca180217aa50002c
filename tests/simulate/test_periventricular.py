"""The periventricular rim: where it ends, what it leaves out, and that it is measured in the bent head."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from microbleeds.regions import LOBES, code_of
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.default_anatomy import default_anatomy
from microbleeds.simulate.deform import deform
from microbleeds.simulate.periventricular import with_rim
from microbleeds.tissues import Tissue, among
from microbleeds.ventricles import lateral_ventricles

pytestmark = pytest.mark.slow

SHAPE = (80, 40, 40)
LEFT_WHITE, RIGHT_WHITE = (code_of("parietal_white", side) for side in ("left", "right"))
LEFT_RIM, RIGHT_RIM = (code_of("periventricular_white", side) for side in ("left", "right"))


@pytest.fixture
def labels() -> np.ndarray:
    """White matter, left below x = 40 and right above, with one ventricle voxel column of 4 x 4 on the left."""
    labels = np.full(SHAPE, Tissue.WHITE_LEFT, dtype=np.uint8)
    labels[40:] = Tissue.WHITE_RIGHT
    labels[32:36, 18:22] = Tissue.VENTRICLE_LEFT
    return labels


@pytest.fixture
def regions(labels: np.ndarray) -> np.ndarray:
    regions = np.where(labels == Tissue.WHITE_RIGHT, RIGHT_WHITE, LEFT_WHITE).astype(np.uint8)
    regions[labels == Tissue.VENTRICLE_LEFT] = 2
    return regions


def ventricles_of(labels: np.ndarray) -> np.ndarray:
    left, right = (
        among(labels, Tissue[f"VENTRICLE_{side}"], Tissue[f"CHOROID_PLEXUS_{side}"]) for side in ("LEFT", "RIGHT")
    )
    return lateral_ventricles(left, right, (1, 1, 1))


def test_ends_ten_millimetres_from_the_ventricle_on_both_sides(labels: np.ndarray, regions: np.ndarray) -> None:
    line = with_rim(regions, labels)[:, 20, 20]
    assert list(np.flatnonzero(line == LEFT_RIM)) == [*range(22, 32), *range(36, 40)]
    assert list(np.flatnonzero(line == RIGHT_RIM)) == list(range(40, 46))
    assert (line[:22] == LEFT_WHITE).all()
    assert (line[46:] == RIGHT_WHITE).all()


def test_takes_lobar_white_matter_alone(labels: np.ndarray, regions: np.ndarray) -> None:
    for name, at in (("internal_capsule", 30), ("parietal_cortex", 29), ("corpus_callosum", 28)):
        regions[at] = code_of(name, "left")
    result = with_rim(regions, labels)
    np.testing.assert_array_equal(result[28:31], regions[28:31])
    assert result[27, 20, 20] == LEFT_RIM


def test_an_island_of_ventricle_has_no_rim(labels: np.ndarray, regions: np.ndarray) -> None:
    labels[5:8, 18:22, 18:22] = Tissue.VENTRICLE_LEFT
    assert not ventricles_of(labels)[:10].any()
    assert (with_rim(regions, labels)[9:20] == LEFT_WHITE).all()


@pytest.mark.parametrize(
    ("rows", "belongs"),
    [(slice(20, 30), True), (slice(18, 19), False), (slice(10, 20), False)],
    ids=["in front, as the temporal horn", "small", "behind"],
)
def test_a_part_of_the_ventricle_that_nothing_joins_to_it(labels: np.ndarray, rows: slice, belongs: bool) -> None:
    labels[5:8, rows, 18:22] = Tissue.VENTRICLE_LEFT
    assert ventricles_of(labels)[:10].any() == belongs
    assert ventricles_of(labels)[32:36].all(axis=-1).any()


def test_the_choroid_plexus_belongs_to_the_ventricle(labels: np.ndarray, regions: np.ndarray) -> None:
    before = with_rim(regions, labels)
    labels[32:34, 18:22] = Tissue.CHOROID_PLEXUS_LEFT
    np.testing.assert_array_equal(with_rim(regions, labels), before)


def test_without_ventricle_nothing_changes(labels: np.ndarray, regions: np.ndarray) -> None:
    labels[labels == Tissue.VENTRICLE_LEFT] = Tissue.WHITE_LEFT
    np.testing.assert_array_equal(with_rim(regions, labels), regions)


@pytest.mark.parametrize("seed", [1, 2])
def test_is_measured_in_the_bent_head(seed: int) -> None:
    bent: Anatomy = deform(default_anatomy(), np.random.default_rng(seed))
    rim = np.isin(bent.regions, (LEFT_RIM, RIGHT_RIM))
    far = ndimage.distance_transform_edt(~ventricles_of(bent.labels))
    assert far[rim].max() == pytest.approx(10, abs=1e-3)
    lobar = np.isin(bent.rimless, [code_of(f"{lobe}_white", side) for lobe in LOBES for side in ("left", "right")])
    np.testing.assert_array_equal(rim, lobar & (far <= 10))
