"""Little BIDS data sets, and a search that stands in for the real one: it writes a result without looking."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np

from microbleeds.cohort.search import request_of, search
from microbleeds.cohort.task import Outcome, ScanTask
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.read.inheritance import sidecar_path
from microbleeds.regions import SCALES
from microbleeds.report.labels import label_volume
from microbleeds.report.record import (
    Counts,
    Finding,
    ModelRecord,
    OperatingPoint,
    PhaseRecord,
    Record,
    RegionVolume,
    ScanRecord,
    SegmentationRecord,
    SequenceRecord,
    write_record,
)
from microbleeds.report.region_table import write_region_table
from microbleeds.report.tsv import write_tsv

SHAPE = (12, 14, 8)


def image(path: Path, seed: int = 0, spacing_mm: float = 1.0, **sidecar: object) -> Path:
    """Write a little image and its sidecar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).uniform(1, 100, SHAPE).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])), path)
    if sidecar:
        sidecar_path(path).write_text(json.dumps(sidecar))
    return path


def data_set(root: Path, names: Mapping[str, int]) -> Path:
    """Write a data set of SWI with phase: name (``sub-01`` or ``sub-01/ses-1``) to seed."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Little", "BIDSVersion": "1.10.0"}))
    for name, seed in names.items():
        stem = name.replace("/", "_")
        image(root / name / "anat" / f"{stem}_swi.nii.gz", seed, EchoTime=0.02, MagneticFieldStrength=3)
        image(root / name / "anat" / f"{stem}_part-phase_GRE.nii.gz", seed + 1, EchoTime=0.02)
    return root


def record_of(files: Mapping[str, str], bleeds: int, warnings: list[str] | None = None) -> Record:
    """A record with some lobar bleeds and one that was ruled out."""
    rows = SCALES["MARS"].groups
    lobar = next(row for row, group in rows.items() if group == "lobar")
    findings = [_finding(n, kept=True, row=lobar) for n in range(1, bleeds + 1)]
    burden = str(bleeds) if bleeds < 2 else "2-4" if bleeds < 5 else "5-9" if bleeds < 10 else ">=10"
    phase = PhaseRecord(
        scale="radians", scale_source="", sign="paramagnetic-bright", sign_source="", high_pass_filtered=True,
        high_pass_source="",
    )  # fmt: skip
    return Record(
        program_version="0",
        scan=ScanRecord(
            files=dict(files),
            kind="swi",
            shape=SHAPE,
            spacing_mm=(1.0, 1.0, 1.0),
            orientation="RAS",
            sequence=SequenceRecord(field_strength_t=3.0, echo_time_ms=20.0),
            phase=phase if "phase" in files else None,
        ),
        model=ModelRecord(
            name="fake", sha256="ab" * 32, training="It learned nothing.", scores={},
            operating_point=OperatingPoint(name="balanced", cut=0.5, definite_cut=0.8),
        ),
        counts=Counts(
            total=bleeds, lobar=bleeds, deep=0, infratentorial=0, unplaced=0, definite=bleeds, possible=0,
            regions={row: bleeds if row == lobar else 0 for row in rows}, burden_class=burden,
            strictly_lobar=bleeds > 0,
        ),
        form=[],
        segmentation=SegmentationRecord(
            located=True, confident=True, brain_ml=1400,
            regions=[RegionVolume(index=10, name="left_frontal_cortex", volume_ml=90)],
        ),
        findings=[*findings, _finding(bleeds + 1, kept=False, row=None)],
        warnings=warnings or [],
    )  # fmt: skip


def _finding(number: int, *, kept: bool, row: str | None) -> Finding:
    x = float(number % SHAPE[0])
    return Finding(
        id=number, position_ras_mm=(x, 3.0, 4.0), position_lps_mm=(-x, -3.0, 4.0), position_ijk=(int(x), 3, 4),
        score=0.9, certainty="definite", diameter_mm=2.0, group="lobar" if kept else "none",
        region="frontal_cortex" if kept else None, row=row, side="left" if kept else "none", margin_mm=5.0,
        kept=kept, removed_by=None if kept else "anatomy", reason=None if kept else "It lies\toutside.",
    )  # fmt: skip


def write_result(task: ScanTask) -> None:
    """Write a result as the pipeline would; the number of bleeds follows from the image."""
    request = request_of(task)
    files = {role: str(path) for role, path in request.inputs.items()}
    main = nib.load(request.inputs.get("swi") or request.inputs["magnitude"])
    bleeds = int(np.asarray(main.dataobj).sum()) % 5
    record = record_of(files, bleeds)
    out = request.out
    out.mkdir(parents=True, exist_ok=True)
    grid = Grid(SHAPE, np.asarray(main.affine))
    write_record(record, out / "findings.json")
    write_tsv(record, out / "findings.tsv")
    labels = nib.Nifti1Image(label_volume(record.findings, grid), grid.affine)
    labels.header.set_xyzt_units("mm", "sec")
    nib.save(labels, out / "labels.nii.gz")
    regions = nib.Nifti1Image(np.full(SHAPE, 10, np.uint8), grid.affine)
    regions.header.set_xyzt_units("mm", "sec")
    nib.save(regions, out / "regions.nii.gz")
    write_region_table(record.segmentation.regions if record.segmentation else [], out / "regions.tsv")
    (out / "regions.json").write_text(json.dumps({"Description": "Regions.", "Manual": False, "Sources": ["x"]}))
    for page in ("report", "review"):
        (out / f"{page}.html").write_text(f"<title>{page}</title>")
    (out / "run.json").write_text("{}")


def little_search(task: ScanTask) -> Outcome:
    """Search as the worker does, with the stand-in; some words in a name are bad input, faults or deadly."""

    def run(task: ScanTask) -> None:
        if "deadly" in task.name:
            os._exit(9)
        if "broken" in task.name:
            raise InputError("The image is broken.")
        if "faulty" in task.name:
            raise ZeroDivisionError("division by zero")
        write_result(task)

    return search(task, run)
