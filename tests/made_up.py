"""Two made-up visits of one textured head: a pose, bleeds at known places, and what a search would say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.followup.rigid import applied, inverse
from microbleeds.followup.visit import Visit
from microbleeds.geometry import Grid
from microbleeds.report.assemble import count, form
from microbleeds.report.record import (
    Finding,
    ModelRecord,
    OperatingPoint,
    PhaseRecord,
    Record,
    ScanRecord,
    SequenceRecord,
)
from microbleeds.report.run_record import sha256_of
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation

AT = "2026-11-30T10:00:00Z"
RADII_MM = np.array((38.0, 48.0, 42.0))
SPACING_MM = (1.2, 1.2, 3.0)


def finding(
    number: int,
    position: Sequence[float],
    score: float = 0.9,
    removed_by: str | None = None,
    group: str = "lobar",
    **doubts: object,
) -> Finding:
    x, y, z = (float(v) for v in position)
    return Finding(
        id=number,
        position_ras_mm=(x, y, z),
        position_lps_mm=(-x, -y, z),
        position_ijk=(0, 0, 0),
        score=score,
        **({"certainty": "definite"} | doubts),
        diameter_mm=3.0,
        group=group,
        region="frontal_white" if group == "lobar" else None,
        row=None,
        side="left",
        margin_mm=None,
        kept=removed_by is None,
        removed_by=removed_by,
        reason=None,
    )


def record(findings: Sequence[Finding], **changes: object) -> Record:
    """A record of a search; ``changes`` are those of the scan."""
    scan = {
        "files": {"swi": "/data/<b>swi</b>.nii.gz", "phase": "/data/phase.nii.gz"},
        "kind": "swi",
        "shape": (10, 10, 10),
        "spacing_mm": SPACING_MM,
        "orientation": "RAS",
        "sequence": sequence(),
        "phase": PhaseRecord(
            scale="radians",
            scale_source="said so",
            sign="paramagnetic-bright",
            sign_source="said so",
            high_pass_filtered=True,
            high_pass_source="said so",
        ),
    } | changes
    return Record(
        program_version="0",
        scan=ScanRecord(**scan),
        model=ModelRecord(
            name="test",
            sha256="ab" * 32,
            training="Simulated.",
            scores={},
            operating_point=OperatingPoint(name="balanced", cut=0.2, definite_cut=0.6),
        ),
        counts=count(findings, False),
        form=form(findings),
        findings=list(findings),
        warnings=["Said by both."],
    )


def sequence(**changes: object) -> SequenceRecord:
    facts = {"field_strength_t": 3.0, "echo_time_ms": 20.0, "manufacturer": "ACME"} | changes
    return SequenceRecord(**facts)


def texture(seed: int) -> NDArray[np.float32]:
    """Structure of a few millimetres on a lattice of 2 mm in the head's own axes, [64, 64, 64]."""
    rng = np.random.default_rng(seed)
    fine = ndimage.gaussian_filter(rng.standard_normal((64, 64, 64)), 1.2)
    wide = ndimage.gaussian_filter(rng.standard_normal((64, 64, 64)), 4.0)
    return (fine / fine.std() + wide / wide.std()).astype(np.float32)


def visit(
    findings: Sequence[Finding] = (),
    *,
    pose: NDArray[np.float64] | None = None,
    bleeds: Sequence[Sequence[float]] | None = None,
    head: int = 0,
    noise: int = 0,
    slices: int = 36,
    phase: bool = True,
    **changes: object,
) -> Visit:
    """A visit of head number ``head`` in a pose ([4, 4], visit from head).

    Bleeds, dark spots, are in the head's RAS mm; they lie where the findings are if not given.
    """
    pose = np.eye(4) if pose is None else pose
    if bleeds is None:
        bleeds = [applied(inverse(pose), np.array(found.position_ras_mm)) for found in findings]
    shape = (88, 104, slices)
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = pose[:3, 3] - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    grid = Grid(shape, affine)
    inside = grid.to_mm(np.moveaxis(np.indices(shape), 0, -1)) @ np.linalg.inv(pose)[:3, :3].T
    inside += np.linalg.inv(pose)[:3, 3]
    brain = np.linalg.norm(inside / RADII_MM, axis=-1) < 1
    where = np.moveaxis(inside / 2 + 31.5, -1, 0)
    values = ndimage.map_coordinates(texture(head), where, order=1, mode="nearest")
    swi = np.where(brain, 300 + 30 * values, 10).astype(np.float32)
    swi += np.random.default_rng(noise).normal(0, 6, shape).astype(np.float32)
    shift = np.random.default_rng(noise + 1).normal(0, 0.05, shape).astype(np.float32)
    for bleed in bleeds:
        spot = np.linalg.norm(inside - np.asarray(bleed), axis=-1) < 2.5
        swi[spot], shift[spot] = 20, 1.5
    scan = Scan(kind="swi", grid=grid, source_grid=grid, swi=swi, phase_rad=shift if phase else None)
    if not phase:
        changes = {"phase": None, **changes}
    nothing = np.zeros(shape, dtype=np.uint8)
    anatomy = Segmentation(grid, brain, nothing, None, False, False)
    return Visit(f"visit {noise}", record(findings, **changes), scan, anatomy)


def exported(compared: Path, said: dict[int, str], **more: object) -> dict[str, object]:
    """What the page of a comparison exports: verdicts by lesion; ``more`` stands in place of other fields."""
    return {
        "schema_version": "1.0.0",
        "program_version": "0",
        "comparison_sha256": sha256_of(compared / "comparison.json"),
        "reader": "A. Reader",
        "started": "2026-11-30T09:00:00Z",
        "exported": "2026-11-30T11:00:00Z",
        "verdicts": [{"lesion": n, "verdict": one, "at": AT, "note": ""} for n, one in said.items()],
    } | more
