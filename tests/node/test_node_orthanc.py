"""With a real archive: Orthanc forwards a study to the node and gets report, segmentation and page back."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import pydicom
import pytest
from little_result import POINT_LPS_MM, write_objects
from little_study import NAME, Running, free_port, listens, study, wait_for

from microbleeds.node.config import Config
from microbleeds.node.serve import Node

ORTHANC = shutil.which("Orthanc") or ("/usr/sbin/Orthanc" if Path("/usr/sbin/Orthanc").exists() else None)

pytestmark = pytest.mark.skipif(ORTHANC is None, reason="Orthanc is not installed")


@dataclass(frozen=True)
class Orthanc:
    """A running archive."""

    http_port: int
    dicom_port: int

    def call(self, path: str, body: bytes | dict[str, Any] | list[Any] | None = None) -> Any:
        """Use the REST interface; JSON answers are decoded."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return content if path.endswith("/file") else json.loads(content)

    def datasets(self, modality: str) -> list[pydicom.Dataset]:
        """Fetch every object of a modality."""
        found = [entry for entry in self.call("/series?expand") if entry["MainDicomTags"]["Modality"] == modality]
        uids = [instance for entry in found for instance in entry["Instances"]]
        return [pydicom.dcmread(io.BytesIO(self.call(f"/instances/{uid}/file"))) for uid in uids]


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[tuple[Orthanc, int]]:
    """Orthanc with an empty index, which knows a node on the port returned beside it."""
    archive, node_port = Orthanc(free_port(), free_port()), free_port()
    settings = {
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "HttpPort": archive.http_port,
        "DicomPort": archive.dicom_port,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
        "DicomModalities": {"node": {"AET": "MICROBLEEDS", "Host": "127.0.0.1", "Port": node_port}},
    }
    path = tmp_path / "orthanc.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    with (tmp_path / "orthanc.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen([str(ORTHANC), str(path)], stdout=log, stderr=log)
        try:
            wait_for(lambda: process.poll() is not None or answers(archive))
            assert process.poll() is None, (tmp_path / "orthanc.log").read_text(encoding="utf-8")
            yield archive, node_port
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def answers(archive: Orthanc) -> bool:
    """Whether both of its ports are served."""
    try:
        return bool(archive.call("/system")) and listens(archive.dicom_port)
    except (urllib.error.URLError, OSError):
        return False


def test_a_study_goes_to_the_node_and_its_results_come_back(
    orthanc: tuple[Orthanc, int], settings: Callable[..., Config]
):
    archive, node_port = orthanc
    for image in study():
        content = io.BytesIO()
        image.save_as(content, enforce_file_format=True)
        archive.call("/instances", content.getvalue())
    (stored,) = archive.call("/studies")
    destination = {"ae_title": "ORTHANC", "host": "127.0.0.1", "port": archive.dicom_port}
    config = settings(archive.dicom_port, port=node_port, callers=["ORTHANC"], destinations=[destination])
    with Running(Node(config, write_objects)) as node:
        archive.call("/modalities/node/store", {"Resources": [stored], "Synchronous": True})
        wait_for(lambda: [entry.state for entry in node.queue.studies()] == ["done"])
        # The whole study once more, results included: nothing new comes of it.
        archive.call("/modalities/node/store", {"Resources": [stored], "Synchronous": True})
    assert archive.call("/studies") == [stored], "the results are of the same study"
    (report,) = archive.datasets("SR")
    document = hd.sr.Comprehensive3DSR.from_dataset(report)
    (group,) = document.content.get_planar_roi_measurement_groups()
    assert tuple(group.roi.value[0]) == pytest.approx(POINT_LPS_MM)
    assert str(report.PatientName) == NAME
    (segments,) = archive.datasets("SEG")
    assert hd.seg.Segmentation.from_dataset(segments).number_of_segments == 1
    assert {str(page.PatientName) for page in archive.datasets("OT")} == {NAME}
    assert len(archive.datasets("MR")) == len(study())
