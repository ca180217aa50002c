"""The real DICOM objects of a made-up result on the tiny study: one microbleed in the middle."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom

from microbleeds.geometry import Grid
from microbleeds.node.work import Outcome
from microbleeds.report.assemble import count, form
from microbleeds.report.dicom import Volumes, source_of, write_dicom
from microbleeds.report.record import Finding, ModelRecord, OperatingPoint, Record, ScanRecord, SequenceRecord

POINT_LPS_MM = (6.0, 8.0, 6.0)


def write_objects(images: Path, out: Path) -> Outcome:
    """What a node's detector does, without detecting."""
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in images.glob("*.dcm")]
    headers.sort(key=lambda header: float(header.ImagePositionPatient[2]))
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    affine[2, 3] = float(headers[0].ImagePositionPatient[2])
    grid = Grid((8, 8, len(headers)), affine)
    paths = write_dicom(
        little_record(grid), source_of(headers), Volumes(grid), out, created=datetime(2026, 1, 2, 3, 4, 5)
    )
    return Outcome(tuple(paths), "the same")


def little_record(grid: Grid) -> Record:
    x, y, z = POINT_LPS_MM
    i, j, k = (int(v) for v in np.rint(grid.to_ijk((-x, -y, z))))
    finding = Finding(
        id=1, position_ras_mm=(-x, -y, z), position_lps_mm=POINT_LPS_MM, position_ijk=(i, j, k), score=0.9,
        certainty="definite", diameter_mm=3.0, group="deep", region="thalamus", row="thalamus", side="left",
        margin_mm=3.0, kept=True, removed_by=None, reason=None,
    )  # fmt: skip
    point = OperatingPoint(name="balanced", cut=0.5, definite_cut=0.75)
    return Record(
        program_version="0",
        scan=ScanRecord(
            files={}, kind="swi", shape=grid.shape, spacing_mm=(2.0, 2.0, 3.0), orientation="LPS",
            sequence=SequenceRecord(), phase=None,
        ),
        model=ModelRecord(name="little", sha256="ab" * 32, training="None.", scores={}, operating_point=point),
        counts=count([finding], False),
        form=form([finding]),
        findings=[finding],
        warnings=[],
    )  # fmt: skip
