from __future__ import annotations

import numpy as np

from microbleeds.networks.config import KIM_2023, DetectorConfig
from microbleeds.networks.detector import cell_to_voxel
from microbleeds.training.losses import CENTRE, IGNORED, NEGATIVE, POSITIVE
from microbleeds.training.presets import TargetSettings
from microbleeds.training.targets import CellTargets, cell_targets

SPACING = np.array([0.5, 0.5, 2.0])
NOTHING = np.zeros((0, 3))


def targets(bleeds: np.ndarray, ignored: np.ndarray = NOTHING, brain: np.ndarray | None = None) -> CellTargets:
    whole = np.ones((48, 48, 12), dtype=bool)
    return cell_targets(
        bleeds, ignored, whole if brain is None else brain, SPACING, DetectorConfig(), TargetSettings()
    )


def test_rings_around_a_bleed_in_the_middle_of_a_cell() -> None:
    # Cells are 2 mm cubes, so cells at 0 mm and 2 mm (six neighbours) are positive, at 2.8, 3.5, 4 ignored.
    label = targets(cell_to_voxel(np.array([[5.0, 5.0, 5.0]]), DetectorConfig())).label
    assert label[5, 5, 5] == CENTRE
    assert (label == POSITIVE).sum() == 6
    assert label[6, 6, 5] == label[7, 5, 5] == IGNORED
    assert label[8, 5, 5] == NEGATIVE
    # 2.83: 12 cells, 3.46: 8, 4: 6, 4.47: 24; all within 4.5 mm.
    assert (label == IGNORED).sum() == 50


def test_offsets_point_from_every_positive_cell_to_the_centre() -> None:
    bleed = np.array([[21.3, 24.8, 5.4]])
    label, offset = targets(bleed)
    cells = np.argwhere(label >= POSITIVE)
    assert len(cells) >= 4
    said = cell_to_voxel(cells + offset[:, cells[:, 0], cells[:, 1], cells[:, 2]].T, DetectorConfig())
    assert np.allclose(said, bleed, atol=1e-4)


def test_of_two_bleeds_each_cell_serves_the_nearer() -> None:
    bleeds = cell_to_voxel(np.array([[4.0, 5.0, 5.0], [6.0, 5.0, 5.0]]), DetectorConfig())
    label, offset = targets(bleeds)
    assert label[4, 5, 5] == label[6, 5, 5] == CENTRE
    assert label[3, 5, 5] == label[7, 5, 5] == POSITIVE
    assert offset[0, 3, 5, 5] == 1
    assert offset[0, 7, 5, 5] == -1
    assert np.allclose(offset[:, 4, 5, 5], 0)


def test_what_is_neither_is_ignored_but_never_hides_a_bleed() -> None:
    middle = cell_to_voxel(np.array([[5.0, 5.0, 5.0]]), DetectorConfig())
    label = targets(NOTHING, middle).label
    assert (label == IGNORED).sum() == 57
    assert not (label >= POSITIVE).any()
    assert targets(middle, middle).label[5, 5, 5] == CENTRE


def test_outside_the_brain_nothing_counts_not_even_the_centre_of_a_bleed() -> None:
    brain = np.zeros((48, 48, 12), dtype=bool)
    brain[:24] = True
    label = targets(cell_to_voxel(np.array([[6.0, 5.0, 5.0]]), DetectorConfig()), brain=brain).label
    assert (label[6:] == IGNORED).all()  # zeroed input must never be called a bleed
    assert label[5, 5, 5] == POSITIVE  # the neighbour in the brain finds it
    assert (label[:3] == NEGATIVE).all()


def test_paper_marks_the_cell_that_holds_the_centre() -> None:
    label, offset = cell_targets(
        np.array([[17.4, 18.0, 20.0]]),
        NOTHING,
        np.ones((32, 32, 32), dtype=bool),
        np.array([0.5, 0.5, 0.64]),
        KIM_2023,
        TargetSettings(positive_mm=0.0),
    )
    assert np.argwhere(label >= POSITIVE).tolist() == [[4, 4, 5]]
    # (17.4 + 0.5) / 4 = 4.475: a quarter of a tenth left of the middle of cell 4.
    assert np.allclose(offset[:, 4, 4, 5], [-0.025, 0.125, -0.375])
    assert np.abs(offset).max() <= 0.5
