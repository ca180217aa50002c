"""The table of the ablation from stored results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort import Cohort
from figures import GRID, READ_AT, THRESHOLD_AT, RowFigures, RunCurves, row_figures, run_curves
from found import read_found
from froc_picture import LOWEST_DRAWN, Line
from interval_text import number_text, percent_text
from microbleeds.errors import InputError
from rows import Plan, Row

VALIDATION = "validation"


@dataclass(frozen=True, eq=False)
class TableRow:
    """A row with its figures, the runs behind them, and how long their second stage learned (0 without one)."""

    row: Row
    runs: tuple[RunCurves, ...]
    figures: RowFigures
    second_stage_steps: int


def rows_with_figures(plan: Plan, results: Path, cohort: str, repeats: int) -> list[TableRow]:
    """Read the rows that have results on the cohort and on validation.

    Raises:
        InputError: if there is none.
    """
    read = []
    for row in plan.rows:
        source = row.weights_of or row.name
        runs = []
        for path in sorted(results.glob(f"{source}-seed*-{cohort}.json")):
            seed = re.fullmatch(rf"{re.escape(source)}-seed(\d+)-{re.escape(cohort)}\.json", path.name)
            chosen_on = path.with_name(path.name.removesuffix(f"{cohort}.json") + f"{VALIDATION}.json")
            if seed and chosen_on.exists():
                runs.append(run_curves(read_found(chosen_on), read_found(path), row.by_place))
        if runs:
            preset = plan.preset_of(row)
            second = preset.refinement.steps if preset.refines else 0
            read.append(TableRow(row, tuple(runs), row_figures(runs, repeats), second))
    if not read:
        raise InputError(f"{results} holds no result on {cohort} with one on {VALIDATION} beside it; score first.")
    return read


def curve_lines(read: Sequence[TableRow]) -> list[Line]:
    """Return the drawn curve of each row, from where it leaves zero."""
    lines = []
    for entry in read:
        if entry.row.less_data:
            continue  # a learning curve is read in the table; here it would hide the rest
        figures = entry.figures
        drawn = [(x, y) for x, y in zip(GRID, figures.curve, strict=True) if y > 0 and x <= figures.exact_to]
        if not drawn:
            continue  # found nothing at all
        point = (figures.false_positives.value or 0.0, figures.sensitivity.value or 0.0)
        xs, ys = [x for x, _ in drawn], [y for _, y in drawn]
        lines.append(Line(entry.row.label, xs, ys, point))
    return lines


def markdown(read: Sequence[TableRow], cohort: Cohort, picture: str) -> list[str]:
    """Return the table as lines of Markdown."""
    searched = [
        [result for scans in run.scans.values() for result in scans] for entry in read for run in entry.runs
    ]
    truths = _range(sorted({sum(result.truth_count for result in results) for results in searched}))
    negatives = _range(sorted({sum(not result.truth_count for result in results) for results in searched}))
    heads = len(read[0].runs[0].scans)
    return [
        f"Cohort `{cohort.name}`: {len(searched[0])} simulated scans of {heads} heads, {negatives} of them "
        f"without a visible microbleed, {truths} visible microbleeds; heads and seeds never used in training. "
        f"Each run's threshold reaches the best sensitivity at {THRESHOLD_AT:g} false positive per "
        "subject on the cohort `validation`. Means over seeds; 95 % intervals, drawn over heads and runs, in "
        "brackets.",
        "",
        "| method | seeds | training scans | sensitivity | false positives per subject | in subjects without | "
        + " | ".join(f"sensitivity at {x:g} FP" for x in READ_AT)
        + " | parameters |",
        "|" + "---|" * (7 + len(READ_AT)),
        *(_row(entry) for entry in read),
        "",
        f"![FROC curves above {LOWEST_DRAWN:.0%}; dots are the thresholds chosen on validation scans]({picture})",
        "",
        _budget(read),
    ]


def _row(entry: TableRow) -> str:
    """Return a row of the table."""
    figures, runs = entry.figures, entry.runs
    cells = [
        entry.row.label,
        str(figures.seeds),
        str(runs[0].facts["training_scans"]),
        percent_text(figures.sensitivity)
        + (f" ±{100 * figures.spread:.1f} over seeds" if figures.seeds > 1 else ""),
        number_text(figures.false_positives, 2),
        number_text(figures.in_negatives, 2),
        *(percent_text(figures.sensitivity_at[x]) for x in READ_AT),
        f"{int(str(runs[0].facts['parameters'])) / 1e6:.2f} M",
    ]
    return f"| {' | '.join(cells)} |"


def _budget(read: Sequence[TableRow]) -> str:
    """Say what each row learned from."""
    facts = [run.facts for entry in read for run in entry.runs]
    steps = sorted({int(str(f["steps"])) for f in facts})
    scans = sorted({int(str(f["training_scans"])) for f in facts})
    commits = ", ".join(sorted({str(f["commit"]) for f in facts}))
    some_wide = any(entry.row.settings.get("sampling", {}).get("share_wide") for entry in read)
    wide = " (with wide crops too: half of the steps see one crop of twice as many voxels)" if some_wide else ""
    return (
        f"Each learned from {_range(scans)} scans in {_range(steps)} steps of 4 crops{wide}, the same crops for "
        f"the same seed but for those mined by each method's own errors.{_second_stages(read)} "
        f"Searched at commit {commits}. "
        f"{_machines(facts)}Remake: `python benchmarks/ablation.py table --cohort COHORT`."
    )


def _second_stages(read: Sequence[TableRow]) -> str:
    """Say how long second stages learned, which comes on top."""
    steps = sorted({entry.second_stage_steps for entry in read} - {0})
    return f" A second stage learned in {_range(steps)} steps more, of small patches." if steps else ""


def _machines(facts: Sequence[dict[str, Any]]) -> str:
    """Say what simulated and searched the scans, where rows differ: then they hardly saw the same ones."""
    rows: dict[str, list[str]] = {}
    for fact in facts:
        machine = f"{fact['hardware']['processor']} in {fact['compute'].split(', ')[1]}"
        rows.setdefault(machine, []).append(str(fact["row"]))
    usual = max(rows, key=lambda machine: len(rows[machine]))
    others = [f"{', '.join(dict.fromkeys(names))} on {m}" for m, names in sorted(rows.items()) if m != usual]
    if not others:
        return ""
    return (
        f"Trained and searched on {usual}; {'; '.join(others)}, where the scans of the same seeds differ in "
        "rounding. "
    )


def _range(values: Sequence[int]) -> str:
    """Return one number, or from the smallest to the largest."""
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"
