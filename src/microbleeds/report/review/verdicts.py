"""What a reader decided, as `review.html` exports it: `verdicts.json`, read back strictly.

Conventions:
    * ``findings_sha256`` is the hash of the `findings.json` that the page was made from; verdicts fit no other.
    * A finding without a verdict was not judged; it counts as the model proposed.
    * A finding without a place here lies where the model placed it.
    * ``unaided`` marks places that the reader had marked before the model's findings were shown; the verdict may
      be a later one.
    * Times are ISO 8601 with a zone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, ValidationError, model_validator

from microbleeds.errors import InputError, first_fault
from microbleeds.regions import REGIONS
from microbleeds.report.record import Certainty, Side, Strict, Triple

#: Far above what a reader can mark; a larger file is no export of the page.
MOST_BYTES = 5_000_000

Export = TypeVar("Export", bound=BaseModel)
Decision = Literal["accepted", "rejected", "uncertain"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
_SIDES = {(region.name, region.side) for region in REGIONS.values() if region.group != "none"}


class Unaided(Strict):
    """A first reading with the model's findings hidden."""

    started: AwareDatetime
    ended: AwareDatetime


class Verdict(Strict):
    """What the reader says about one of the model's candidates."""

    finding: int = Field(ge=1)
    verdict: Decision
    at: AwareDatetime
    unaided: bool = Field(description="The reader had marked this place before the findings were shown.")
    note: Note = ""


class _Placed(Strict):
    """A place as a reader gives it."""

    region: str | None = Field(description="Fine region, null where unknown.")
    side: Side

    @model_validator(mode="after")
    def _known_place(self) -> _Placed:
        """Refuse a region that doesn't exist; a known region of the parenchyma has a side."""
        if self.region is not None and (self.region, self.side) not in _SIDES:
            raise ValueError(f"there is no region {self.region!r} on side {self.side!r}")
        return self


class Placement(_Placed):
    """Where the reader says that one of the model's candidates lies: the model's place confirmed, or another."""

    finding: int = Field(ge=1)
    at: AwareDatetime


class Addition(_Placed):
    """A microbleed that the reader marked and the model did not find."""

    position_ras_mm: Triple
    certainty: Certainty
    diameter_mm: Annotated[float, Field(gt=0, le=30)] | None
    at: AwareDatetime
    unaided: bool
    note: Note = ""


class Verdicts(Strict):
    """The whole of `verdicts.json`; version 1.0.0 knew no ``places``."""

    schema_version: Literal["1.0.0", "1.1.0"]
    program_version: str
    findings_sha256: Sha256
    reader: Name
    started: AwareDatetime
    exported: AwareDatetime
    unaided: Unaided | None
    verdicts: list[Verdict]
    places: list[Placement] = Field(default_factory=list)
    added: list[Addition]

    @model_validator(mode="after")
    def _one_each(self) -> Verdicts:
        """Refuse two verdicts on one finding, two places of one, one added twice, and times that run backwards."""
        for name, given in (("verdicts", self.verdicts), ("places", self.places)):
            ids = [one.finding for one in given]
            if len(ids) != len(set(ids)):
                raise ValueError(f"a finding has two {name}")
        if len({one.position_ras_mm for one in self.added}) != len(self.added):
            raise ValueError("two added microbleeds lie at the same place")
        if self.exported < self.started:
            raise ValueError("the export lies before the start of the reading")
        return self


def read_verdicts(path: Path) -> Verdicts:
    """Read `verdicts.json`.

    Raises:
        InputError: if the file can't be read or isn't an export of the review page.
    """
    return read_export(path, Verdicts)


def read_export(path: Path, model: type[Export]) -> Export:
    """Read what a page of ours exported.

    Args:
        path: the file.
        model: what it must follow.

    Raises:
        InputError: if the file can't be read or isn't an export of that page.
    """
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise InputError(f"The verdicts {path} are larger than any export of a page; check the path.")
        return model.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The verdicts {path} can't be read; check the path.") from error
    except ValidationError as error:
        _refuse_other_files(path, model)
        raise InputError(
            f"The verdicts {path} are no export of the page that was read ({first_fault(error)}); export them"
            " there again."
        ) from error


def _refuse_other_files(path: Path, model: type[BaseModel]) -> None:
    """Say what to do with a record in place of verdicts, and with verdicts on something else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return
    if not isinstance(content, dict):
        return
    if {"counts", "warnings"} <= content.keys():
        raise InputError(
            f"{path} holds what was found, not a reader's verdicts; open the page beside it (review.html, of two "
            "visits comparison.html), judge there, and give what its button Export verdicts saves."
        )
    for bound, other in (("findings_sha256", "one result"), ("comparison_sha256", "a comparison of two visits")):
        if bound in content and bound not in model.model_fields:
            raise InputError(f"The verdicts {path} are those on {other}; give the folder that they belong to.")
