"""From candidates and their places to the record.

Whether a finding is definite or possible is decided in :mod:`microbleeds.report.certainty`; how far its place
can be trusted, here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from microbleeds import __version__
from microbleeds.regions import BOMBS, KIM, MARS
from microbleeds.report.certainty import judge, note_on_spread, rule_from
from microbleeds.report.mineralisation import mineralisation_warnings, with_notes
from microbleeds.report.record import (
    DISCLAIMER,
    CertaintyRule,
    Finding,
    Group,
    ImagesRecord,
    ModelRecord,
    OperatingPoint,
    PhaseRecord,
    PlaceConfidence,
    Record,
    RemovedBy,
    ScanRecord,
    SequenceRecord,
    Side,
)
from microbleeds.report.regions_image import Segmented, segmentation_record
from microbleeds.report.scale_tables import bombs_form, count, form, place_on, scale_counts
from microbleeds.roundness import roundness
from microbleeds.scan import Candidate, Scan

#: Nearer than this to another group a finding says so: a centre is right to 1 mm, a border to 2 mm at best.
#: Chosen on validation scans (docs/method.md).
BORDER_MM = 2.5
UNSURE = (
    "The automatic segmentation looks wrong on this scan: groups and regions are uncertain, and whether the "
    "findings are strictly lobar is unknown, until a reader gives their places; none was removed for its place. "
    "Check the overlay of the regions."
)


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

    @property
    def parenchyma_share(self) -> float | None:
        """Share of parenchyma around it."""


def is_counted(candidate: Candidate, place: Placed, point: OperatingPoint) -> bool:
    """Return whether a candidate counts: it scores enough, and its place does not rule it out."""
    return _verdict(candidate, place, point)[0] is None


def definite_cut(cut: float) -> float:
    """Return the score from which a finding is definite: halfway between the cut and certainty."""
    return (1 + cut) / 2


def assemble(
    scan: Scan,
    candidates: Sequence[Candidate],
    places: Sequence[Placed],
    model: ModelRecord,
    warnings: Sequence[str] = (),
    segmentation: Segmented | None = None,
    disclaimer: str = DISCLAIMER,
    mni_from_ras: NDArray[np.float64] | None = None,
) -> Record:
    """Build the record of a scan.

    Args:
        scan: what was read.
        candidates: with scores; those below the operating point stay in the record as removed, so that
            curves can be drawn from it.
        places: one for each candidate.
        model: the weights and the operating point.
        warnings: sentences beyond those of the scan; each is said once.
        segmentation: that told the places; where it is not confident, no group is trusted.
        disclaimer: what is said wherever the result is shown.
        mni_from_ras: [4, 4] affine from the scan's RAS mm to MNI152 mm, which tells what lies near nuclei that
            mineralise; ``None`` where it is unknown or not to be trusted.
    """
    rule = rule_from(model.operating_point.definite_cut)
    trusted = segmentation is None or segmentation.confident or not segmentation.located
    findings = _findings(scan, candidates, places, model.operating_point, rule, trusted)
    if mni_from_ras is not None:
        findings = with_notes(findings, mni_from_ras)
    doubts = [] if trusted else [UNSURE]
    mineral = mineralisation_warnings(findings, not trusted)
    record = Record(
        program_version=__version__,
        scan=_scan_record(scan),
        model=model,
        counts=count(findings, not trusted),
        form=form(findings),
        scales=scale_counts(findings),
        bombs=bombs_form(findings),
        rule=rule,
        segmentation=None if segmentation is None else segmentation_record(segmentation),
        findings=findings,
        warnings=list(dict.fromkeys([*doubts, *scan.warnings, *warnings, *mineral])),
        disclaimer=disclaimer,
    )
    return record.without_places()


def _findings(
    scan: Scan,
    candidates: Sequence[Candidate],
    places: Sequence[Placed],
    point: OperatingPoint,
    rule: CertaintyRule,
    trusted: bool,
) -> list[Finding]:
    """Number the findings: kept ones first, each part with falling score."""
    verdicts = [_verdict(c, p, point) for c, p in zip(candidates, places, strict=True)]
    order = sorted(range(len(candidates)), key=lambda n: (verdicts[n][0] is not None, -candidates[n].score))
    return [
        _finding(number, scan, candidates[n], places[n], verdicts[n], rule, trusted)
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
    rule: CertaintyRule,
    trusted: bool,
) -> Finding:
    """Fill in one finding."""
    x, y, z = candidate.position_ras_mm
    shape = np.asarray(scan.source_grid.shape)
    # Offsets within a cell can place a centre half a voxel outside; the voxel named must exist.
    i, j, k = np.clip(np.rint(scan.source_grid.to_ijk((x, y, z))), 0, shape - 1).astype(int).tolist()
    diameter_mm = None if candidate.diameter_mm is None else round(candidate.diameter_mm, 2)
    shape_share = None if verdict[0] == "score" else _roundness(scan, candidate)
    region = place.region if place.region in MARS.rows else None
    bombs_group, bombs_row = place_on(BOMBS, region)
    certainty, certainty_reason = judge(candidate.score, diameter_mm, shape_share, rule)
    return Finding(
        id=number,
        position_ras_mm=_rounded((x, y, z)),
        position_lps_mm=_rounded((-x, -y, z)),
        position_ijk=(i, j, k),
        # Digits that count, not decimals: a score on a threshold must not be rounded away from it.
        score=float(f"{candidate.score:.6g}"),
        score_spread=_spread(candidate),
        score_note=note_on_spread(candidate.score_range),
        certainty=certainty,
        certainty_reason=certainty_reason,
        diameter_mm=diameter_mm,
        roundness=shape_share,
        group=place.group,
        region=region,
        row=MARS.rows.get(region or ""),
        bombs_group=bombs_group,
        bombs_row=bombs_row,
        kim_group=place_on(KIM, region)[0],
        side=place.side,
        margin_mm=None if place.margin_mm is None else round(place.margin_mm, 2),
        parenchyma_share=None if place.parenchyma_share is None else round(place.parenchyma_share, 3),
        place_confidence=_place_confidence(place, trusted),
        kept=verdict[0] is None,
        removed_by=verdict[0],
        reason=verdict[1],
    )


def _spread(candidate: Candidate) -> float | None:
    """Return how far a candidate's score changes when the image is flipped or shifted."""
    if candidate.score_range is None:
        return None
    low, high = candidate.score_range
    return round(high - low, 4)


def _roundness(scan: Scan, candidate: Candidate) -> float | None:
    """Measure a candidate's roundness; not done for the thousands below the cut, which can't be definite."""
    measured = roundness(scan.swi, scan.grid.to_ijk(candidate.position_ras_mm), scan.grid.spacing_mm)
    return None if measured is None else round(measured, 2)


def _place_confidence(place: Placed, trusted: bool) -> PlaceConfidence:
    """Return how far a candidate's group can be trusted."""
    if place.group == "none":
        return "unknown"
    if not trusted:
        return "uncertain"
    return "border" if place.margin_mm is not None and place.margin_mm < BORDER_MM else "sure"


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
        images=None if scan.images is None else ImagesRecord(**asdict(scan.images)),
        sequence=SequenceRecord(**asdict(scan.sequence)),
        phase=None if scan.phase_facts is None else PhaseRecord(**asdict(scan.phase_facts)),
    )
