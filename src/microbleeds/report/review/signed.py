"""The reader's verdicts applied to the model's findings: the record that a reader signs.

Conventions:
    * accepted: counts, definite. uncertain: counts, possible. rejected: doesn't count, ``removed_by`` is `reader`;
      its certainty stays the program's, and no reason speaks for it any more.
    * A verdict may also bring back a candidate that score or place had removed.
    * A place that the reader confirmed or gave stands in place of the model's, and is no border case any more.
    * Without a verdict a finding stays as the model proposed it, and :class:`Review` says how many did.
    * Added findings follow with new ids. Their score is 0: the model proposed nothing there.
    * The signed record has the schema of `findings.json`, so that every tool reads it; :class:`Review`, written
      beside it as `review.json`, says who decided what and when.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import AwareDatetime, Field

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.regions import MARS
from microbleeds.report.mineralisation import mineralisation_warnings
from microbleeds.report.record import Certainty, Finding, PlaceConfidence, Record, Side, Strict
from microbleeds.report.review.verdicts import Addition, Decision, Placement, Unaided, Verdict, Verdicts
from microbleeds.report.scale_tables import place_on, recounted

REJECTED = "Rejected by the reader."
READ_BY = "Read by"  # how the sentence on a reading begins, which names the reader


class ReadFinding(Strict):
    """What a reader said about one finding of the signed record; ``id`` is its number there."""

    id: int
    source: Literal["model", "reader"]
    verdict: Decision | Literal["added"]
    unaided: bool
    at: AwareDatetime
    note: str


class ReadPlace(Strict):
    """Where a reader says that a finding of the model lies, and where the model had placed it."""

    id: int
    region: str | None
    side: Side
    model_region: str | None
    model_side: Side
    at: AwareDatetime

    @property
    def is_correction(self) -> bool:
        """Whether the reader gave another place than the model."""
        return (self.region, self.side) != (self.model_region, self.model_side)


class Review(Strict):
    """Who read, when, and what was decided: `review.json` of a signed result; 1.0.0 knew no ``places``."""

    schema_version: Literal["1.0.0", "1.1.0"] = "1.1.0"
    reader: str
    started: AwareDatetime
    signed: AwareDatetime
    unaided: Unaided | None
    findings_sha256: str
    verdicts_sha256: str
    accepted: int
    uncertain: int
    rejected: int
    added: int
    unreviewed: list[int]
    findings: list[ReadFinding]
    places: list[ReadPlace] = Field(default_factory=list)

    @property
    def sentence(self) -> str:
        """One sentence for reports."""
        left = len(self.unreviewed)
        rest = f"; {left} counted without a verdict" if left else ""
        corrected = sum(place.is_correction for place in self.places)
        confirmed = len(self.places) - corrected
        places = f"; places: {confirmed} confirmed, {corrected} corrected" if self.places else ""
        return (
            f"{READ_BY} {self.reader} on {self.signed:%Y-%m-%d}: {self.accepted} accepted, "
            f"{self.uncertain} uncertain, {self.rejected} rejected, {self.added} added{places}{rest}."
        )


@dataclass(frozen=True)
class SignedResult:
    """A record after reading, and how it came about."""

    record: Record
    review: Review


def sign(
    record: Record, verdicts: Verdicts, grid: Grid, *, findings_sha256: str, verdicts_sha256: str
) -> SignedResult:
    """Apply verdicts to a record.

    Args:
        record: the model's findings.
        verdicts: the reader's.
        grid: grid of the input file, for the voxels of added findings.
        findings_sha256: of the file that ``record`` was read from.
        verdicts_sha256: of the file that ``verdicts`` were read from.

    Raises:
        InputError: if the verdicts are those of another result, or name what isn't there.
    """
    _refuse_other_result(record, verdicts, findings_sha256)
    by_id = {verdict.finding: verdict for verdict in verdicts.verdicts}
    places = {place.finding: place for place in verdicts.places}
    judged = [
        _placed(_judged(finding, by_id.get(finding.id)), places.get(finding.id)) for finding in record.findings
    ]
    first = max((finding.id for finding in record.findings), default=0) + 1
    added = [
        _added(number, addition, grid, not record.places_doubtful)
        for number, addition in enumerate(verdicts.added, start=first)
    ]
    findings = sorted([*judged, *added], key=lambda finding: not finding.kept)
    unreviewed = [finding.id for finding in record.kept if finding.id not in by_id]
    review = _review(record, verdicts, unreviewed, first, findings_sha256, verdicts_sha256)
    warnings = [review.sentence, *_warnings(record, findings, {*by_id, *range(first, first + len(added))})]
    signed = recounted(record, findings).model_copy(update={"warnings": warnings})
    return SignedResult(Record.model_validate(signed.without_places().model_dump()), review)


def _warnings(record: Record, findings: Sequence[Finding], judged: Collection[int]) -> list[str]:
    """Return the warnings of a record; what is said of mineralisation is of what the reader left unjudged."""
    said = mineralisation_warnings(record.findings, record.places_doubtful)
    left = mineralisation_warnings(findings, record.places_doubtful, judged)
    return [*(warning for warning in record.warnings if warning not in said), *left]


def _refuse_other_result(record: Record, verdicts: Verdicts, findings_sha256: str) -> None:
    """Refuse verdicts that don't belong to this record."""
    if verdicts.findings_sha256 != findings_sha256:
        raise InputError(
            f"The verdicts belong to another result (findings {verdicts.findings_sha256[:12]}, this one is "
            f"{findings_sha256[:12]}); give the result whose review page they were exported from."
        )
    named = {one.finding for one in verdicts.verdicts} | {one.finding for one in verdicts.places}
    unknown = named - {finding.id for finding in record.findings}
    if unknown:
        raise InputError(f"The verdicts name finding {min(unknown)}, which the result does not have.")


