"""Choices where the paper is silent: one thing changed in each row, and the table of what was found."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from choices import REFERENCE, WHOLE, markdown
from cohort import HERE
from found import FALSE, Found, FoundScan, write_found
from microbleeds.errors import InputError
from rows import read_plan

PLAN = HERE / "choices.json"


def test_each_row_changes_one_thing_of_its_reference() -> None:
    plan, ablation = read_plan(PLAN), read_plan()
    without = {"min-max": "augment-0"}  # augmentation asks for the usual brightness
    for row in plan.rows:
        preset = plan.preset_of(row)
        reference = ablation.preset_of(ablation.row(REFERENCE if row.variant == "proposal" else WHOLE))
        changed = [
            section.name
            for section in fields(preset)
            if section.name != "name" and getattr(preset, section.name) != getattr(reference, section.name)
        ]
        assert sorted(changed) == sorted([*row.settings, *(["steps"] if row.steps else [])]), row.name
        shared = plan.row(without[row.name]).settings if row.name in without else {}
        assert all(row.settings[section] == settings for section, settings in shared.items())
        assert len(changed) - len(shared) == 1, row.name


def stored(path: Path, outcomes: list[int]) -> None:
    """Write what a run found on one scan of four microbleeds, surest first."""
    scores, places = np.linspace(0.9, 0.5, len(outcomes)), np.array(outcomes)
    path.parent.mkdir(parents=True, exist_ok=True)
    scan = FoundScan("a", "a", 4, np.zeros((len(outcomes), 3)), scores, places, places)
    write_found(path, Found({"row": "r"}, (scan,)))


def test_the_table_by_hand(tmp_path: Path) -> None:
    row = read_plan(PLAN).rows[0]
    with pytest.raises(InputError, match="no results of choices"):
        markdown(read_plan(PLAN), tmp_path)
    stored(tmp_path / "ablation" / f"{REFERENCE}-seed0-validation.json", [0, 1, 2, FALSE, 3])
    stored(tmp_path / "ablation" / f"{REFERENCE}-seed1-validation.json", [0, 1, FALSE, 2, FALSE, 3])
    stored(tmp_path / "choices" / f"{row.name}-seed0-validation.json", [0, FALSE, 1, FALSE, 2])
    *_, reference, changed = markdown(read_plan(PLAN), tmp_path)
    assert reference == "| nothing | 2 | 75, 50 % | 75, 50 % | 100, 75 % |"
    assert changed == f"| {row.label} | 1 | 25 % | 25 % | 50 % |"
