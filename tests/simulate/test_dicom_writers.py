"""Simulated studies in every vendor's conventions: valid DICOM, and the same scan as the NIfTI files give."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from microbleeds.cli.app import app
from microbleeds.errors import InputError
from microbleeds.scan import Scan
from microbleeds.simulate.dicom.conventions import Convention
from microbleeds.simulate.dicom.images import read_subject
from microbleeds.simulate.dicom.study import CONVENTIONS, checked_convention, write_studies, write_study
from microbleeds.study import Study, load_study, open_scan

pytestmark = pytest.mark.slow

SUBJECT = "sub-001"


@pytest.fixture(scope="module")
def from_nifti(coarse_data: Path) -> Scan:
    stem = coarse_data / SUBJECT / "anat" / SUBJECT
    return load_study(
        stem.with_name(f"{SUBJECT}_swi.nii.gz"),
        stem.with_name(f"{SUBJECT}_part-mag_GRE.nii.gz"),
        stem.with_name(f"{SUBJECT}_part-phase_GRE.nii.gz"),
    )


@pytest.fixture(scope="module", params=CONVENTIONS)
def written(request: pytest.FixtureRequest, coarse_data: Path, tmp_path_factory: pytest.TempPathFactory):
    """The convention and the folder of its study."""
    folder = tmp_path_factory.mktemp(request.param)
    write_study(folder, coarse_data, SUBJECT, request.param)
    return request.param, folder


@pytest.fixture(scope="module")
def study(written: tuple[Convention, Path]):
    with open_scan(written[1]) as opened:
        yield opened


@pytest.fixture(scope="module")
def multi_frame(coarse_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four files; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("multi-frame")
    write_study(folder, coarse_data, SUBJECT, "siemens-enhanced")
    return folder


class TestRoundTrip:
    def test_grid(self, study: Study, from_nifti: Scan):
        assert study.scan.grid.shape == from_nifti.grid.shape
        np.testing.assert_allclose(study.scan.grid.affine, from_nifti.grid.affine, atol=1e-3)
        assert study.scan.source_grid.axis_codes == "LPS"
        assert study.dicom.main.grid is study.scan.source_grid

    def test_images(self, study: Study, from_nifti: Scan, written: tuple[Convention, Path]):
        for name in ("swi",) if written[0] == "ge-phase" else ("swi", "magnitude"):
            one, other = getattr(study.scan, name).ravel(), getattr(from_nifti, name).ravel()
            assert np.corrcoef(one, other)[0, 1] > 0.9999

    def test_phase_in_radians(self, study: Study, from_nifti: Scan):
        head = from_nifti.swi > 0.3 * np.quantile(from_nifti.swi, 0.95)
        one, other = study.scan.phase_rad[head], from_nifti.phase_rad[head]
        assert np.corrcoef(np.sin(one), np.sin(other))[0, 1] > 0.999
        assert np.corrcoef(np.cos(one), np.cos(other))[0, 1] > 0.999

    def test_sign_and_filter(self, study: Study, from_nifti: Scan, written: tuple[Convention, Path]):
        facts, expected = study.scan.phase_facts, from_nifti.phase_facts
        opposite = {"paramagnetic-bright": "paramagnetic-dark", "paramagnetic-dark": "paramagnetic-bright"}
        assert facts.sign == (opposite[expected.sign] if written[0].startswith("ge") else expected.sign)
        assert facts.high_pass_filtered == expected.high_pass_filtered
        assert not any("guess" in warning for warning in study.scan.warnings)

    def test_facts(self, study: Study, from_nifti: Scan):
        got, expected = study.scan.sequence, from_nifti.sequence
        for name in ("field_strength_t", "echo_time_ms", "repetition_time_ms", "flip_angle_deg"):
            assert getattr(got, name) == pytest.approx(getattr(expected, name), rel=1e-3)
        assert got.manufacturer

    def test_every_kind_is_found(self, study: Study, written: tuple[Convention, Path]):
        roles = {
            "ge": {"swi", "real", "imaginary"},
            "ge-phase": {"swi", "phase"},
        }
        assert set(study.dicom.chosen) == roles.get(written[0], {"swi", "magnitude", "phase"})
        assert "mip" in {volume.role for volume in study.dicom.seen}
        assert set(study.voxels_sha256) == set(study.dicom.chosen)
        assert study.scan.warnings == tuple(n for n in study.dicom.notes)


class TestFiles:
    @pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy isn't installed")
    def test_dciodvfy_finds_no_error(self, written: tuple[Convention, Path]):
        for series in sorted(written[1].iterdir()):
            for path in sorted(series.iterdir())[:2]:
                said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False).stderr
                assert not [line for line in said.splitlines() if line.startswith("Error")], said

    def test_identifiers(self, written: tuple[Convention, Path]):
        headers = [pydicom.dcmread(p, stop_before_pixels=True) for p in sorted(written[1].rglob("*.dcm"))]
        assert len({h.SOPInstanceUID for h in headers}) == len(headers)
        assert len({h.StudyInstanceUID for h in headers}) == 1
        assert len({h.SeriesInstanceUID for h in headers}) == len(list(written[1].iterdir()))

    def test_same_data_same_bytes(self, multi_frame: Path, coarse_data: Path, tmp_path: Path):
        write_study(tmp_path, coarse_data, SUBJECT, "siemens-enhanced")
        for path in sorted(multi_frame.rglob("*.dcm")):
            assert path.read_bytes() == (tmp_path / path.relative_to(multi_frame)).read_bytes()

    def test_ge_negates_every_other_slice(self, written: tuple[Convention, Path], coarse_data: Path):
        if written[0] != "ge":
            pytest.skip("only GE does")
        images = read_subject(coarse_data, SUBJECT)
        real = {}
        for path in (written[1] / "009").iterdir():
            header = pydicom.dcmread(path)
            if header[0x0043, 0x102F].value == 2:
                real[round(float(header.ImagePositionPatient[2]), 3)] = header.pixel_array
        stack = np.stack([real[z] for z in sorted(real)], -1)
        expected = images.magnitude * np.cos(images.phase_rad) * np.where(np.arange(stack.shape[2]) % 2, -1, 1)
        np.testing.assert_allclose(stack, expected.transpose(1, 0, 2), atol=0.6)


class TestGivenOneByOne:
    def test_folders_of_single_series(self, multi_frame: Path, from_nifti: Scan):
        with open_scan(magnitude=multi_frame / "005", phase=multi_frame / "006" / "IM00001.dcm") as study:
            assert set(study.dicom.chosen) == {"magnitude", "phase"}
            assert study.dicom.main.number == 5
            np.testing.assert_array_equal(study.scan.magnitude, from_nifti.magnitude)

    def test_nifti_phase_beside_a_study(self, coarse_data: Path, multi_frame: Path, from_nifti: Scan):
        phase = coarse_data / SUBJECT / "anat" / f"{SUBJECT}_part-phase_GRE.nii.gz"
        with open_scan(multi_frame, phase=phase, series=["magnitude=none"]) as study:
            assert study.scan.files["phase"] == str(phase)
            assert study.scan.magnitude is None
            assert "phase" not in study.dicom.chosen
            head = from_nifti.swi > 0.3 * np.quantile(from_nifti.swi, 0.95)
            assert np.corrcoef(study.scan.phase_rad[head], from_nifti.phase_rad[head])[0, 1] > 0.99

    def test_series_need_a_dicom_study(self, coarse_data: Path):
        swi = coarse_data / SUBJECT / "anat" / f"{SUBJECT}_swi.nii.gz"
        with (
            pytest.raises(InputError, match="Series can be named for a DICOM study only"),
            open_scan(swi, series=["5"]),
        ):
            pass

    def test_images_of_different_studies(self, multi_frame: Path, tmp_path: Path):
        other = pydicom.dcmread(multi_frame / "006" / "IM00001.dcm")
        other.StudyInstanceUID = "1.2.3"
        other.save_as(tmp_path / "phase.dcm")
        opening = open_scan(multi_frame, phase=tmp_path / "phase.dcm")
        with pytest.raises(InputError, match="different studies"), opening:
            pass

    def test_phase_alone_is_not_enough(self, multi_frame: Path):
        with pytest.raises(InputError, match="no SWI and no T2"), open_scan(multi_frame / "006"):
            pass


class TestCommandLine:
    def test_series_lists_and_explains(self, written: tuple[Convention, Path]):
        result = CliRunner().invoke(app, ["series", str(written[1])])
        assert result.exit_code == 0
        assert " is the SWI" in result.output or "was chosen as SWI" in result.output

    def test_unknown_convention(self, tmp_path: Path):
        with pytest.raises(InputError, match="There is no DICOM convention 'agfa'; use one of siemens,"):
            checked_convention("agfa")
        result = CliRunner().invoke(app, ["simulate", str(tmp_path / "out"), "--dicom", "agfa"])
        assert isinstance(result.exception, InputError)
        assert not (tmp_path / "out").exists()

    def test_every_subject_of_a_data_set(self, coarse_data: Path, tmp_path: Path):
        for name in ("sub-001", "sub-002", "derivatives"):
            (tmp_path / name).symlink_to(coarse_data / name)
        write_studies(tmp_path, "siemens-enhanced")
        folders = sorted(tmp_path.glob("sourcedata/dicom/*/*"))
        assert [str(f.relative_to(tmp_path / "sourcedata" / "dicom")) for f in folders] == [
            f"sub-00{n}/00{k}" for n in (1, 2) for k in (5, 6, 7, 8)
        ]

    def test_no_such_subject(self, coarse_data: Path):
        with pytest.raises(InputError, match="There is no simulated subject sub-999"):
            read_subject(coarse_data, "sub-999")


def test_a_false_unit_gives_way_to_the_values(written: tuple[Convention, Path], tmp_path: Path, from_nifti: Scan):
    """A converter left Philips' rescale type on values in radians."""
    if written[0] != "philips-enhanced":
        pytest.skip("only Philips states a unit")
    shutil.copytree(written[1], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "701" / "IM00001.dcm"
    dataset = pydicom.dcmread(path)
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        if "RealWorldValueMappingSequence" in frame:
            del frame.RealWorldValueMappingSequence
            rescale = frame.PixelValueTransformationSequence[0]
            rescale.RescaleSlope, rescale.RescaleIntercept = "0.001534554", "-3.142"
    dataset.save_as(path)
    with open_scan(tmp_path) as study:
        assert study.scan.phase_facts.scale == "radians"
        told = {"scale": "", "scale_source": "", "sign_source": ""}
        assert replace(study.scan.phase_facts, **told) == replace(from_nifti.phase_facts, **told)
        # The same words; rounding of the stored values may change the last digit of the figures (one decimal).
        number = re.compile(r"[+-]?\d+\.\d+")
        said, expected = study.scan.phase_facts.sign_source, from_nifti.phase_facts.sign_source
        assert number.sub("", said) == number.sub("", expected)
        figures = [[float(one) for one in number.findall(text)] for text in (said, expected)]
        assert figures[0] == pytest.approx(figures[1], abs=0.11)
