"""A whole folder: sentences, pictures, check.json, the same image twice, and what can't be used."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from microbleeds.annotations.check import Evidence
from microbleeds.data_check import check_data_set
from microbleeds.data_check.contact_sheet import TILE, Spot, spots_of, write_sheets
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.scan import Scan

AFFINE = np.array([[-1.2, 0, 0, 66.0], [0, 1.0, 0, -75.0], [0, 0, 4.0, -50.0], [0, 0, 0, 1]])
SHAPE = (112, 150, 28)
SPOTS = np.array([[35, 50, 9], [70, 45, 12], [48, 100, 16], [80, 88, 10], [40, 70, 19], [60, 110, 12]])


def swi(folder: Path, name: str, seed: int) -> Path:
    """Write a bright ellipsoid with dark spots."""
    rng = np.random.default_rng(seed)
    u, v, w = np.ix_(*(np.linspace(-1.1, 1.1, n) for n in SHAPE))
    image = np.where((u / 0.95) ** 2 + (v / 0.97) ** 2 + w**2 < 1, 400.0, 8.0) + rng.normal(0, 16, SHAPE)
    dots = np.zeros(SHAPE)
    dots[tuple(SPOTS.T)] = 1
    dots = ndimage.gaussian_filter(dots, (1.2, 1.5, 0.7))
    image = np.clip(image - 330 * dots / dots.max(), 0, None)
    path = folder / name / "anat" / f"{name}_swi.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = nib.Nifti1Image(np.round(image).astype(np.int16), AFFINE)
    header.set_qform(AFFINE, code=1)
    nib.save(header, path)
    return path


def table(folder: Path, name: str, ijk: np.ndarray, header: str = "i0,j0,k0") -> None:
    lines = "".join(f"{i},{j},{k}\n" for i, j, k in ijk)
    (folder / name / "anat" / f"{name}_cmb.csv").write_text(f"{header}\n{lines}")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for n in (1, 2):
        swi(folder, f"sub-{n}", n)
        table(folder, f"sub-{n}", SPOTS if n == 1 else SPOTS[:0])
    return folder


class TestWholeFolder:
    def test_good_labels(self, good, tmp_path):
        before = sorted(path.name for path in good.rglob("*"))
        result = check_data_set(good, tmp_path / "out", find_brain=False)
        assert result.usable
        first, second = result.scans
        assert (first.verdict, first.microbleeds, second.microbleeds) == ("good", 6, 0)
        assert min(first.contrasts) > 6
        assert {remark.topic for remark in result.remarks} == {"negatives"}
        written = json.loads((tmp_path / "out" / "check.json").read_text())
        assert written["usable"] is True
        assert written["scans"][0]["positions_ras_mm"][0] == pytest.approx([24.0, -25.0, -14.0])
        assert sorted(path.name for path in good.rglob("*")) == before, "the data is left as it was"
        with Image.open(tmp_path / "out" / "contact-sheet-01.png") as page:
            assert page.size[0] > 4 * 2 * TILE

    def test_mirrored_labels(self, good, tmp_path):
        mirrored = SPOTS.copy()
        mirrored[:, 0] = SHAPE[0] - 1 - mirrored[:, 0]
        for n in (1, 2):
            image = good / f"sub-{n}" / "anat" / f"sub-{n}_swi.nii.gz"
            (tmp_path / f"sub-{n}" / "anat").mkdir(parents=True)
            (tmp_path / f"sub-{n}" / "anat" / image.name).symlink_to(image)
            table(tmp_path, f"sub-{n}", mirrored)
        result = check_data_set(tmp_path, find_brain=False)
        assert not result.usable
        (error,) = [remark for remark in result.remarks if remark.severity == "error"]
        assert "mirrored in left and right" in error.sentence
        assert "12 in 2 scans" in error.sentence

    def test_what_cant_be_used_is_told_and_the_rest_is_checked(self, good, tmp_path):
        for n, (name, copy) in enumerate((("sub-1", 1), ("sub-2", 1), ("sub-3", 2))):
            image = good / f"sub-{copy}" / "anat" / f"sub-{copy}_swi.nii.gz"
            (tmp_path / name / "anat").mkdir(parents=True)
            (tmp_path / name / "anat" / f"{name}_swi.nii.gz").write_bytes(image.read_bytes())
            table(tmp_path, name, SPOTS + (100 if n == 2 else 0))
        whole = (tmp_path / "sub-3" / "anat" / "sub-3_swi.nii.gz").read_bytes()
        swi(tmp_path, "sub-4", 4).write_bytes(whole[: len(whole) // 2])
        table(tmp_path, "sub-4", SPOTS)
        table(tmp_path, "sub-4", SPOTS)
        (tmp_path / "sub-9_cmb.csv").write_text("i0,j0,k0\n1,2,3\n")
        result = check_data_set(tmp_path, find_brain=False)
        verdicts = {scan.name: scan.verdict for scan in result.scans}
        assert verdicts == {
            "sub-1": "good",
            "sub-2": "good",
            "sub-3": "unusable",
            "sub-4": "unusable",
            "sub-9_cmb.csv": "unusable",
        }
        topics = {remark.topic for scan in result.scans for remark in scan.remarks}
        assert {"outside-image", "unreadable", "refused"} <= topics
        (same,) = [remark for remark in result.remarks if remark.topic == "same-image"]
        assert same.sentence.startswith("sub-1, sub-2 hold the same image")


class TestOutput:
    def test_a_folder_that_exists_is_kept(self, good, tmp_path):
        (tmp_path / "mine.txt").write_text("dear")
        with pytest.raises(InputError, match="exists already"):
            check_data_set(good, tmp_path, find_brain=False)
        with pytest.raises(InputError, match="is no earlier check"):
            check_data_set(good, tmp_path, find_brain=False, overwrite=True)
        with pytest.raises(InputError, match="holds the data"):
            check_data_set(good, good, find_brain=False, overwrite=True)
        assert (tmp_path / "mine.txt").read_text() == "dear"

    def test_nothing_half_written(self, tmp_path):
        (tmp_path / "data").mkdir()
        with pytest.raises(InputError, match="no SWI"):
            check_data_set(tmp_path / "data", tmp_path / "out", find_brain=False)
        assert [path.name for path in tmp_path.iterdir()] == ["data"]

    def test_nothing_is_written_into_the_data(self, good: Path):
        before = sorted(good.rglob("*"))
        with pytest.raises(InputError, match="lies within the data"):
            check_data_set(good, good / "checked", find_brain=False)
        assert sorted(good.rglob("*")) == before


class TestContactSheet:
    def scan(self, phase: bool) -> Scan:
        grid = Grid((60, 50, 10), np.diag([1.0, 1.0, 3.0, 1.0]))
        image = np.full(grid.shape, 100, dtype=np.float32)
        image[20, 30, 5] = 0
        return Scan("swi", grid, grid, image, phase_rad=-image / 100 if phase else None)

    def spots(self, phase: bool, positions: np.ndarray, inside: list[bool]) -> list[Spot]:
        scan = self.scan(phase)
        count = len(positions)
        evidence = Evidence("sub-1", "", "RAS", np.array(inside), np.arange(count) * 9.0, {}, np.zeros((count, 3)))
        return spots_of(scan, np.ones(scan.grid.shape, bool), evidence, positions, np.full(count, np.nan))

    def test_the_label_is_in_the_middle(self):
        (spot,) = self.spots(True, np.array([[20.0, 30.0, 15.0]]), [True])
        row, column = ndimage.center_of_mass(spot.swi.max() - spot.swi.astype(float))
        assert abs(row - TILE / 2) < 2
        assert abs(column - TILE / 2) < 2
        assert spot.phase is not None

    def test_sides_are_radiological(self):
        (spot,) = self.spots(False, np.array([[15.0, 30.0, 15.0]]), [True])
        _, column = ndimage.center_of_mass(spot.swi[:, 10:-10].max() - spot.swi[:, 10:-10].astype(float))
        assert column + 10 < TILE / 2 - 10, "what lies further to the patient's right is drawn to the left"

    def test_colours_tell_dark_pale_and_outside(self):
        places = np.array([[20.0, 30.0, 15.0], [20.0, 30.0, 15.0], [20.0, 30.0, 15.0]])
        pale, dark, outside = self.spots(False, places, [True, True, False])
        assert len({pale.colour, dark.colour, outside.colour}) == 3
        assert outside.detail == "outside the brain"

    def test_beyond_the_image_is_black(self):
        (spot,) = self.spots(False, np.array([[20.0, 30.0, 95.0]]), [False])
        assert not spot.swi.any()

    def test_pages(self, tmp_path):
        spots = self.spots(False, np.tile([20.0, 30.0, 15.0], (30, 1)), [True] * 30)
        assert [path.name for path in write_sheets(spots, tmp_path)] == [
            "contact-sheet-01.png",
            "contact-sheet-02.png",
        ]
        assert write_sheets([], tmp_path) == []
