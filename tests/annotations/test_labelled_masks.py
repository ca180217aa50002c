"""Masks become one position per connected part, in BIDS-like folders and beside images of any name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from little_scans import AFFINE, GRID, SHAPE, blank, close, flatten, save, write
from numpy.typing import NDArray

from microbleeds.annotations import labelled_scans
from microbleeds.errors import InputError
from microbleeds.evaluate import read_truth


def mask_of(*blocks: tuple[slice, slice, slice]) -> NDArray[np.uint8]:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    for block in blocks:
        mask[block] = 1
    return mask


ONE = (slice(30, 33), slice(40, 43), slice(9, 11))
TWO = (slice(60, 61), slice(90, 93), slice(12, 13))


class TestChallengeLayout:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ("sub-101", "sub-202"):
            for kind in ("T1", "T2", "T2S"):
                blank(tmp_path / name / f"{name}_space-T2S_desc-masked_{kind}.nii.gz")
        save(tmp_path / "sub-101" / "sub-101_space-T2S_CMB.nii.gz", mask_of(ONE, TWO))
        save(tmp_path / "sub-202" / "sub-202_space-T2S_CMB.nii.gz", mask_of())
        return tmp_path

    def test_images_and_positions(self, folder):
        first, second = labelled_scans(folder)
        assert (first.name, first.subject, second.name) == ("sub-101", "sub-101", "sub-202")
        assert first.swi is None
        assert first.magnitude is not None
        assert first.magnitude.name == "sub-101_space-T2S_desc-masked_T2S.nii.gz"
        close(first.positions_ras_mm, GRID.to_mm([[31, 41, 9.5], [60, 91, 12]]))
        assert "mask" in first.form

    def test_an_empty_mask_is_a_scan_without_microbleeds(self, folder):
        scan = labelled_scans(folder)[1]
        assert scan.positions_ras_mm.shape == (0, 3)
        assert not scan.warnings

    def test_diameter_is_that_of_the_largest_section(self, folder):
        scan = labelled_scans(folder)[0]
        areas = np.array([9, 3]) * 1.2 * 1.0
        close(scan.diameters_mm, 2 * np.sqrt(areas / np.pi))

    def test_nan_is_set_to_0_in_a_copy(self, folder, tmp_path):
        image = np.ones(SHAPE, dtype=np.float32)
        image[0] = np.nan
        save(folder / "sub-101" / "sub-101_space-T2S_desc-masked_T2S.nii.gz", image)
        with pytest.raises(InputError, match=r"NaN.*folder for converted"):
            labelled_scans(folder)
        scan = labelled_scans(folder, tmp_path / "cache")[0]
        assert scan.magnitude is not None
        assert scan.magnitude.parent == tmp_path / "cache"
        assert any("NaN" in warning for warning in scan.warnings)


class TestComponents:
    def scan_with(self, folder: Path, mask: NDArray, **how):
        blank(folder / "sub-1" / "anat" / "sub-1_swi.nii.gz")
        save(folder / "derivatives" / "readers" / "sub-1" / "anat" / "sub-1_desc-cmb_mask.nii.gz", mask, **how)
        return labelled_scans(folder)[0]

    def test_corners_touch(self, tmp_path):
        mask = mask_of()
        mask[30, 40, 9] = mask[31, 41, 10] = 1
        assert len(self.scan_with(tmp_path, mask).positions_ras_mm) == 1

    def test_numbers_keep_touching_bleeds_apart(self, tmp_path):
        mask = mask_of(ONE)
        mask[33:36, 40:43, 9:11] = 2
        scan = self.scan_with(tmp_path, mask)
        close(scan.positions_ras_mm, GRID.to_mm([[31, 41, 9.5], [34, 41, 9.5]]))

    def test_a_number_may_mean_possible(self, tmp_path):
        write(tmp_path / "labels.json", '{"labels": {"2": "ignore"}}')
        scan = self.scan_with(tmp_path, mask_of(ONE) + 2 * mask_of(TWO))
        close(scan.positions_ras_mm, GRID.to_mm([[31, 41, 9.5]]))
        close(scan.ignored_ras_mm, GRID.to_mm([[60, 91, 12]]))

    def test_probabilities_are_cut_at_a_half(self, tmp_path):
        mask = mask_of(ONE).astype(np.float32) * 0.8 + mask_of(TWO) * 0.3
        assert len(self.scan_with(tmp_path, mask).positions_ras_mm) == 1

    @pytest.mark.parametrize(
        ("value", "kind", "said"),
        [
            (-1, np.int8, "negative numbers, down to -1"),
            (1 / 255, np.float32, r"reaches 0.5, its largest value is 0\.0039"),
            (0.3, np.float32, r"largest value is 0\.3; write 0 and 1"),
        ],
    )
    def test_what_is_marked_and_not_counted_is_refused(self, tmp_path, value, kind, said):
        """It would be a scan without microbleeds."""
        with pytest.raises(InputError, match=said):
            self.scan_with(tmp_path, (mask_of(ONE) * np.float32(value)).astype(kind))

    def test_single_voxels_are_said(self, tmp_path):
        mask = mask_of(ONE)
        mask[60, 60, 12] = 1
        assert any("1 of 2 components" in w for w in self.scan_with(tmp_path, mask).warnings)

    def test_a_brain_mask_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"marks \d+%.*brain mask"):
            self.scan_with(tmp_path, mask_of((slice(20, 90), slice(20, 120), slice(4, 24))))

    def test_a_mask_named_brain_is_no_label(self, tmp_path):
        save(tmp_path / "sub-1" / "anat" / "sub-1_desc-brain_mask.nii.gz", mask_of((slice(20, 90),) * 3))
        assert len(self.scan_with(tmp_path, mask_of(ONE)).positions_ras_mm) == 1


class TestGrids:
    def test_a_mask_in_another_order_is_placed_by_the_world(self, tmp_path):
        blank(tmp_path / "p7" / "SWI.nii.gz")
        flipped = AFFINE.copy()
        flipped[0] = [1.2, 0, 0, 66.0 - 1.2 * 111]
        save(tmp_path / "p7" / "cmb_mask.nii.gz", mask_of(ONE)[::-1].copy(), flipped)
        (scan,) = labelled_scans(tmp_path)
        assert scan.name == "p7"
        close(scan.positions_ras_mm, GRID.to_mm([[31, 41, 9.5]]))
        assert any("another grid" in warning for warning in scan.warnings)

    def test_a_mask_without_orientation_is_laid_on_its_scan(self, tmp_path):
        blank(tmp_path / "p7" / "SWI.nii.gz")
        save(tmp_path / "p7" / "cmb_mask.nii.gz", mask_of(ONE), np.eye(4), code=0)
        (scan,) = labelled_scans(tmp_path)
        close(scan.positions_ras_mm, GRID.to_mm([[31, 41, 9.5]]))
        assert any("voxel by voxel" in warning for warning in scan.warnings)

    def test_one_of_another_shape_is_refused(self, tmp_path):
        blank(tmp_path / "p7" / "SWI.nii.gz")
        save(tmp_path / "p7" / "cmb_mask.nii.gz", mask_of(ONE)[:-2], np.eye(4), code=0)
        with pytest.raises(InputError, match="no orientation and has 110 x 150 x 28"):
            labelled_scans(tmp_path)

    def test_one_that_its_affine_places_nowhere_is_refused(self, tmp_path):
        blank(tmp_path / "p7" / "SWI.nii.gz")
        flatten(save(tmp_path / "p7" / "cmb_mask.nii.gz", mask_of(ONE)))
        with pytest.raises(InputError, match=r"affine of the mask .* is singular"):
            labelled_scans(tmp_path)
        with pytest.raises(InputError, match=r"affine of the mask .* is singular"):
            read_truth(tmp_path / "p7" / "cmb_mask.nii.gz")

    def test_a_damaged_mask_is_refused(self, tmp_path):
        blank(tmp_path / "p7" / "SWI.nii.gz")
        write(tmp_path / "p7" / "cmb_mask.nii.gz", "no image")
        with pytest.raises(InputError, match="can't be read as NIfTI"):
            labelled_scans(tmp_path)