def _judged(finding: Finding, verdict: Verdict | None) -> Finding:
    """Return a finding after its verdict; whoever judged it has told it from mineralisation."""
    if verdict is None:
        return finding
    finding = finding.model_copy(update={"mineralisation_note": None})
    if verdict.verdict == "rejected":
        out = {"kept": False, "removed_by": "reader", "reason": REJECTED, "certainty_reason": None}
        return finding.model_copy(update=out)
    certainty: Certainty = "definite" if verdict.verdict == "accepted" else "possible"
    update = {
        "kept": True,
        "removed_by": None,
        "reason": None,
        "certainty": certainty,
        "certainty_reason": _by(certainty),
    }
    return finding.model_copy(update=update)


def _placed(finding: Finding, place: Placement | None) -> Finding:
    """Return a finding at the place that the reader gave; scales other than MARS are filled in when counting."""
    if place is None:
        return finding
    group, row = place_on(MARS, place.region)
    update = {
        "group": group,
        "region": place.region,
        "row": row,
        "side": place.side,
        "margin_mm": None,
        "place_confidence": "unknown" if place.region is None else "reader",
        "mineralisation_note": finding.mineralisation_note if place.region == finding.region else None,
    }
    return finding.model_copy(update=update)


def _by(certainty: Certainty) -> str:
    """Return the reason of a certainty that a reader decided."""
    return f"{certainty.capitalize()}: the reader decided."


def _added(number: int, addition: Addition, grid: Grid, trusted: bool) -> Finding:
    """Return the finding that a reader added; ``trusted`` tells whether the scan's regions are."""
    x, y, z = addition.position_ras_mm
    if not grid.contains((x, y, z)):
        raise InputError(f"The added microbleed at ({x:.6g}, {y:.6g}, {z:.6g}) mm lies outside of the scan.")
    confidence: PlaceConfidence = "unknown" if addition.region is None else "reader" if trusted else "uncertain"
    group, row = place_on(MARS, addition.region)
    i, j, k = np.clip(np.rint(grid.to_ijk((x, y, z))), 0, np.asarray(grid.shape) - 1).astype(int).tolist()
    return Finding(
        id=number,
        position_ras_mm=(x, y, z),
        position_lps_mm=(-x + 0.0, -y + 0.0, z),
        position_ijk=(i, j, k),
        score=0.0,
        certainty=addition.certainty,
        certainty_reason=_by(addition.certainty),
        diameter_mm=addition.diameter_mm,
        group=group,
        region=addition.region,
        row=row,
        side=addition.side,
        margin_mm=None,
        place_confidence=confidence,
        kept=True,
        removed_by=None,
        reason=None,
    )


def _review(
    record: Record,
    verdicts: Verdicts,
    unreviewed: Sequence[int],
    first: int,
    findings_sha256: str,
    verdicts_sha256: str,
) -> Review:
    """Describe the reading."""
    read = [
        ReadFinding(id=v.finding, source="model", verdict=v.verdict, unaided=v.unaided, at=v.at, note=v.note)
        for v in verdicts.verdicts
    ] + [
        ReadFinding(id=number, source="reader", verdict="added", unaided=a.unaided, at=a.at, note=a.note)
        for number, a in enumerate(verdicts.added, start=first)
    ]
    decisions = [finding.verdict for finding in read]
    return Review(
        reader=verdicts.reader,
        started=verdicts.started,
        signed=verdicts.exported,
        unaided=verdicts.unaided,
        findings_sha256=findings_sha256,
        verdicts_sha256=verdicts_sha256,
        accepted=decisions.count("accepted"),
        uncertain=decisions.count("uncertain"),
        rejected=decisions.count("rejected"),
        added=decisions.count("added"),
        unreviewed=list(unreviewed),
        findings=read,
        places=_places(record, verdicts.places),
    )


def _places(record: Record, places: Sequence[Placement]) -> list[ReadPlace]:
    """Describe the places that the reader gave, beside the model's."""
    by_id = {finding.id: finding for finding in record.findings}
    return [
        ReadPlace(
            id=place.finding,
            region=place.region,
            side=place.side,
            model_region=by_id[place.finding].region,
            model_side=by_id[place.finding].side,
            at=place.at,
        )
        for place in places
    ]
