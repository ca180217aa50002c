"""The whole way from a DICOM study: the same record as from NIfTI, and nothing of the patient in any file."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "read" / "dicom"))
sys.path.insert(0, str(Path(__file__).parent / "report"))
from dicom_files import BIRTH, NAME, PATIENT, phase, save, slices
from highdicom.sr import srread
from reader_verdicts import content, verdict

import microbleeds.segmentation
from microbleeds import pipeline, search
from microbleeds.cli.app import app, main
from microbleeds.cli.choices import OperatingPoint
from microbleeds.cli.node import _detector
from microbleeds.errors import InputError
from microbleeds.followup import visit as visit_module
from microbleeds.pipeline import Request, run
from microbleeds.report.dicom.stored import export_result
from microbleeds.report.run_record import sha256_of
from microbleeds.study import open_scan
from test_pipeline import BLEED_MM, networks, study

pytestmark = pytest.mark.slow
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


@pytest.fixture
def zipped(folder: Path, tmp_path: Path) -> Path:
    """The study as a zip whose name says nothing of the patient."""
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as out:
        for image in sorted(folder.iterdir()):
            out.write(image, image.name)
    return path


@pytest.fixture
def anatomy(networks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the networks say of the little head, wherever it is read again."""
    for module in (visit_module, microbleeds.segmentation):
        monkeypatch.setattr(module, "segment", lambda scan, compute=None: search.segment(scan, compute=compute))


def another_patient(folder: Path, out: Path) -> Path:
    """A study of the same geometry with other values."""
    shutil.copytree(folder, out)
    path = sorted(out.glob("IM8_*"))[5]
    header = pydicom.dcmread(path)
    header.PixelData = np.roll(header.pixel_array, 1).tobytes()
    header.save_as(path, enforce_file_format=True)
    return out


