"""A result on disk and its study become DICOM objects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dicom_series
import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_result import little_regions
from highdicom.sr import srread
from little_head import Head
from typer.testing import CliRunner

from microbleeds.cli.app import app
from microbleeds.errors import InputError
from microbleeds.geometry import from_canonical
from microbleeds.report.dicom.stored import export_result
from microbleeds.report.record import write_record
from microbleeds.report.review.signed import ReadFinding, Review
from microbleeds.report.run_record import voxels_sha256
from microbleeds.study import open_scan


@pytest.fixture(scope="module")
def study(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The little head as a scanner stores it: an SWI series."""
    folder = tmp_path_factory.mktemp("study")
    grid = head.scan.source_grid
    swi = np.clip(from_canonical(head.scan.swi, grid), 0, 4095).astype(np.uint16)
    for k, header in enumerate(dicom_series.series(grid)):
        header.SeriesDescription, header.ProtocolName = "SWI_Images", "SWI"
        header.EchoTime, header.RepetitionTime, header.FlipAngle = "20", "28", "15"
        header.MagneticFieldStrength, header.ScanningSequence, header.SequenceVariant = "3", "GR", "SP"
        header.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM", "SWI"]
        header.PixelData = swi[:, :, k].T.tobytes()
        header.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture(scope="module")
def result(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of the same scan, with its regions stored in other axes than the series."""
    folder = tmp_path_factory.mktemp("result")
    write_record(head.record, folder / "findings.json")
    (folder / "run.json").write_text(json.dumps({"started": "2026-01-03T12:00:00+00:00"}), encoding="utf-8")
    grid = head.scan.source_grid
    turned = np.diag([-1.0, -1, 1, 1])
    turned[:2, 3] = np.asarray(grid.shape[:2]) - 1
    regions = nib.Nifti1Image(little_regions(grid.shape)[::-1, ::-1], grid.affine @ turned)
    nib.save(regions, folder / "regions.nii.gz")
    return folder


def signed(result: Path, folder: Path, head: Head) -> Path:
    """A signed result of the same findings."""
    at = "2026-01-05T09:00:00+00:00"
    read = [
        ReadFinding(id=f.id, source="model", verdict="accepted", unaided=False, at=at, note="")
        for f in head.record.kept
    ]
    review = Review(
        reader="Rea Ader", started=at, signed=at, unaided=None, findings_sha256="", verdicts_sha256="",
        accepted=len(read), uncertain=0, rejected=0, added=0, unreviewed=[], findings=read,
    )  # fmt: skip
    folder.mkdir()
    (folder / "findings.json").write_bytes((result / "findings.json").read_bytes())
    (folder / "review.json").write_text(review.model_dump_json(), encoding="utf-8")
    return folder


class TestExport:
    def test_points_and_regions_fit_the_series(self, head: Head, study: Path, result: Path, tmp_path: Path):
        done = CliRunner().invoke(app, ["export-dicom", str(result), str(study), "--out", str(tmp_path / "out")])
        assert done.exit_code == 0, done.output
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert names == {"sr.dcm", "seg.dcm", "regions.dcm", "report.dcm", "report-2.dcm"}
        groups = srread(tmp_path / "out" / "sr.dcm").content.get_planar_roi_measurement_groups()
        points = [tuple(group.roi.value[0]) for group in groups]
        assert points == [pytest.approx(f.position_lps_mm, abs=1e-3) for f in head.record.kept]
        regions = pydicom.dcmread(tmp_path / "out" / "regions.dcm")
        drawn = little_regions(head.scan.source_grid.shape) >= 10
        assert int(regions.pixel_array.sum()) == int(drawn.sum())
        assert str(regions.PatientName) == dicom_series.NAME

    def test_a_signed_result_is_dated_by_its_signature(
        self, head: Head, study: Path, result: Path, tmp_path: Path
    ):
        folder = signed(result, tmp_path / "reviewed", head)
        export_result(folder, study, tmp_path / "out", organization="General Hospital")
        document = srread(tmp_path / "out" / "sr.dcm")
        assert document.VerificationFlag == "VERIFIED"
        assert str(document.ContentDate) == "20260105"
        assert str(document.VerifyingObserverSequence[0].VerifyingObserverName) == "Rea Ader^"
        assert not (tmp_path / "out" / "regions.dcm").exists()

    def test_the_same_export_twice_gives_the_same_objects(self, study: Path, result: Path, tmp_path: Path):
        uids = []
        for name in ("a", "b"):
            export_result(result, study, tmp_path / name)
            uids.append(pydicom.dcmread(tmp_path / name / "sr.dcm").SOPInstanceUID)
        assert uids[0] == uids[1]


class TestRefusals:
    def test_no_dicom(self, result: Path, tmp_path: Path, head: Head):
        image = nib.Nifti1Image(head.scan.swi, head.scan.grid.affine)
        nib.save(image, tmp_path / "swi.nii.gz")
        with pytest.raises(InputError, match="is no DICOM study"):
            export_result(result, tmp_path / "swi.nii.gz", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_another_scan(self, head: Head, result: Path, study: Path, tmp_path: Path):
        scan = head.record.scan.model_copy(update={"shape": (90, 110, 35)})
        write_record(head.record.model_copy(update={"scan": scan}), tmp_path / "findings.json")
        with pytest.raises(InputError, match="found on 90 x 110 x 35 voxels"):
            export_result(tmp_path, study, tmp_path / "out")

    def test_another_scan_of_the_same_geometry(self, head: Head, result: Path, study: Path, tmp_path: Path):
        """Say of the next patient on the same scanner. A signed result asks the one that it was made from."""
        folder = tmp_path / "result"
        shutil.copytree(result, folder)
        reviewed = signed(folder, folder / "reviewed", head)
        with open_scan(study) as opened:
            searched = voxels_sha256(opened.scan)
        (folder / "run.json").write_text(json.dumps({"voxels_sha256": searched}), encoding="utf-8")
        export_result(reviewed, study, tmp_path / "own")
        other = tmp_path / "other"
        shutil.copytree(study, other)
        header = pydicom.dcmread(other / "010.dcm")
        header.PixelData = np.roll(header.pixel_array, 1).tobytes()
        header.save_as(other / "010.dcm", enforce_file_format=True)
        for one in (folder, reviewed):
            with pytest.raises(InputError, match="other values than those that were searched"):
                export_result(one, other, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_organization_without_a_review(self, result: Path, study: Path, tmp_path: Path):
        with pytest.raises(InputError, match=r"no review\.json"):
            export_result(result, study, tmp_path / "out", organization="General Hospital")

    def test_a_folder_of_something_else_is_kept(self, result: Path, study: Path, tmp_path: Path):
        (tmp_path / "letter.txt").write_text("keep me", encoding="utf-8")
        with pytest.raises(InputError, match="no earlier export"):
            export_result(result, study, tmp_path, overwrite=True)
        assert (tmp_path / "letter.txt").exists()
