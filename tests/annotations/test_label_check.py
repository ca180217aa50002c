"""Wrong labels are named: mirrored, swapped, counted from another number, outside, pale, double, too large."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from little_scans import AFFINE, GRID, SHAPE, SPOTS, blank, flatten, head
from numpy.typing import NDArray

from microbleeds.annotations import LabelledScan, forms
from microbleeds.annotations.check import Evidence, Remark, check, check_files
from microbleeds.annotations.darkness import contrasts, offsets_mm
from microbleeds.annotations.signal import signal_mask
from microbleeds.annotations.together import check_together
from microbleeds.errors import InputError
from microbleeds.geometry import Grid, canonical

MM, ARRAY, IMAGE = (forms.OF_COUNTING[kind] for kind in ("mm", "array", "image"))
STORED = head()
SWI, CANONICAL = canonical(STORED, GRID)
BRAIN = canonical(head(spots=SPOTS[:0]) > 100, GRID)[0]


def labelled(positions: NDArray, form: str = ARRAY, **facts) -> LabelledScan:
    path = facts.pop("swi", Path("sub-1_swi.nii.gz"))
    diameters = facts.pop("diameters_mm", np.full(len(positions), np.nan))
    return LabelledScan("sub-1", "sub-1", path, None, None, positions, np.zeros((0, 3)), diameters, form, **facts)


def checked(positions: NDArray, form: str = ARRAY, **facts) -> tuple[list[Remark], Evidence]:
    return check(labelled(positions, form, **facts), SWI, BRAIN, CANONICAL, GRID)


def together(ijk: NDArray, form: str = ARRAY) -> list[Remark]:
    return check_together([checked(GRID.to_mm(ijk), form)[1]])


def topics(remarks: list[Remark]) -> set[str]:
    return {remark.topic for remark in remarks}


class TestDarkness:
    def test_true_places_stand_out(self):
        true = contrasts(SWI, BRAIN, CANONICAL, GRID.to_mm(SPOTS))
        rng = np.random.default_rng(1)
        voxels = np.argwhere(STORED > 300)
        random = contrasts(SWI, BRAIN, CANONICAL, GRID.to_mm(voxels[rng.integers(0, len(voxels), 200)]))
        assert true.min() > 10
        assert np.median(random) < 3

    def test_scale_doesn_t_matter(self):
        true = contrasts(SWI, BRAIN, CANONICAL, GRID.to_mm(SPOTS))
        np.testing.assert_allclose(contrasts(SWI * 7, BRAIN, CANONICAL, GRID.to_mm(SPOTS)), true, rtol=1e-5)

    def test_nothing_is_said_outside(self):
        places = GRID.to_mm([[-5, 3, 4], [1, 1, 1], [500, 4, 4]])
        assert contrasts(SWI, BRAIN, CANONICAL, places).tolist() == [0, 0, 0]
        assert np.isnan(offsets_mm(SWI, BRAIN, CANONICAL, places)).all()

    @pytest.mark.parametrize("shift", [(1, 0, 0), (0, -1, 0), (0, 0, 1), (1, 1, 1)])
    def test_offsets_point_to_the_spots(self, shift):
        offsets = offsets_mm(SWI, BRAIN, CANONICAL, GRID.to_mm(SPOTS + shift))
        found = (offsets @ np.linalg.inv(AFFINE[:3, :3]).T).mean(axis=0)
        np.testing.assert_allclose(found, -np.asarray(shift), atol=0.35)


class TestLabelsOfAScan:
    def test_right_ones_get_no_remark(self):
        remarks, evidence = checked(GRID.to_mm(SPOTS))
        assert remarks == []
        assert check_together([evidence]) == []

    def test_outside_the_image_is_an_error(self):
        remarks, _ = checked(GRID.to_mm([*SPOTS, [120, 10, 4]]))
        (remark,) = remarks
        assert (remark.severity, remark.topic) == ("error", "outside-image")
        assert f"label {len(SPOTS) + 1} at" in remark.sentence

    def test_outside_the_brain(self):
        remarks, _ = checked(GRID.to_mm([*SPOTS, [3, 3, 3]]))
        assert topics(remarks) == {"outside-brain"}
        assert f"1 of {len(SPOTS) + 1} labels lie outside the brain" in remarks[0].sentence

    def test_at_the_edge_is_inside(self):
        column = int(np.argmax(STORED[:, 75, 14] > 100))
        _, evidence = checked(GRID.to_mm([[column - 1, 75, 14], [column - 6, 75, 14]]))
        assert evidence.inside.tolist() == [True, False]

    def test_pale_ones(self):
        flat = np.where(BRAIN, 400, 8).astype(np.float32)
        remarks, _ = check(labelled(GRID.to_mm(SPOTS[:2])), flat, BRAIN, CANONICAL, GRID)
        assert topics(remarks) == {"not-dark"}

    def test_double_and_large_ones(self):
        positions = GRID.to_mm([*SPOTS, SPOTS[0]])
        remarks, _ = checked(positions, diameters_mm=np.array([2.0] * len(SPOTS) + [14.0]))
        assert topics(remarks) == {"double", "large"}
        assert any("up to 14 mm" in remark.sentence for remark in remarks)

    def test_none_is_said(self):
        remarks, _ = checked(np.zeros((0, 3)))
        assert [(r.severity, r.topic) for r in remarks] == [("note", "negative")]


class TestOtherReadings:
    @pytest.mark.parametrize(
        ("axes", "words"),
        [
            ((0,), "mirrored in left and right (axis i)"),
            ((1,), "mirrored in front and back (axis j)"),
            ((2,), "mirrored in head and foot (axis k)"),
            ((0, 1), "mirrored in left and right (axis i) and in front and back (axis j)"),
        ],
    )
    def test_mirrored(self, axes, words):
        ijk = SPOTS.copy()
        for axis in axes:
            ijk[:, axis] = SHAPE[axis] - 1 - ijk[:, axis]
        (remark,) = together(ijk)
        assert remark.severity == "error"
        assert words in remark.sentence

    def test_advice_for_rows_turns_them_right(self):
        ijk = SPOTS.copy()
        ijk[:, 1] = SHAPE[1] - 1 - ijk[:, 1]
        (remark,) = together(ijk, IMAGE)
        assert '{"row_direction": "posterior"}' in remark.sentence, "the image is stored towards the front"

    @pytest.mark.parametrize("mirrored", [False, True])
    def test_swapped(self, mirrored):
        ijk = SPOTS[:, [1, 0, 2]]
        if mirrored:
            ijk = np.c_[SHAPE[1] - 1 - ijk[:, 0], ijk[:, 1:]]
        (remark,) = together(ijk, IMAGE)
        assert "rows and columns (the first two axes) swapped" in remark.sentence
        assert ("front and back" in remark.sentence) == mirrored
        assert '"columns"' in remark.sentence

    def test_swapped_matlab_centres(self):
        (remark,) = together(SPOTS[:, [1, 0, 2]], forms.MATLAB)
        assert '{"columns": ["j", "i", "k"]}' in remark.sentence

    @pytest.mark.parametrize(("signs", "space"), [((-1, -1, 1), "LPS"), ((-1, 1, 1), "LAS"), ((1, -1, 1), "RPS")])
    def test_other_spaces(self, signs, space):
        _, evidence = checked(GRID.to_mm(SPOTS) * signs, MM)
        (remark,) = check_together([evidence])
        assert f'{{"space": "{space}"}}' in remark.sentence

    def test_labels_of_other_images(self):
        rng = np.random.default_rng(4)
        voxels = np.argwhere(STORED > 300)
        flat = np.where(BRAIN, 400 + rng.normal(0, 60, SHAPE), 8).astype(np.float32)
        positions = GRID.to_mm(voxels[rng.integers(0, len(voxels), 12)])
        _, evidence = check(labelled(positions), flat, BRAIN, CANONICAL, GRID)
        evidence = replace(evidence, contrasts=np.minimum(evidence.contrasts, 1.9))
        (remark,) = check_together([evidence])
        assert remark.topic == "not-dark"
        assert "belong to these images" in remark.sentence

    def test_two_labels_prove_nothing(self):
        ijk = SPOTS[:2].copy()
        ijk[:, 0] = SHAPE[0] - 1 - ijk[:, 0]
        assert together(ijk) == []

    def test_scans_are_judged_together_and_forms_apart(self):
        """Each scan has one label only, mirrored in the array form, right in the other."""
        ijk = SPOTS.copy()
        ijk[:, 0] = SHAPE[0] - 1 - ijk[:, 0]
        wrong = [checked(GRID.to_mm(spot[None]), ARRAY)[1] for spot in ijk[:5]]
        right = [checked(GRID.to_mm(spot[None]), MM)[1] for spot in SPOTS]
        (remark,) = check_together([*wrong, *right])
        assert f"({ARRAY}; 5 in 5 scans)" in remark.sentence

    def test_all_negative(self):
        (remark,) = check_together([checked(np.zeros((0, 3)))[1]])
        assert remark.topic == "no-labels"


class TestCounts:
    def test_slices_from_another_number(self):
        (remark,) = together(SPOTS + np.array([0, 0, 1]), IMAGE)
        assert (remark.severity, remark.topic) == ("warning", "off-by-one")
        assert "along k" in remark.sentence
        assert "along i" not in remark.sentence
        assert "slices seem to be counted from another number" in remark.sentence

    @pytest.mark.parametrize(("shift", "base"), [(1, 1), (-1, 0)])
    def test_base(self, shift, base):
        (remark,) = together(SPOTS + shift)
        assert f'{{"base": {base}}}' in remark.sentence

    def test_a_careless_reader_is_not_blamed(self):
        rng = np.random.default_rng(2)
        assert together(SPOTS + rng.integers(-1, 2, SPOTS.shape)) == []


class TestFiles:
    def test_missing_phase_and_swi(self, tmp_path):
        swi = blank(tmp_path / "swi.nii.gz")
        assert topics(check_files(labelled(GRID.to_mm(SPOTS), swi=swi))) == {"no-phase"}
        magnitude = replace(labelled(GRID.to_mm(SPOTS), swi=None), magnitude=swi)
        assert topics(check_files(magnitude)) == {"no-phase", "no-swi"}

    def test_another_grid(self, tmp_path):
        swi = blank(tmp_path / "swi.nii.gz")
        phase = blank(tmp_path / "phase.nii.gz", (112, 150, 26))
        remarks = check_files(replace(labelled(GRID.to_mm(SPOTS), swi=swi), phase=phase))
        (remark,) = [r for r in remarks if r.severity == "error"]
        assert "The phase (112 x 150 x 26" in remark.sentence

    def test_an_affine_that_places_nothing(self, tmp_path):
        """Scans in this program's own layout come here unjudged."""
        swi, phase = blank(tmp_path / "swi.nii.gz"), blank(tmp_path / "phase.nii.gz")
        flatten(phase)
        with pytest.raises(InputError, match=r"affine of .*phase\.nii\.gz is singular"):
            check_files(replace(labelled(GRID.to_mm(SPOTS), swi=swi), phase=phase))

    def test_another_order_of_the_same_voxels_is_fine(self, tmp_path):
        swi = blank(tmp_path / "swi.nii.gz")
        flipped = AFFINE.copy()
        flipped[0] = [1.2, 0, 0, 66.0 - 1.2 * 111]
        phase = blank(tmp_path / "phase.nii.gz", affine=flipped)
        assert not check_files(replace(labelled(GRID.to_mm(SPOTS), swi=swi), phase=phase))

    def test_unlikely_voxels(self, tmp_path):
        affine = AFFINE @ np.diag([0.4, 0.4, 0.4, 1])
        swi = blank(tmp_path / "swi.nii.gz", affine=affine)
        remarks = check_files(labelled(GRID.to_mm(SPOTS), swi=swi))
        assert {"field-of-view"} <= topics(remarks)
        swi = blank(tmp_path / "thick.nii.gz", affine=AFFINE @ np.diag([1, 1, 1.4, 1]))
        assert "voxel-size" in topics(check_files(labelled(GRID.to_mm(SPOTS), swi=swi)))

    def test_slices_of_nearly_cubic_voxels(self, tmp_path):
        """A voxel 3 % wider than high makes no sagittal slices, which would be 100 mm high here."""
        affine, shape = np.diag([1.03, 1.0, 1.0, 1.0]), (180, 220, 100)
        swi = blank(tmp_path / "swi.nii.gz", shape, affine)
        assert "field-of-view" not in topics(check_files(labelled(GRID.to_mm(SPOTS), swi=swi)))

    def test_assumptions_are_passed_on(self, tmp_path):
        swi = blank(tmp_path / "swi.nii.gz")
        remarks = check_files(labelled(GRID.to_mm(SPOTS), swi=swi, warnings=("It was guessed.",)))
        assert Remark("warning", "assumed", "It was guessed.") in remarks


class TestSignalMask:
    def test_holes_of_bleeds_are_closed_and_air_is_out(self):
        mask = signal_mask(SWI, CANONICAL.spacing_mm)
        truth = BRAIN
        assert (mask & truth).sum() > 0.97 * truth.sum()
        assert (mask & ~truth).sum() < 0.1 * truth.sum()
        spots = np.rint(CANONICAL.to_ijk(GRID.to_mm(SPOTS))).astype(int)
        assert mask[tuple(spots.T)].all()

    def test_a_constant_image_is_all(self):
        grid = Grid((20, 20, 10), np.diag([1.0, 1, 3, 1]))
        assert signal_mask(np.ones(grid.shape, dtype=np.float32), grid.spacing_mm).all()
