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
from microbleeds.read.part import voxels_sha256
from microbleeds.report.dicom.stored import export_result
from microbleeds.report.record import write_record
from microbleeds.report.review.signed import ReadFinding, Review
from microbleeds.study import open_scan


@pytest.fixture(scope="module")
def study(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The little head as a scanner stores it: an SWI series."""
    folder = tmp_path_factory.mktemp("study")
    store(folder, head, "SWI_Images", ["ORIGINAL", "PRIMARY", "M", "NORM", "SWI"])
    return folder


@pytest.fixture
def whole(head: Head, study: Path, tmp_path: Path) -> Path:
    """The same with its magnitude (series 5), in files of their own."""
    shutil.copytree(study, tmp_path / "whole")
    store(tmp_path / "whole", head, "Mag_Images", ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"], number=5, gain=0.8)
    return tmp_path / "whole"


def store(
    folder: Path, head: Head, description: str, image_type: list[str], number: int = 7, gain: float = 1
) -> None:
    """Write a series with the head's SWI."""
    grid = head.scan.source_grid
    stored = np.clip(gain * from_canonical(head.scan.swi, grid), 0, 4095).astype(np.uint16)
    for k, header in enumerate(dicom_series.series(grid)):
        if number != header.SeriesNumber:
            header.SeriesNumber, header.SeriesInstanceUID = number, f"1.2.3.4.{number}0"
            header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{number}0.{k + 1}"
        header.SeriesDescription, header.ProtocolName = description, "SWI"
        header.EchoTime, header.RepetitionTime, header.FlipAngle = "20", "28", "15"
        header.MagneticFieldStrength, header.ScanningSequence, header.SequenceVariant = "3", "GR", "SP"
        header.ImageType = image_type
        header.PixelData = stored[:, :, k].T.tobytes()
        header.save_as(folder / f"{number}-{k:03d}.dcm", enforce_file_format=True)


def write_run(folder: Path, **changes: object) -> None:
    """Write how a result was made."""
    content = {
        "program_version": "0", "started": "2026-01-03T12:00:00+00:00", "options": {"swi": "study", "series": []},
        "inputs_sha256": {}, "weights_sha256": {}, "seconds": {}, "total_seconds": 1.0, "peak_memory_mb": None,
        "compute": "cpu", "python": "3", "packages": {}, "platform": "x", "cores": 1,
    } | changes  # fmt: skip
    (folder / "run.json").write_text(json.dumps(content), encoding="utf-8")


def searched_in(
    result: Path, study: Path, out: Path, series: tuple[str, ...] = (), beside: dict[str, str] | None = None
) -> Path:
    """The result as a search of some series of a study leaves it, or as one with an image beside it does."""
    shutil.copytree(result, out)
    with open_scan(study, series=series) as opened:
        hashes = dict(opened.voxels_sha256)
    options = {"swi": str(study), "series": list(series)} if beside is None else {"swi": str(study), **beside}
    write_run(out, options=options, voxels_sha256=hashes)
    return out


def changed(study: Path, name: str, out: Path) -> Path:
    """The study with other values in one file."""
    shutil.copytree(study, out)
    header = pydicom.dcmread(out / name)
    header.PixelData = np.roll(header.pixel_array, 1).tobytes()
    header.save_as(out / name, enforce_file_format=True)
    return out


def referred_to(folder: Path) -> set[int]:
    """Numbers of the series to which report and segmentation refer, told by their UIDs."""
    report, segments = (pydicom.dcmread(folder / name) for name in ("sr.dcm", "seg.dcm"))
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    series = [*evidence.ReferencedSeriesSequence, *segments.ReferencedSeriesSequence]
    return {{"1.2.3.4.5": 7, "1.2.3.4.50": 5}[str(one.SeriesInstanceUID)] for one in series}


@pytest.fixture(scope="module")
def result(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of the same scan, with its regions stored in other axes than the series."""
    folder = tmp_path_factory.mktemp("result")
    write_record(head.record, folder / "findings.json")
    write_run(folder)
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

    def test_the_series_of_the_search_are_taken(self, result: Path, whole: Path, tmp_path: Path):
        """The objects refer to them, whatever the headers would choose now."""
        for name, series, number in (("swi", (), 7), ("magnitude", ("swi=none",), 5)):
            folder = searched_in(result, whole, tmp_path / name, series)
            export_result(folder, whole, folder / "dicom")
            assert referred_to(folder / "dicom") == {number}

    def test_a_magnitude_that_was_given_beside_the_study(self, result: Path, whole: Path, tmp_path: Path):
        """The study's own was not searched, so it isn't asked for."""
        folder = searched_in(result, whole, tmp_path / "result", ("magnitude=none",), {"magnitude": "m.nii"})
        export_result(folder, changed(whole, "5-010.dcm", tmp_path / "other"), folder / "dicom")
        assert referred_to(folder / "dicom") == {7}

    def test_a_folder_given_as_the_magnitude(self, result: Path, study: Path, tmp_path: Path):
        """Opened alone, its headers call it an SWI."""
        folder = tmp_path / "result"
        shutil.copytree(result, folder)
        with open_scan(magnitude=study) as opened:
            hashes = dict(opened.voxels_sha256)
        assert set(hashes) == {"magnitude"}
        write_run(folder, options={"swi": None, "magnitude": str(study), "series": []}, voxels_sha256=hashes)
        export_result(folder, study, folder / "dicom")
        assert referred_to(folder / "dicom") == {7}


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
            write_run(folder, voxels_sha256=dict(opened.voxels_sha256))
        export_result(reviewed, study, tmp_path / "own")
        other = changed(study, "7-010.dcm", tmp_path / "other")
        for one in (folder, reviewed):
            with pytest.raises(InputError, match="other values than those that were searched"):
                export_result(one, other, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("name", ["7-010.dcm", "5-010.dcm"])
    def test_every_series_that_was_searched_is_checked(self, result: Path, whole: Path, tmp_path: Path, name: str):
        """The SWI, on which findings lie, as well as its magnitude."""
        folder = searched_in(result, whole, tmp_path / "result")
        export_result(folder, whole, tmp_path / "own")
        with pytest.raises(InputError, match="other values"):
            export_result(folder, changed(whole, name, tmp_path / "other"), tmp_path / "out")

    def test_results_of_earlier_versions_know_one_hash(self, result: Path, whole: Path, tmp_path: Path):
        """Of the magnitude, where there was one."""
        folder = tmp_path / "result"
        shutil.copytree(result, folder)
        with open_scan(whole) as opened:
            write_run(folder, voxels_sha256=voxels_sha256(opened.scan.magnitude))
        export_result(folder, whole, tmp_path / "own")
        with pytest.raises(InputError, match="other values"):
            export_result(folder, changed(whole, "5-010.dcm", tmp_path / "other"), tmp_path / "out")

    def test_another_series_than_the_one_that_was_searched(self, result: Path, whole: Path, tmp_path: Path):
        folder = searched_in(result, whole, tmp_path / "result")
        with pytest.raises(InputError, match="the series of it, that was searched"):
            export_result(folder, whole, tmp_path / "out", series=("swi=none",))

    def test_a_damaged_run_record_is_no_absent_one(self, result: Path, study: Path, tmp_path: Path):
        """It may hold the hash by which another patient's study would be refused."""
        folder = searched_in(result, study, tmp_path / "result")
        whole = (folder / "run.json").read_text()
        (folder / "run.json").write_text(whole[:-40])
        with pytest.raises(InputError, match=r"run\.json can't be read"):
            export_result(folder, study, tmp_path / "out")
        (folder / "run.json").unlink()
        export_result(folder, study, tmp_path / "out")

    @pytest.mark.parametrize("half", [True, False])
    def test_damaged_regions(self, result: Path, study: Path, tmp_path: Path, half: bool):
        folder = searched_in(result, study, tmp_path / "result")
        path = folder / "regions.nii.gz"
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if half else whole[:30] + b"\xff" * 40 + whole[70:])
        with pytest.raises(InputError, match=r"regions\.nii\.gz can't be read"):
            export_result(folder, study, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_organization_without_a_review(self, result: Path, study: Path, tmp_path: Path):
        with pytest.raises(InputError, match=r"no review\.json"):
            export_result(result, study, tmp_path / "out", organization="General Hospital")

    def test_a_folder_of_something_else_is_kept(self, result: Path, study: Path, tmp_path: Path):
        (tmp_path / "letter.txt").write_text("keep me", encoding="utf-8")
        with pytest.raises(InputError, match="no earlier export"):
            export_result(result, study, tmp_path, overwrite=True)
        assert (tmp_path / "letter.txt").exists()
