"""From every vendor's conventions to the objects that go back: a study is searched, its objects are read.

The networks are replaced by what they would say; everything else, from headers to segments, is the program.
"""

from __future__ import annotations

import math
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.sr import srread

from microbleeds.pipeline import Request, run
from microbleeds.simulate.dicom.study import CONVENTIONS, write_study
from test_pipeline import BLEED_MM, networks

pytestmark = pytest.mark.slow

__all__ = ["networks"]  # a fixture of the other file
SUBJECT = "sub-001"


@pytest.fixture(scope="module", params=CONVENTIONS)
def study(request: pytest.FixtureRequest, coarse_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    write_study(folder, coarse_data, SUBJECT, request.param)
    return folder


@pytest.mark.usefixtures("networks")
def test_a_study_goes_in_and_its_objects_fit_it(study: Path, tmp_path: Path) -> None:
    record = run(Request(tmp_path / "out", study, device="cpu"))
    assert record.scan.phase is not None
    assert [finding.position_ras_mm for finding in record.kept] == [BLEED_MM]
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in study.rglob("*.dcm")]
    frames = {str(header.SOPInstanceUID): int(header.get("NumberOfFrames", 0)) for header in headers}
    objects = tmp_path / "out" / "dicom"
    report = srread(objects / "sr.dcm")
    (group,) = report.content.get_planar_roi_measurement_groups()
    assert np.allclose(group.roi.value, [(-BLEED_MM[0], -BLEED_MM[1], BLEED_MM[2])], atol=1e-3)
    assert str(group.roi.frame_of_reference_uid) == str(headers[0].FrameOfReferenceUID)
    _check_references(report, frames)
    findings = highdicom.seg.segread(objects / "seg.dcm")
    _check_references(findings, frames)
    # The ball of the finding lies around its place, and has about its volume.
    drawn, places = findings.pixel_array.astype(bool).reshape(-1, findings.Rows, findings.Columns), []
    voxel_mm3 = 1.2 * 1.2 * 4.0
    for frame, content in zip(drawn, findings.PerFrameFunctionalGroupsSequence, strict=True):
        origin = np.array(content.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        axes = np.array(
            findings.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient,
            dtype=float,
        ).reshape(2, 3)
        places += [origin + 1.2 * (column * axes[0] + row * axes[1]) for row, column in np.argwhere(frame)]
    assert np.linalg.norm(np.mean(places, axis=0) - group.roi.value[0]) < 2
    assert len(places) * voxel_mm3 < 4 / 3 * math.pi * 4**3


def _check_references(made: pydicom.Dataset, frames: dict[str, int]) -> None:
    """Every image that an object refers to is one of the study's, and every frame exists."""
    seen: set[str] = set()

    def visit(_: pydicom.Dataset, element: pydicom.DataElement) -> None:
        if element.keyword != "ReferencedSOPInstanceUID":
            return
        assert element.value in frames
        seen.add(element.value)

    made.walk(visit)
    assert seen

    def visit_frames(dataset: pydicom.Dataset, element: pydicom.DataElement) -> None:
        if element.keyword == "ReferencedFrameNumber":
            numbers = np.atleast_1d(element.value).astype(int)
            assert numbers.min() >= 1
            assert numbers.max() <= frames[dataset.ReferencedSOPInstanceUID], "only multi-frame images have frames"

    made.walk(visit_frames)
