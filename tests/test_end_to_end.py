"""The whole program with the shipped weights, from files on disk to a report, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.cli import main
from microbleeds.report.record import Record, read_record
from test_pipeline import FILES

pytestmark = pytest.mark.slow

SUBJECT = "sub-001"


def call(*arguments: object) -> int:
    """Exit code of a command line."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def searched(data: Path, roles: tuple[str, ...], out: Path) -> Record:
    """What the program finds on some images of the subject."""
    stem = data / SUBJECT / "anat" / SUBJECT
    files = {
        "swi": f"{stem}_swi.nii.gz",
        "magnitude": f"{stem}_part-mag_GRE.nii.gz",
        "phase": f"{stem}_part-phase_GRE.nii.gz",
    }
    arguments = [files["swi"]] if "swi" in roles else []
    for role in roles:
        if role != "swi":
            arguments += [f"--{role}", files[role]]
    assert call("detect", *arguments, "--out", out) == 0
    return read_record(out / "findings.json")


@pytest.fixture(scope="module")
def anat(coarse_data: Path) -> Path:
    return coarse_data / SUBJECT / "anat"


@pytest.fixture(scope="module")
def result(coarse_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("result") / SUBJECT
    searched(coarse_data, ("swi", "phase"), out)
    return out


class TestDetect:
    def test_everything_is_written(self, result: Path) -> None:
        names = {path.name for path in result.iterdir()}
        assert names == FILES
        assert (result / "report.html").stat().st_size < 10e6
        assert not list(result.parent.glob(".*"))

    def test_positions_agree_in_every_form(self, result: Path, anat: Path) -> None:
        record = read_record(result / "findings.json")
        affine = nib.load(anat / f"{SUBJECT}_swi.nii.gz").affine
        assert record.findings
        for finding in record.findings:
            x, y, z = finding.position_ras_mm
            assert finding.position_lps_mm == pytest.approx((-x, -y, z))
            back = nib.affines.apply_affine(affine, finding.position_ijk)
            # whole voxels or fractions of them: within half a voxel's diagonal
            assert np.linalg.norm(back - (x, y, z)) <= 0.51 * np.linalg.norm([1.2, 1.2, 4.0])

    def test_labels_lie_on_the_grid_of_the_input(self, result: Path, anat: Path) -> None:
        labels, swi = nib.load(result / "labels.nii.gz"), nib.load(anat / f"{SUBJECT}_swi.nii.gz")
        assert labels.shape == swi.shape
        assert np.allclose(labels.affine, swi.affine, atol=1e-3)

    def test_it_names_its_weights_and_says_what_it_is(self, result: Path) -> None:
        run = json.loads((result / "run.json").read_text())
        assert all(len(digest) == 64 for digest in run["weights_sha256"].values())
        text = (result / "report.html").read_text(encoding="utf-8").lower()
        assert "not a medical device" in text
        assert "simulated" in text
        assert "http://" not in text.replace("http://www.w3.org", "")  # nothing is fetched from anywhere

    def test_it_finds_more_than_chance(self, result: Path, coarse_data: Path, tmp_path: Path) -> None:
        """No score is asserted on this coarse scan; only that findings and truth speak of the same places."""
        out = tmp_path / "scores.json"
        truth = coarse_data / "derivatives" / "truth" / SUBJECT / "anat" / f"{SUBJECT}_microbleeds.tsv"
        assert call("evaluate", result, truth, "--out", out) == 0
        scores = json.loads(out.read_text())
        assert scores["subjects"] == 1
        assert scores["radii"][0]["sensitivity_at"]["8"]["value"] > 0.2

    def test_a_folder_that_exists_is_left_alone(self, result: Path, anat: Path) -> None:
        before = (result / "findings.json").read_bytes()
        assert call("detect", anat / f"{SUBJECT}_swi.nii.gz", "--out", result) == 2
        assert (result / "findings.json").read_bytes() == before


class TestOtherInputs:
    @pytest.mark.parametrize("roles", [("swi",), ("magnitude",), ("magnitude", "phase")])
    def test_less_is_enough(self, slab_data: Path, tmp_path: Path, roles: tuple[str, ...]) -> None:
        record = searched(slab_data, roles, tmp_path / "out")
        assert set(record.scan.files) == set(roles)

    def test_the_same_scan_gives_the_same_findings(self, slab_data: Path, tmp_path: Path) -> None:
        first, second = (searched(slab_data, ("swi", "phase"), tmp_path / name) for name in ("once", "again"))
        assert first.findings
        assert first.findings == second.findings

    def test_an_image_without_a_brain_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        noise = np.random.default_rng(0).gamma(2.0, 100.0, (96, 96, 32)).astype(np.float32)
        path = tmp_path / "noise.nii.gz"
        nib.save(nib.Nifti1Image(noise, np.diag([1.0, 1.0, 3.0, 1.0])), path)
        assert call("detect", path, "--out", tmp_path / "out") == 2
        message = capsys.readouterr().err.strip()
        assert "brain" in message
        assert "\n" not in message
        assert not (tmp_path / "out").exists()
