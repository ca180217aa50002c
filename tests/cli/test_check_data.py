"""The verb ``check-data``: what it prints, its exit codes, and the whole way with the brain found."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.cli import main

pytestmark = pytest.mark.slow


def run(*arguments: object) -> int:
    """Return the exit code."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


@pytest.fixture
def mirrored(tmp_path: Path) -> Path:
    """Return a bright ellipsoid with six dark spots, and labels counted from the other end of its columns."""
    folder, shape = tmp_path / "mirrored" / "sub-1", (112, 150, 28)
    spots = np.array([[35, 50, 9], [70, 45, 12], [48, 100, 16], [80, 88, 10], [40, 70, 19], [60, 110, 12]])
    axes = np.ix_(*(np.linspace(-1.1, 1.1, n) for n in shape))
    image = np.where(sum(axis**2 for axis in axes) < 0.9, 400, 8)
    image += np.random.default_rng(0).integers(0, 50, shape)
    for i, j, k in spots:
        image[i - 1 : i + 2, j - 1 : j + 2, k] = 20
    affine = np.array([[-1.2, 0, 0, 66.0], [0, 1.0, 0, -75.0], [0, 0, 4.0, -50.0], [0, 0, 0, 1]])
    folder.mkdir(parents=True)
    nib.save(nib.Nifti1Image(image.astype(np.int16), affine), folder / "sub-1_swi.nii.gz")
    lines = (f"{k + 1},{shape[0] - i},{j + 1}\n" for i, j, k in spots)
    (folder / "sub-1_cmb.csv").write_text("slice,column,row\n" + "".join(lines))
    return folder.parent


class TestCheckData:
    def test_true_labels_with_the_brain_found(self, coarse_data, tmp_path, capsys):
        assert run("check-data", coarse_data, "--out", tmp_path / "out") == 0
        printed = capsys.readouterr().out
        assert "2 scans of 2 subjects" in printed
        assert "truth tables of this program" in printed
        assert (tmp_path / "out" / "contact-sheet-01.png").exists()
        written = json.loads((tmp_path / "out" / "check.json").read_text())
        assert {scan["brain"] for scan in written["scans"]} == {"anatomy network"}

    def test_mirrored_labels_are_named_and_exit_2(self, mirrored, tmp_path, capsys):
        assert run("check-data", mirrored, "--no-segment", "--out", tmp_path / "out") == 2
        captured = capsys.readouterr()
        assert "mirrored in left and right" in captured.out
        assert '"column_direction": "right"' in captured.out
        assert "can't be used" in captured.err
        assert (tmp_path / "out" / "check.json").exists(), "the pictures show what is wrong"
        assert run("check-data", mirrored, "--no-segment", "--out", tmp_path / "out", "--overwrite") == 2
        (mirrored / "labels.json").write_text('{"column_direction": "right"}')
        assert run("check-data", mirrored, "--no-segment") == 0, "the advice helps"

    def test_no_data_is_one_sentence(self, tmp_path, capsys):
        assert run("check-data", tmp_path, "--no-segment") == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
