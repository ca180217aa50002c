"""The comparison of two visits: what `comparison.json` holds; the table and the page follow from it.

Conventions:
    * Positions are RAS mm, each in the world of its own scan; ``followup_from_baseline`` takes one to the other.
    * ``lesions`` lists every place that counts at one visit at least, or is new all the same: new ones first,
      then stable, no longer seen and outside the other scan's field of view; ids start at 1.
    * A lesion with ``found_by_comparing`` is new and in all counts of new ones, though its score keeps it from
      counting in the follow-up's own result. ``new_by_comparing`` says how many of the new ones are of this kind.
    * ``new_certainty`` counts the new ones by :attr:`LesionRecord.decisive`: possible ones are in the class as
      definite ones are. No reader judges that here, so it follows the search in a signed comparison too.
    * ``counts`` and ``aria_h`` are null where the scans could not be aligned: nothing is matched then.
    * A minor version adds fields, a major version changes or removes them. Files of an earlier minor version are
      read; what they lack has its default.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from microbleeds.errors import InputError, first_fault
from microbleeds.followup.rule import AriaClass, State
from microbleeds.report.record import (
    Certainty,
    Count,
    Counts,
    Group,
    ModelRecord,
    PlaceConfidence,
    RemovedBy,
    ScanRecord,
    Share,
    Side,
    Strict,
    Triple,
)

COMPARISON_SCHEMA: Literal["1.3.0"] = "1.3.0"
Row = tuple[float, float, float, float]


def disclaimer_for(training: str) -> str:
    """Return what must be said of a comparison; ``training`` says what the weights learned from."""
    return f"Research use. Not a medical device, no diagnosis. {training} A reader must look at every new finding."


DISCLAIMER = disclaimer_for("Weights learned from simulated scans.")


class VisitRecord(Strict):
    """One visit as it was searched."""

    name: str = Field(description="Result folder as given.")
    scan: ScanRecord
    model: ModelRecord
    counts: Counts


class RegistrationRecord(Strict):
    """How the scans were aligned."""

    succeeded: bool
    failure: str | None = Field(description="Why the scans could not be aligned.")
    followup_from_baseline: tuple[Row, Row, Row, Row] = Field(
        description="Rigid map from baseline to follow-up RAS mm."
    )
    rotation_deg: float = Field(ge=0)
    error_mm: float = Field(ge=0, description="95th percentile of the distance between two independent results.")
    common_share: Share = Field(description="Share of the brain in the common field of view that both scans hold.")
    likeness: Share = Field(description="How far one scan's fine structure tells the other's.")


class RuleRecord(Strict):
    """The thresholds of the matching."""

    low_cut: Share = Field(description="New only if no candidate there scored this much at baseline.")
    sure_cut: Share | None = Field(
        description="From this score on one that its place ruled out may be new; null where a reader decided what "
        "counts at follow-up."
    )
    tolerance_mm: float = Field(gt=0, description="Largest distance of a match.")
    new_cut: Share | None = Field(
        default=None,
        description="From this score on one that only its score keeps from counting at follow-up may be new; null "
        "where this was not looked for.",
    )
    dark_share: Share | None = Field(
        default=None,
        description="Neither new nor lost if the other scan has this share of the darkness there, candidate or "
        "not; null in files of before this was asked.",
    )
    least_darkness: Share | None = Field(
        default=None,
        description="From this darkness on `dark_share` is asked and a place may be found by comparing.",
    )
    why_no_new_cut: str | None = Field(default=None, description="Why they were not looked for.")


class Sighting(Strict):
    """A place at one visit."""

    finding_id: int | None = Field(description="Id in that visit's findings.json; null without a candidate.")
    counted: bool = Field(description="Whether it counts at that visit.")
    removed_by: RemovedBy | None
    score: Share | None = Field(description="Of the candidate there; null where none reached the search's floor.")
    diameter_mm: float | None = Field(description="Apparent; it depends on the sequence.")
    position_ras_mm: Triple = Field(description="The candidate's, or where the other visit's one comes to lie.")
    darkness: Share | None = Field(
        default=None,
        description="How far the SWI's darkest point there lies below its surroundings; null where it was not "
        "asked, as of places with a candidate at both visits.",
    )
    certainty: Certainty | None = Field(default=None, description="Where it counts or is new; else null.")
    score_spread: Share | None = Field(
        default=None, description="How far its score changes when the image is flipped or shifted, where measured."
    )
    score_note: str | None = Field(default=None, description="Said where the spread is large: it is unsteady.")
    place_confidence: PlaceConfidence | None = Field(
        default=None, description="How far its group can be trusted, as in that visit's findings.json."
    )


class LesionRecord(Strict):
    """One place at both visits."""

    id: int = Field(ge=1)
    state: State
    group: Group
    region: str | None
    side: Side
    baseline: Sighting
    followup: Sighting
    distance_mm: float | None = Field(description="Between both after alignment.")
    note: str | None
    found_by_comparing: bool = Field(
        default=False, description="New, though only its score keeps it from counting at follow-up."
    )

    @property
    def decisive(self) -> Sighting:
        """The sighting that says how sure the lesion is: where it counts, and where it is new without counting."""
        return self.followup if self.followup.counted or not self.baseline.counted else self.baseline

    @property
    def placed(self) -> Sighting:
        """The sighting that names its place."""
        return self.baseline if self.baseline.counted else self.followup


class StateCounts(Strict):
    """Numbers of lesions of one state."""

    total: Count
    lobar: Count
    deep: Count
    infratentorial: Count
    unplaced: Count


class NewCertainty(Strict):
    """How sure the new ones are."""

    definite: Count
    possible: Count
    unsteady: Count = Field(description="Of both, those whose score changes much when the image is flipped.")


class Comparison(Strict):
    """Everything that `comparison.json` says about two visits."""

    schema_version: Literal["1.0.0", "1.1.0", "1.2.0", "1.3.0"] = COMPARISON_SCHEMA
    program_version: str
    disclaimer: str = DISCLAIMER
    baseline: VisitRecord
    followup: VisitRecord
    interval_days: int | None = Field(
        default=None,
        description="From baseline to follow-up, by the dates in headers or sidecars, which are not kept; "
        "negative where the follow-up was acquired first, null where a date is lacking.",
    )
    registration: RegistrationRecord
    rule: RuleRecord
    counts: dict[State, StateCounts] | None
    aria_h: AriaClass | None = Field(description="Class of the number of new microbleeds; no diagnosis.")
    new_by_comparing: Count | None = Field(
        default=None, description="Of the new ones, those found by comparing; null where they were not looked for."
    )
    new_certainty: NewCertainty | None = Field(
        default=None, description="Null as `counts` is, and in files of before this was kept."
    )
    lesions: list[LesionRecord]
    warnings: list[str]

    def of(self, state: State) -> list[LesionRecord]:
        """Return the lesions of one state."""
        return [lesion for lesion in self.lesions if lesion.state == state]


def write_record(comparison: Comparison, path: Path) -> None:
    """Write `comparison.json`."""
    Path(path).write_text(comparison.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_comparison(path: Path) -> Comparison:
    """Read `comparison.json`.

    Raises:
        InputError: if the file can't be read or doesn't follow the schema.
    """
    try:
        return Comparison.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The comparison {path} can't be read; check the path.") from error
    except ValidationError as error:
        raise InputError(
            f"The comparison {path} doesn't follow schema {COMPARISON_SCHEMA} ({first_fault(error)})."
        ) from error


def comparison_schema_json() -> str:
    """Return the JSON Schema of `comparison.json` as text."""
    return json.dumps(Comparison.model_json_schema(), indent=2) + "\n"
