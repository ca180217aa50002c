"""From candidates and their places to the record.

A finding that counts is **definite** when its score reaches the operating point's definite cut, and
**possible** below it (the columns of the MARS form, Gregoire 2009).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

import numpy as np

from microbleeds import __version__
from microbleeds.evaluate.patient import burden_class, is_strictly_lobar
from microbleeds.regions import MARS
from microbleeds.report.record import (
    Certainty,
    Counts,
    Finding,
    Group,
    ModelRecord,
    OperatingPoint,
    PhaseRecord,
    Record,
    RemovedBy,
    ScaleRow,
    ScanRecord,
    SequenceRecord,
    Side,
)
from microbleeds.scan import Candidate, Scan


class Placed(Protocol):
    """Where a candidate lies and whether it may stay there (`localise.Placement`)."""

    @property
    def group(self) -> Group:
        """Lobar, deep, infratentorial or none, by MARS."""

    @property
    def region(self) -> str | None:
        """Fine region's name."""

    @property
    def side(self) -> Side:
        """The subject's side."""

    @property
    def kept(self) -> bool:
        """Whether a microbleed can be there."""

    @property
    def reason(self) -> str | None:
        """Why not."""

    @property
    def margin_mm(self) -> float | None:
        """Distance to the nearest other group."""


def definite_cut(cut: float) -> float:
    """Return the score from which a finding is definite: halfway between the cut and certainty."""
    return (1 + cut) / 2


def assemble(
    scan: Scan,
    candidates: Sequence[Candidate],
    places: Sequence[Placed],
    model: ModelRecord,
    warnings: Sequence[str] = (),
) -> Record:
    """Build the record of a scan.

    Args:
        scan: what was read.
        candidates: with scores; those below the operating point stay in the record as removed, so that
            curves can be drawn from it.
        places: one for each candidate.
        model: the weights and the operating point.
        warnings: sentences beyond those of the scan; each is said once.
    """
    findings = _findings(scan, candidates, places, model.operating_point)
    return Record(
        program_version=__version__,
        scan=_scan_record(scan),
        model=model,
        counts=count(findings),
        form=form(findings),
        findings=findings,
        warnings=list(dict.fromkeys([*scan.warnings, *warnings])),
    )


def count(findings: Sequence[Finding]) -> Counts:
    """Count the findings that are kept."""
    kept = [finding for finding in findings if finding.kept]
    groups = Counter(finding.group for finding in kept)
    rows = Counter(finding.row for finding in kept)
    definite = sum(finding.certainty == "definite" for finding in kept)
    return Counts(
        total=len(kept),
        lobar=groups["lobar"],
        deep=groups["deep"],
        infratentorial=groups["infratentorial"],
        unplaced=groups["none"],
        definite=definite,
        possible=len(kept) - definite,
        regions={row: rows[row] for row in MARS.groups},
        burden_class=burden_class(len(kept)),  # type: ignore[arg-type]
        strictly_lobar=None if groups["none"] else _strictly_lobar(kept),
    )


def _strictly_lobar(kept: Sequence[Finding]) -> bool:
    """Whether findings, all of known place, are strictly lobar."""
    return is_strictly_lobar([f.group for f in kept], [f.region for f in kept])


def form(findings: Sequence[Finding]) -> list[ScaleRow]:
    """Fill in the MARS form; findings of no row or no side stand in the counts only."""
    cells = Counter((f.row, f"{f.certainty}_{f.side}") for f in findings if f.kept)
    columns = ("definite_right", "definite_left", "possible_right", "possible_left")
    return [
        ScaleRow(group=group, row=row, **{column: cells[row, column] for column in columns})
        for row, group in MARS.groups.items()
    ]


def _findings(
    scan: Scan, candidates: Sequence[Candidate], places: Sequence[Placed], point: OperatingPoint
) -> list[Finding]:
    """Number the findings: kept ones first, each part with falling score."""
    verdicts = [_verdict(c, p, point) for c, p in zip(candidates, places, strict=True)]
    order = sorted(range(len(candidates)), key=lambda n: (verdicts[n][0] is not None, -candidates[n].score))
    return [
        _finding(number, scan, candidates[n], places[n], verdicts[n], point)
        for number, n in enumerate(order, start=1)
    ]


def _verdict(candidate: Candidate, place: Placed, point: OperatingPoint) -> tuple[RemovedBy | None, str | None]:
    """Return what removed a candidate and why; its place speaks before its score."""
    if not place.kept:
        return "anatomy", place.reason or "No microbleed can lie here."
    if candidate.score < point.cut:
        return "score", f"Its score {candidate.score:.3g} is below the cut {point.cut:.3g} ({point.name})."
    return None, None


def _finding(
    number: int,
    scan: Scan,
    candidate: Candidate,
    place: Placed,
    verdict: tuple[RemovedBy | None, str | None],
    point: OperatingPoint,
) -> Finding:
    """Fill in one finding."""
    x, y, z = candidate.position_ras_mm
    shape = np.asarray(scan.source_grid.shape)
    # Offsets within a cell can place a centre half a voxel outside; the voxel named must exist.
    i, j, k = np.clip(np.rint(scan.source_grid.to_ijk((x, y, z))), 0, shape - 1).astype(int).tolist()
    certainty: Certainty = "definite" if candidate.score >= point.definite_cut else "possible"
    return Finding(
        id=number,
        position_ras_mm=_rounded((x, y, z)),
        position_lps_mm=_rounded((-x, -y, z)),
        position_ijk=(i, j, k),
        score=round(candidate.score, 4),
        certainty=certainty,
        diameter_mm=None if candidate.diameter_mm is None else round(candidate.diameter_mm, 2),
        group=place.group,
        region=place.region if place.region in MARS.rows else None,
        row=MARS.rows.get(place.region or ""),
        side=place.side,
        margin_mm=None if place.margin_mm is None else round(place.margin_mm, 2),
        kept=verdict[0] is None,
        removed_by=verdict[0],
        reason=verdict[1],
    )


def _rounded(position: tuple[float, float, float]) -> tuple[float, float, float]:
    """Round to 0.01 mm, a fiftieth of a voxel; adding 0 turns -0 into 0."""
    x, y, z = (round(float(v), 2) + 0.0 for v in position)
    return x, y, z


def _scan_record(scan: Scan) -> ScanRecord:
    """Describe the scan as it lies in the file."""
    grid = scan.source_grid
    a, b, c = (round(float(v), 4) for v in grid.spacing_mm)
    return ScanRecord(
        files=dict(scan.files),
        kind=scan.kind,
        shape=grid.shape,
        spacing_mm=(a, b, c),
        orientation=grid.axis_codes,
        sequence=SequenceRecord(**asdict(scan.sequence)),
        phase=None if scan.phase_facts is None else PhaseRecord(**asdict(scan.phase_facts)),
    )
