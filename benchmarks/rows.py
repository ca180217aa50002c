"""Rows of the ablation as data: what `ablation.json` says, and the preset that a row trains with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

from cohort import HERE
from microbleeds.errors import InputError
from microbleeds.networks.config import VARIANTS, Variant
from microbleeds.prepare import PreparationSpec
from microbleeds.training.presets import Preset, find_preset

Input = Literal["swi+phase", "swi", "magnitude"]
INPUTS: tuple[Input, ...] = ("swi+phase", "swi", "magnitude")
DETECTOR = "detector"
METHODS = (DETECTOR, "dynunet", "retinanet", "radial")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        name: on the command line and in file names.
        label: in the table.
        method: the package's detector or a peer.
        variant: parts of the detector that are switched on.
        input: images that are read, in training and in scoring.
        weights_of: row whose runs are scored, where this one needs no training of its own.
        by_place: whether candidates are removed where no microbleed can be.
        only: column of participants.tsv to the one value that training scans must have.
        heads: learn from the first so many heads alone.
        scans_per_head: learn from the first so many scans of each head alone.
        settings: section of the preset (``losses``, ``sampling``, ...) to what differs in it.
        steps: of its runs, where they are not as many as the plan says.
    """

    name: str
    label: str
    method: str = DETECTOR
    variant: Variant = "+prototypes"
    input: Input = "swi+phase"
    weights_of: str | None = None
    by_place: bool = False
    only: dict[str, str] = field(default_factory=dict)
    heads: int | None = None
    scans_per_head: int | None = None
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: int | None = None

    @property
    def less_data(self) -> dict[str, object]:
        """Which of the training scans it learns from, empty where from all."""
        limits = {"only": self.only, "heads": self.heads, "scans_per_head": self.scans_per_head}
        return {name: limit for name, limit in limits.items() if limit}

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"The row {self.name!r} names the method {self.method!r}; use one of {METHODS}.")
        if self.variant not in VARIANTS:
            raise InputError(f"The row {self.name!r} names the variant {self.variant!r}; use one of {VARIANTS}.")
        if self.input not in INPUTS:
            raise InputError(f"The row {self.name!r} reads {self.input!r}; use one of {INPUTS}.")


@dataclass(frozen=True)
class Plan:
    """All rows and what they share.

    Args:
        about: what the rows have in common, in words.
        preset: name of the preset that rows differ from.
        steps: of each run.
        shared: fields of the preset that differ in all rows.
        rows: in the order of the table.
        shared_settings: as a row's settings, for all rows; a row's own come after them.
    """

    about: str
    preset: str
    steps: int
    shared: dict[str, Any]
    rows: tuple[Row, ...]
    shared_settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def row(self, name: str) -> Row:
        """Return a row by name.

        Raises:
            InputError: if there is none of this name.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise InputError(f"There is no row {name!r}; choose one of {', '.join(row.name for row in self.rows)}.")

    def preset_of(self, row: Row, steps: int | None = None) -> Preset:
        """Return the settings that a row is trained with.

        Raises:
            InputError: if the row names a section or a setting that does not exist.
        """
        preset = replace(
            find_preset(self.preset), steps=steps or row.steps or self.steps, validate_every=0, **self.shared
        )
        for settings in (self.shared_settings, row.settings):
            preset = _changed(preset, settings, row.name)
        return replace(preset, name=row.name, architecture=preset.architecture.variant(row.variant))


def _changed(preset: Preset, settings: dict[str, dict[str, Any]], row: str) -> Preset:
    """Return a preset with some of its sections changed.

    Raises:
        InputError: if a section or a setting does not exist.
    """
    for section, changes in settings.items():
        if section not in {f.name for f in fields(Preset)}:
            raise InputError(f"The row {row!r} changes {section!r}, which no preset has.")
        try:
            preset = replace(preset, **{section: _with(getattr(preset, section), changes)})
        except (TypeError, ValueError) as error:
            raise InputError(f"The row {row!r} can't change {section!r}: {error}.") from error
    return preset


def _with(section: Any, changes: dict[str, Any]) -> Any:
    """Return a section with some of its settings changed."""
    if isinstance(section, PreparationSpec):  # a model, which checks what it is given
        return PreparationSpec(**{**section.model_dump(), **changes})
    return replace(section, **changes)


PLAN = HERE / "ablation.json"


def read_plan(path: Path = PLAN) -> Plan:
    """Read the rows."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Plan(**{**content, "rows": tuple(Row(**cast("dict[str, Any]", row)) for row in content["rows"])})
