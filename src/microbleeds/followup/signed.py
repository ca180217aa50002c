"""The reader's verdicts applied to a comparison: the record of change that a reader signs.

Conventions:
    * What the reader calls no microbleed is no lesion of the signed comparison; its review keeps it.
    * What became of a lesion is what the reader says; its note names what the program had said.
    * Counts and the class of ARIA-H are those of the lesions that are left. Ids stay; their order may change.
    * The signed record has the schema of `comparison.json`; :class:`ComparisonReview`, written beside it as
      `review.json`, says who decided what and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime

from microbleeds.errors import InputError
from microbleeds.followup.counting import counted
from microbleeds.followup.record import COMPARISON_SCHEMA, Comparison, LesionRecord
from microbleeds.followup.rule import STATE_NAMES, AriaClass, State
from microbleeds.followup.verdicts import ComparisonVerdicts, LesionDecision, LesionVerdict
from microbleeds.report.record import Strict
from microbleeds.report.review.signed import READ_BY


class ReadLesion(Strict):
    """What a reader said about one lesion, and what the program had said."""

    id: int
    verdict: LesionDecision
    proposed: State
    at: AwareDatetime
    note: str


class ComparisonReview(Strict):
    """Who read, when, and what was decided: `review.json` of a signed comparison."""

    schema_version: Literal["1.0.0"] = "1.0.0"
    reader: str
    started: AwareDatetime
    signed: AwareDatetime
    comparison_sha256: str
    verdicts_sha256: str
    proposed_aria_h: AriaClass | None
    confirmed: int
    changed: int
    rejected: int
    unreviewed: list[int]
    lesions: list[ReadLesion]

    @property
    def sentence(self) -> str:
        """One sentence for reports."""
        left = len(self.unreviewed)
        rest = f"; {left} counted without a verdict" if left else ""
        return (
            f"{READ_BY} {self.reader} on {self.signed:%Y-%m-%d}: {self.confirmed} confirmed, {self.changed} "
            f"changed, {self.rejected} rejected{rest}."
        )


@dataclass(frozen=True)
class SignedComparison:
    """A comparison after reading, and how it came about."""

    comparison: Comparison
    review: ComparisonReview


def sign_comparison(
    comparison: Comparison, verdicts: ComparisonVerdicts, *, comparison_sha256: str, verdicts_sha256: str
) -> SignedComparison:
    """Apply verdicts to a comparison.

    Args:
        comparison: what the program proposed.
        verdicts: the reader's.
        comparison_sha256: of the file that ``comparison`` was read from.
        verdicts_sha256: of the file that ``verdicts`` were read from.

    Raises:
        InputError: if the visits could not be aligned, or the verdicts are those of another comparison or name
            what isn't there.
    """
    _refuse_other_comparison(comparison, verdicts, comparison_sha256)
    by_id = {verdict.lesion: verdict for verdict in verdicts.verdicts}
    judged = [_judged(lesion, by_id.get(lesion.id)) for lesion in comparison.lesions]
    review = _review(comparison, verdicts, comparison_sha256, verdicts_sha256)
    signed = counted(comparison, [lesion for lesion in judged if lesion is not None])
    return SignedComparison(
        signed.model_copy(
            update={"schema_version": COMPARISON_SCHEMA, "warnings": [review.sentence, *signed.warnings]}
        ),
        review,
    )


def _refuse_other_comparison(comparison: Comparison, verdicts: ComparisonVerdicts, sha256: str) -> None:
    """Refuse verdicts that don't belong to this comparison, and one in which nothing was matched."""
    if comparison.counts is None:
        raise InputError("The visits of this comparison could not be aligned; there is no lesion to sign.")
    if verdicts.comparison_sha256 != sha256:
        raise InputError(
            f"The verdicts belong to another comparison ({verdicts.comparison_sha256[:12]}, this one is "
            f"{sha256[:12]}); give the comparison whose page they were exported from."
        )
    unknown = {verdict.lesion for verdict in verdicts.verdicts} - {lesion.id for lesion in comparison.lesions}
    if unknown:
        raise InputError(f"The verdicts name lesion {min(unknown)}, which the comparison does not have.")


def _judged(lesion: LesionRecord, verdict: LesionVerdict | None) -> LesionRecord | None:
    """Return a lesion after its verdict; ``None`` if it is no microbleed."""
    if verdict is None or verdict.verdict == lesion.state:
        return lesion
    if verdict.verdict == "rejected":
        return None
    said = f"The reader decided; the program had said {STATE_NAMES[lesion.state]}."
    return lesion.model_copy(
        update={
            "state": verdict.verdict,
            "note": said if lesion.note is None else f"{said} {lesion.note}",
            "found_by_comparing": lesion.found_by_comparing and verdict.verdict == "new",
        }
    )


def _review(
    comparison: Comparison, verdicts: ComparisonVerdicts, comparison_sha256: str, verdicts_sha256: str
) -> ComparisonReview:
    """Describe the reading."""
    proposed = {lesion.id: lesion.state for lesion in comparison.lesions}
    read = [
        ReadLesion(id=v.lesion, verdict=v.verdict, proposed=proposed[v.lesion], at=v.at, note=v.note)
        for v in verdicts.verdicts
    ]
    rejected = sum(lesion.verdict == "rejected" for lesion in read)
    confirmed = sum(lesion.verdict == lesion.proposed for lesion in read)
    return ComparisonReview(
        reader=verdicts.reader,
        started=verdicts.started,
        signed=verdicts.exported,
        comparison_sha256=comparison_sha256,
        verdicts_sha256=verdicts_sha256,
        proposed_aria_h=comparison.aria_h,
        confirmed=confirmed,
        changed=len(read) - rejected - confirmed,
        rejected=rejected,
        unreviewed=sorted(proposed.keys() - {lesion.id for lesion in read}),
        lesions=read,
    )
