"""What a reader decided about the lesions of two visits, as `comparison.html` exports it; read back strictly.

Conventions:
    * ``comparison_sha256`` is the hash of the `comparison.json` that the page shows; verdicts fit no other.
    * A verdict is what became of a lesion (new, stable ...), or that it is no microbleed (``rejected``).
    * A lesion without a verdict was not judged; it counts as the program proposed.
    * Times are ISO 8601 with a zone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from microbleeds.followup.rule import State
from microbleeds.report.record import Strict
from microbleeds.report.review.verdicts import Name, Note, Sha256, read_export

LesionDecision = State | Literal["rejected"]


class LesionVerdict(Strict):
    """What the reader says about one lesion."""

    lesion: int = Field(ge=1)
    verdict: LesionDecision
    at: AwareDatetime
    note: Note = ""


class ComparisonVerdicts(Strict):
    """The whole of `comparison-verdicts.json`."""

    schema_version: Literal["1.0.0"]
    program_version: str
    comparison_sha256: Sha256
    reader: Name
    started: AwareDatetime
    exported: AwareDatetime
    verdicts: list[LesionVerdict]

    @model_validator(mode="after")
    def _one_each(self) -> ComparisonVerdicts:
        """Refuse two verdicts on one lesion, and times that run backwards."""
        ids = [verdict.lesion for verdict in self.verdicts]
        if len(ids) != len(set(ids)):
            raise ValueError("a lesion has two verdicts")
        if self.exported < self.started:
            raise ValueError("the export lies before the start of the reading")
        return self


def read_comparison_verdicts(path: Path) -> ComparisonVerdicts:
    """Read `comparison-verdicts.json`.

    Raises:
        InputError: if the file can't be read or isn't an export of the comparison's page.
    """
    return read_export(path, ComparisonVerdicts)
