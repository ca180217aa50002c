"""Other people's tools read what is written: dciodvfy finds no error, dsrdump prints the report."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from dicom_result import MADE, Written

from microbleeds.report.dicom import Reading, write_dicom

needs_dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed"
)
needs_dsrdump = pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump (dcmtk) is not installed")


def errors_in(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False, timeout=60)
    lines = (done.stdout + done.stderr).splitlines()
    assert lines, "dciodvfy said nothing"
    return [line for line in lines if line.startswith("Error")]


@needs_dciodvfy
class TestDciodvfy:
    @pytest.mark.parametrize("name", ["sr.dcm", "seg.dcm", "regions.dcm", "report.dcm", "report-2.dcm"])
    def test_no_error(self, written: Written, name: str):
        assert errors_in(written.folder / name) == []

    def test_no_error_after_a_reading(self, written: Written, tmp_path: Path):
        verdicts = {1: "accepted", 2: "uncertain", 3: "added"}
        reading = Reading(verdicts, "Ader^Rea", "General Hospital", MADE)
        for path in write_dicom(
            written.head.record, written.source, written.volumes, tmp_path, created=MADE, reading=reading
        ):
            assert errors_in(path) == [], path.name

    def test_it_does_find_errors(self, written: Written, tmp_path: Path):
        broken = written.read("seg.dcm")
        del broken.SegmentSequence[0].SegmentAlgorithmType
        broken.save_as(tmp_path / "broken.dcm")
        assert errors_in(tmp_path / "broken.dcm")


@needs_dsrdump
def test_dsrdump_reads_the_report(written: Written):
    done = subprocess.run(
        ["dsrdump", str(written.folder / "sr.dcm")], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "E:" not in done.stderr
    assert done.stdout.count("SCOORD3D") == len(written.head.record.kept)
    assert "Verification Flag   : UNVERIFIED" in done.stdout
