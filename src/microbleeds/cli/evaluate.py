"""`microbleeds evaluate`: score findings of this or another program against the truth."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microbleeds.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from microbleeds.evaluate import Interval, PlacementScores, Scores


def evaluate(
    findings: Annotated[
        Path, typer.Argument(help="findings.json, a point list, a mask, or a folder with sub-* of these.")
    ],
    truth: Annotated[Path, typer.Argument(help="Truth table or mask, or a data set with derivatives/truth.")],
    out: Annotated[Path | None, typer.Option(help="Write all scores to this JSON file.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Operating point: score from here on; else what was kept.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Bootstrap draws over subjects.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Score findings on one scan or a data set, with 95 % intervals over subjects."""
    from rich.console import Console
    from rich.markup import escape

    from microbleeds.atomic import atomic_file
    from microbleeds.evaluate import evaluate_cohort, read_cases

    if threshold is not None and not math.isfinite(threshold):
        raise InputError(f"The threshold is {threshold}; give a score.")
    scores = evaluate_cohort(read_cases(findings, truth), threshold=threshold, repeats=repeats, seed=seed)
    if out is not None:
        with atomic_file(out) as partial:
            partial.write_text(json.dumps(scores.to_dict(), indent=2) + "\n", encoding="utf-8")
    console = Console()
    console.print(
        f"{_population(scores)}, {scores.negative_subjects} of them without microbleeds; "
        f"{scores.microbleeds} microbleeds count, {scores.ignored_microbleeds} are not visible and ignored. "
        f"Operating point: {scores.operating_point}."
    )
    console.print(_table(scores))
    console.print(_strata(scores))
    if scores.placement is not None:
        console.print(_placement(scores.placement))
        console.print(_confusion(scores.placement))
    removed = scores.removed_by_place
    console.print(
        f"Removed by place: {removed.candidates} candidates; {removed.false_positives_removed} false positives, "
        f"{removed.bleeds_lost} microbleeds lost."
    )
    for name, kinds in (("False positives", scores.false_positive_kinds), ("Ignored", scores.ignored_kinds)):
        if kinds:
            console.print(f"{name} on: " + ", ".join(f"{escape(k)} {number}" for k, number in kinds.items()))


def _population(scores: Scores) -> str:
    """Say how many subjects there are, and scans where some have several."""
    subjects = f"{scores.subjects} subjects"
    return subjects if scores.scans == scores.subjects else f"{scores.scans} scans of {subjects}"


def _table(scores: Scores) -> Table:
    """Show the scores at each hit radius."""
    from rich.table import Table

    table = Table("", *(f"hit within {radius.radius_mm:g} mm" for radius in scores.radii))
    unit = "subject" if scores.scans == scores.subjects else "scan"
    names = {
        "sensitivity": "sensitivity",
        "precision": "precision",
        "f1": "F1",
        "false_positives_per_subject": f"false positives per {unit}",
        "false_positives_per_negative_subject": f"false positives per negative {unit}",
    }
    for field, name in names.items():
        table.add_row(name, *(_interval(getattr(radius.operating, field)) for radius in scores.radii))
    for number in scores.radii[0].sensitivity_at:
        row = (_interval(radius.sensitivity_at[number]) for radius in scores.radii)
        table.add_row(f"sensitivity at {number} false positives", *row)
    table.add_row("mean of these", *(_interval(radius.mean_sensitivity) for radius in scores.radii))
    return table


def _strata(scores: Scores) -> Table:
    """Show what was found by group, size and contrast; names come from people's tables."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("by", "", "found", "of")
    for kind, strata in scores.strata.items():
        for stratum in strata:
            if stratum.total and kind != "region":
                table.add_row(kind, escape(stratum.name), str(stratum.found), str(stratum.total))
    return table


def _placement(placement: PlacementScores) -> Table:
    """Show how often found microbleeds got the right place."""
    from rich.table import Table

    table = Table("place of the hits", "of", "right group", "right MARS region and side")
    table.add_row(
        "all", str(placement.compared), _interval(placement.right_group), _interval(placement.right_region)
    )
    for group in placement.by_group:
        shares = (_interval(group.right_group), _interval(group.right_region))
        table.add_row(group.group, str(group.compared), *shares)
    for name, share in placement.by_scale.items():
        if name != "MARS" and share.value is not None:
            table.add_row(f"all, groups of {name}", "", _interval(share), "")
    return table


def _confusion(placement: PlacementScores) -> Table:
    """Show true groups in rows and predicted ones in columns."""
    from rich.table import Table

    table = Table("true group", *(f"placed {name}" for name in placement.predicted_groups))
    for name, row in zip(placement.true_groups, placement.confusion, strict=True):
        table.add_row(name, *map(str, row))
    return table


def _interval(interval: Interval) -> str:
    """Write a value with its interval."""
    if interval.value is None:
        return "n/a"
    if interval.low is None or interval.high is None:
        return f"{interval.value:.2f}"
    return f"{interval.value:.2f} ({interval.low:.2f}-{interval.high:.2f})"
