"""What a reader said about a result, in the form in which the DICOM objects state it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from microbleeds.report.record import Finding, Record
from microbleeds.report.review.signed import Review

Verdict = Literal["accepted", "rejected", "uncertain", "added"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Reading:
    """A reader's verdicts; empty if nobody has read the result.

    Args:
        verdicts: id of a finding to what the reader said; ``added`` where the program had found nothing.
        reader: the reader's name as DICOM writes it (``Family^Given``).
        organization: where the reader works; a report is verified by a name, an organization and a verdict on
            every finding that counts.
        signed: when.
    """

    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    reader: str | None = None
    organization: str | None = None
    signed: datetime | None = None

    def verifies(self, record: Record) -> bool:
        """Whether a named reader of a named organization has judged every finding that counts."""
        return bool(self.reader and self.organization) and not self.open_in(record)

    def open_in(self, record: Record) -> list[int]:
        """Return the ids of the findings that count without a verdict."""
        return [finding.id for finding in record.kept if finding.id not in self.verdicts]

    def added(self, finding: Finding) -> bool:
        """Whether the reader marked a finding that the program hadn't."""
        return self.verdicts.get(finding.id) == "added"

    def number(self, verdict: Verdict) -> int:
        """Return how often a verdict was given."""
        return sum(given == verdict for given in self.verdicts.values())


def reading_of(review: Review, organization: str | None = None) -> Reading:
    """Return the reading of a signed result (`review.json`)."""
    return Reading(
        verdicts={finding.id: finding.verdict for finding in review.findings},
        reader=person_name(review.reader),
        organization=organization,
        signed=local_time(review.signed),
    )


def person_name(text: str) -> str:
    """Return a name as DICOM writes it; one that wasn't given in parts is taken as a family name."""
    clean = " ".join("".join(" " if letter in "\\=" else letter for letter in text).split())[:64]
    return clean if "^" in clean else f"{clean[:63]}^"


def local_time(moment: datetime) -> datetime:
    """Return a moment as DICOM writes it: on the local clock, without a zone, in whole seconds."""
    local = moment.astimezone().replace(tzinfo=None) if moment.tzinfo else moment
    return local.replace(microsecond=0)
