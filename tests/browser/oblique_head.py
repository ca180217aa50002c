"""A little oblique head as a finished result with its review page; the tests read it as a reader would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from microbleeds.geometry import Grid, canonical
from microbleeds.regions import CSF, code_of
from microbleeds.report.assemble import assemble
from microbleeds.report.labels import write_labels
from microbleeds.report.planes import core_of
from microbleeds.report.record import ModelRecord, OperatingPoint, Record, SegmentationRecord, write_record
from microbleeds.report.review.page import write_review
from microbleeds.report.run_record import sha256_of
from microbleeds.report.scale_tables import recounted
from microbleeds.scan import Candidate, PhaseFacts, Scan, SequenceFacts

SHAPE, SPACING_MM = (72, 88, 30), (1.1, 1.1, 3.0)
#: Left frontal, right thalamus, right occipital (below the cut), and one that the model misses, right frontal.
BLEEDS_MM = ((-22.0, 18.0, 6.0), (10.0, -6.0, 0.0), (20.0, -24.0, 9.0), (14.0, 10.0, 6.0))
MISSED_MM = BLEEDS_MM[3]
SCORES = (0.97, 0.7, 0.3)


UNSTEADY = "Its score changes between 0.33 and 0.91."
MINERAL = "Near the pallidum, whose mineralisation looks the same."


@dataclass(frozen=True)
class Place:
    group: str
    region: str
    side: str
    kept: bool = True
    reason: str = "Kept."
    margin_mm: float | None = 6.0
    parenchyma_share: float | None = 0.9


PLACES = (
    Place("lobar", "frontal_white", "left"),
    Place("deep", "thalamus", "right"),
    Place("lobar", "occipital_cortex", "right"),
)


@dataclass(frozen=True, eq=False)
class Head:
    scan: Scan
    brain: NDArray[np.bool_]
    regions: NDArray[np.uint8]
    record: Record


def source_grid() -> Grid:
    """An LPS file, 14 degrees off the axes."""
    turn = Rotation.from_euler("xyz", (14, -6, 9), degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2]])
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(SHAPE) - 1) / 2) + (3, -2, 5)
    return Grid(SHAPE, affine)


def head(*, edged: bool = False) -> Head:
    """Make the head; ``edged``: the brain's outermost voxels are dark, as beside skull."""
    source = source_grid()
    grid = canonical(np.zeros(source.shape, dtype=np.uint8), source)[1]
    position = grid.to_mm(np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), -1))
    brain = (np.linalg.norm((position - (3, -2, 5)) / (32, 40, 36), axis=-1) < 1).astype(bool)
    swi = np.where(brain, 300 + np.random.default_rng(1).normal(0, 8, grid.shape), 20).astype(np.float32)
    if edged:
        swi[brain & ~core_of(brain)] = 120
    phase = np.zeros(grid.shape, dtype=np.float32)
    for centre in BLEEDS_MM:
        inside = np.linalg.norm(position - centre, axis=-1) < 2.5
        swi[inside], phase[inside] = 10, 1.5
    scan = Scan(
        kind="swi",
        grid=grid,
        source_grid=source,
        swi=swi,
        phase_rad=phase,
        sequence=SequenceFacts(3.0, 20.0, 28.0, 15.0, "ACME"),
        phase_facts=PhaseFacts("radians", "given", "paramagnetic-bright", "veins", True, "flat"),
        files={"swi": "/data/<b>swi</b>.nii.gz", "phase": "/data/phase.nii.gz"},
        warnings=("A sentence for the reader.",),
    )
    candidates = [Candidate(p, s, 2.5) for p, s in zip(BLEEDS_MM[:3], SCORES, strict=True)]
    return Head(scan, brain, _regions(position, brain), assemble(scan, candidates, PLACES, _model()))


def result(
    folder: Path,
    border: int | None = None,
    unsteady: int | None = None,
    mineral: int | None = None,
    *,
    doubtful: bool = False,
    edged: bool = False,
) -> Path:
    """Write the files of a finished result that reading needs.

    Args:
        folder: to write to.
        border: the finding that is near another group.
        unsteady: the finding whose score changes.
        mineral: the finding near the pallidum.
        doubtful: whether the segmentation looks wrong.
        edged: as for :func:`head`.
    """
    made = head(edged=edged)
    confidence = {one.id: "uncertain" for one in made.record.findings if doubtful} | {border: "border"}
    findings = [
        one.model_copy(
            update={"place_confidence": confidence.get(one.id, one.place_confidence)}
            | ({"score_note": UNSTEADY} if one.id == unsteady else {})
            | ({"mineralisation_note": MINERAL} if one.id == mineral else {})
        )
        for one in made.record.findings
    ]
    seen = SegmentationRecord(located=True, confident=not doubtful, brain_ml=190, regions=[])
    record = recounted(made.record.model_copy(update={"segmentation": seen}), findings)
    folder.mkdir(parents=True)
    write_record(record, folder / "findings.json")
    write_labels(record.findings, made.scan.source_grid, folder / "labels.nii.gz")
    write_review(
        record,
        made.scan,
        made.brain,
        made.regions,
        folder / "review.html",
        findings_sha256=sha256_of(folder / "findings.json"),
    )
    return folder


def _regions(position: NDArray[np.float64], brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """White matter of the frontal lobes before y = 0, of the occipital ones behind it, and a rim of fluid."""
    left, front = position[..., 0] < 0, position[..., 1] > 0
    codes = np.where(left, code_of("occipital_white", "left"), code_of("occipital_white", "right"))
    codes[front & left], codes[front & ~left] = code_of("frontal_white", "left"), code_of("frontal_white", "right")
    rim = np.linalg.norm((position - (3, -2, 5)) / (32, 40, 36), axis=-1) > 0.93
    return np.where(rim, CSF, codes).astype(np.uint8) * brain


def _model() -> ModelRecord:
    return ModelRecord(
        name="test",
        sha256="0123456789abcdef" * 4,
        training="Its weights learned from 3 simulated scans.",
        scores={},
        operating_point=OperatingPoint(name="balanced", cut=0.5, definite_cut=0.75),
    )
