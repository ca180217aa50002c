"""The whole way from a DICOM study: the same record as from NIfTI, and nothing of the patient in any file."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "read" / "dicom"))
from dicom_files import BIRTH, NAME, PATIENT, phase, save, slices

from microbleeds.cli.app import app
from microbleeds.errors import InputError
from microbleeds.pipeline import Request, run
from microbleeds.report.run_record import voxels_sha256
from microbleeds.study import open_scan
from test_pipeline import BLEED_MM, networks, study

__all__ = ["networks", "study"]  # fixtures of the other file
WORDS = [*NAME.lower().split("^"), PATIENT.lower(), BIRTH]


@pytest.fixture
def folder(study: dict[str, Path], tmp_path: Path) -> Path:
    """The little head as a DICOM study whose folder bears the patient's name."""
    swi, radians = (np.asarray(nib.load(study[role]).dataobj) for role in ("swi", "phase"))
    affine = nib.load(study["swi"]).affine
    assert np.allclose(affine[:3, :3], np.diag([-1.2, -1.2, 3.0]))
    place = {"origin": affine[:3, 3] * [-1, -1, 1]}
    made = []
    for series, values in ((slices, swi), (phase, radians / np.pi * 2048 + 2048)):
        stored = values.round().clip(0, 4095).astype(np.uint16).transpose(2, 1, 0)
        made += series(stored=stored, PixelSpacing=[1.2, 1.2], **place)
    for image in made:
        x, y, z = (float(v) for v in image.ImagePositionPatient)
        k = round((z - affine[2, 3]) / 2)
        image.ImagePositionPatient = [x, y, affine[2, 3] + 3 * k]
    return save(tmp_path / NAME.replace("^", "_"), made)


@pytest.mark.usefixtures("networks")
class TestDicom:
    def test_same_findings_as_from_nifti(self, folder: Path, study: dict[str, Path], tmp_path: Path):
        expected = run(Request(tmp_path / "nifti", **study, device="cpu"))
        record = run(Request(tmp_path / "dicom", folder, device="cpu"))
        assert record.kept == expected.kept
        assert record.kept[0].position_ras_mm == BLEED_MM
        assert record.scan.shape == expected.scan.shape
        assert record.scan.phase.sign == expected.scan.phase.sign
        one, other = (nib.load(tmp_path / name / "labels.nii.gz") for name in ("nifti", "dicom"))
        np.testing.assert_allclose(one.affine, other.affine, atol=1e-3)
        np.testing.assert_array_equal(one.dataobj, other.dataobj)

    def test_nothing_of_the_patient_in_any_file(self, folder: Path, tmp_path: Path):
        run(Request(tmp_path / "out", folder, device="cpu"))
        # The folder ``dicom`` holds objects for the same archive, which must name the patient.
        for path in (p for p in (tmp_path / "out").iterdir() if p.is_file()):
            text = path.read_bytes().lower()
            assert not [word for word in WORDS if word.encode() in text], path.name
        options = json.loads((tmp_path / "out" / "run.json").read_text())
        assert options["options"]["swi"].endswith("/…")
        assert set(options["inputs_sha256"]) == {"swi", "phase"}
        with open_scan(folder) as study:
            assert options["voxels_sha256"] == voxels_sha256(study.scan)

    def test_zip_on_the_command_line(self, folder: Path, tmp_path: Path):
        with zipfile.ZipFile(tmp_path / "study.zip", "w") as out:
            for path in folder.iterdir():
                out.write(path, path.name)
        arguments = [
            "detect",
            str(tmp_path / "study.zip"),
            "--out",
            str(tmp_path / "out"),
            "--series",
            "phase=none",
        ]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert "No phase image was given" in result.output
        scan = json.loads((tmp_path / "out" / "findings.json").read_text())["scan"]
        assert scan["files"] == {"swi": f"{tmp_path / 'study.zip'}, series 8 (SWI_Images)"}

    def test_a_refused_study_leaves_nothing(self, folder: Path, tmp_path: Path):
        sorted(folder.glob("IM8_*"))[5].unlink()
        before = set(tmp_path.iterdir())
        with pytest.raises(InputError, match="is missing"):
            run(Request(tmp_path / "out", folder, device="cpu"))
        assert set(tmp_path.iterdir()) == before

    def test_the_study_is_never_replaced(self, folder: Path):
        with pytest.raises(InputError, match="holds the scan"):
            run(Request(folder, folder, device="cpu", overwrite=True))
        assert len(list(folder.iterdir())) == 64