def verb(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


@pytest.mark.usefixtures("anatomy")
class TestResultsOfDicom:
    """What comes after the search reads the study again."""

    def test_two_results_are_compared(self, folder: Path, zipped: Path, tmp_path: Path, capsys):
        run(Request(tmp_path / "named", folder, device="cpu"))
        run(Request(tmp_path / "zip", zipped, device="cpu"))
        out = tmp_path / "compared"
        given = ("compare", tmp_path / "named", tmp_path / "zip", "--out", out, "--device", "cpu")
        assert verb(*given) == 2
        assert "what names the patient in a path is not stored" in capsys.readouterr().err
        assert verb(*given, "--baseline-scan", another_patient(folder, tmp_path / "other")) == 2
        assert "other values than those that were searched" in capsys.readouterr().err
        assert not out.exists()
        assert verb(*given, "--baseline-scan", folder) == 0
        counts = json.loads((out / "comparison.json").read_text())["counts"]
        assert (counts["stable"]["total"], counts["new"]["total"]) == (1, 0)

    def test_a_study_whose_path_names_the_patient_is_searched_and_compared(
        self, folder: Path, zipped: Path, tmp_path: Path, capsys
    ):
        out = tmp_path / "compared"
        assert verb("compare", folder, zipped, "--out", out, "--device", "cpu") == 0
        for path in (out / f"comparison.{ending}" for ending in ("json", "tsv", "html")):
            assert not [word for word in WORDS if word in path.read_text().lower()], path.name
        counts = json.loads((out / "comparison.json").read_text())["counts"]
        assert (counts["stable"]["total"], counts["new"]["total"]) == (1, 0)
        run(Request(tmp_path / "result", zipped, device="cpu"))
        again = ("compare", tmp_path / "result", folder, "--out", tmp_path / "no", "--followup-scan", folder)
        assert verb(*again) == 2
        assert "the followup is a scan itself" in capsys.readouterr().err

    def test_the_review_page_is_made_again(self, folder: Path, zipped: Path, tmp_path: Path, capsys):
        run(Request(tmp_path / "out", zipped, device="cpu"))
        before = (tmp_path / "out" / "review.html").read_text()
        (tmp_path / "out" / "review.html").unlink()
        assert verb("review", tmp_path / "out") == 0
        assert (tmp_path / "out" / "review.html").read_text() == before
        assert verb("review", tmp_path / "out", "--swi", another_patient(folder, tmp_path / "other")) == 2
        assert "other values" in capsys.readouterr().err
        assert verb("review", tmp_path / "out", "--swi", folder) == 0

    def test_the_signed_result_has_a_report_in_dicom(self, folder: Path, zipped: Path, tmp_path: Path, capsys):
        run(Request(tmp_path / "out", zipped, device="cpu"))
        given = content([verdict(1, "rejected")], [], findings_sha256=sha256_of(tmp_path / "out/findings.json"))
        (tmp_path / "verdicts.json").write_text(json.dumps(given))
        words = ("finalize", tmp_path / "out", tmp_path / "verdicts.json", "--out", tmp_path / "signed")
        assert verb(*words) == 0
        assert capsys.readouterr().err == ""
        document = srread(tmp_path / "signed" / "dicom" / "sr.dcm")
        assert "Dr A. Reader" in str(document.content)
        assert json.loads((tmp_path / "signed" / "findings.json").read_text())["counts"]["total"] == 0
        other = another_patient(folder, tmp_path / "other")
        with pytest.raises(InputError, match="other values"):
            export_result(tmp_path / "signed", other, tmp_path / "exported")
        zipped.unlink()
        assert verb(*words, "--overwrite") == 0
        assert "not written as DICOM. Name the DICOM study" in capsys.readouterr().err

    def test_an_export_is_what_the_search_wrote_to_the_byte(self, folder: Path, tmp_path: Path):
        """Both bear the same identifiers, so an archive keeps either."""
        run(Request(tmp_path / "out", folder, device="cpu"))
        export_result(tmp_path / "out", folder, tmp_path / "exported")
        searched, exported = (
            {path.name: path.read_bytes() for path in place.iterdir()}
            for place in (tmp_path / "out" / "dicom", tmp_path / "exported")
        )
        assert exported == searched

    def test_what_the_node_searches_and_sends(self, folder: Path, tmp_path: Path):
        process = _detector(OperatingPoint.BALANCED, "cpu")
        first, again = process(folder, tmp_path / "first"), process(folder, tmp_path / "again")
        assert [path.name for path in first.objects] == [
            *("regions.dcm", "report-2.dcm", "report.dcm", "seg.dcm", "sr.dcm")
        ]
        assert all(path.parent == tmp_path / "first" / "dicom" for path in first.objects)
        assert first.digest == again.digest, "late images that change nothing are not sent again"

    def test_what_a_reader_signed_is_never_replaced(self, zipped: Path, tmp_path: Path):
        run(Request(tmp_path / "out", zipped, device="cpu"))
        given = content([], [], findings_sha256=sha256_of(tmp_path / "out" / "findings.json"))
        (tmp_path / "verdicts.json").write_text(json.dumps(given))
        assert verb("finalize", tmp_path / "out", tmp_path / "verdicts.json") == 0
        for place in (tmp_path / "out", tmp_path / "out" / "reviewed"):
            with pytest.raises(InputError, match="what a reader signed"):
                run(Request(place, zipped, device="cpu", overwrite=True))
        assert (tmp_path / "out" / "reviewed" / "review.json").exists()


@pytest.mark.usefixtures("networks")
class TestDicom:
    def test_same_findings_as_from_nifti(self, folder: Path, study: dict[str, Path], tmp_path: Path):
        expected = run(Request(tmp_path / "nifti", **study, device="cpu"))
        record = run(Request(tmp_path / "dicom", folder, device="cpu"))
        assert record.kept == expected.kept
        assert record.kept[0].position_ras_mm == BLEED_MM
        assert record.scan.shape == expected.scan.shape
        assert record.scan.images.series == 8
        assert len(record.scan.images.numbers) == record.scan.shape[2]
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
            assert options["voxels_sha256"] == study.voxels_sha256
        assert set(options["voxels_sha256"]) == {"swi", "phase"}

    def test_nor_where_the_output_is_called_after_the_patient(self, zipped: Path, tmp_path: Path):
        out = tmp_path / "results" / NAME.replace("^", "_")
        run(Request(out, zipped, device="cpu"))
        text = (out / "run.json").read_text().lower()
        assert not [word for word in WORDS if word in text]

    def test_files_without_a_preamble_give_dicom_too(self, folder: Path, tmp_path: Path):
        for path in folder.iterdir():
            image = pydicom.dcmread(path)
            path.write_bytes(b"")
            pydicom.dcmwrite(
                path, pydicom.Dataset(image), implicit_vr=True, little_endian=True, enforce_file_format=False
            )
        run(Request(tmp_path / "out", folder, device="cpu"))
        assert (tmp_path / "out" / "dicom" / "sr.dcm").exists()

    def test_a_search_is_not_lost_where_dicom_cannot_be_written(self, folder: Path, tmp_path: Path):
        for path in folder.iterdir():
            image = pydicom.dcmread(path)
            del image.FrameOfReferenceUID
            image.save_as(path)
        record = run(Request(tmp_path / "out", folder, device="cpu"))
        assert len(record.kept) == 1
        assert "no Frame of Reference UID" in record.warnings[-1]
        assert record.warnings[-1].endswith("No DICOM objects were written; the other files are complete.")
        assert json.loads((tmp_path / "out" / "findings.json").read_text())["warnings"] == record.warnings
        assert not (tmp_path / "out" / "dicom").exists()
        with pytest.raises(InputError, match="No DICOM objects"):
            _detector(OperatingPoint.BALANCED, "cpu")(folder, tmp_path / "node")

    def test_nor_by_a_header_that_cannot_be_copied(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def fail(*given: object, **more: object) -> None:
            raise TypeError(f"{NAME} can't be copied")

        monkeypatch.setattr(pipeline, "write_dicom_result", fail)
        record = run(Request(tmp_path / "other", folder, device="cpu"))
        assert "can't be copied (TypeError)" in record.warnings[-1]
        assert NAME not in record.warnings[-1]

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
