"""Figures of runs from their stored candidates, with intervals: thresholds on validation, all else on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from found import Found, exact_to
from microbleeds.errors import InputError
from microbleeds.evaluate import Interval, SubjectResult, bootstrap, froc

READ_AT = (0.25, 0.5, 1.0, 2.0)  # false positives per subject at which the test curve is read
THRESHOLD_AT = 0.5  # false positives per validation subject at which each run gets its threshold
GRID = np.geomspace(0.05, 32, 120)  # false positives per subject of a drawn curve


@dataclass(frozen=True, eq=False)
class RunCurves:
    """One seed of a row: its scans on the test cohort and its threshold.

    Args:
        threshold: chosen on validation scans.
        scans: name of a head to what its scans add.
        facts: of the run.
        exact_to: false positives per subject up to which no candidate is missing among those stored.
    """

    threshold: float
    scans: dict[str, list[SubjectResult]]
    facts: dict[str, Any]
    exact_to: float


@dataclass(frozen=True)
class RowFigures:
    """What the table says of a row, mean over its seeds; intervals by drawing heads and runs.

    Args:
        seeds: number of runs.
        sensitivity: at the threshold.
        false_positives: per subject at the threshold.
        in_negatives: the same in subjects without a visible microbleed.
        sensitivity_at: false positives per subject to sensitivity of the test curve.
        spread: standard deviation of the sensitivity at the threshold over seeds, 0 for one.
        curve: sensitivity over :data:`GRID`.
        exact_to: false positives per subject to which that is exact.
    """

    seeds: int
    sensitivity: Interval
    false_positives: Interval
    in_negatives: Interval
    sensitivity_at: dict[float, Interval]
    spread: float
    curve: tuple[float, ...]
    exact_to: float


def run_curves(validation: Found, test: Found, by_place: bool) -> RunCurves:
    """Choose the threshold of a run on validation scans and collect its test scans by head.

    Raises:
        InputError: if the two results are of different weights, or too few candidates of a run that makes many
            false positives are stored for what is read.
    """
    if validation.facts["weights_sha256"] != test.facts["weights_sha256"]:
        raise InputError(
            f"The results of {test.facts['row']} seed {test.facts['seed']} are of different weights; score again."
        )
    exact = exact_to(test, by_place)
    for reach, most in ((exact_to(validation, by_place), THRESHOLD_AT), (exact, READ_AT[-1])):
        if reach < most:
            raise InputError(
                f"The stored candidates of {test.facts['row']} seed {test.facts['seed']} end below {most:g} "
                "false positives per subject; store more of each scan (found.py) and score again."
            )
    curve = froc([scan.result(by_place) for scan in validation.scans])
    scans: dict[str, list[SubjectResult]] = {}
    for scan in test.scans:
        scans.setdefault(scan.head, []).append(scan.result(by_place))
    threshold = curve.threshold_at(THRESHOLD_AT)
    return RunCurves(threshold, scans, test.facts, exact)


def row_figures(runs: Sequence[RunCurves], repeats: int = 2000) -> RowFigures:
    """Return the figures of a row from its runs, which must have searched the same scans.

    Raises:
        InputError: if they did not.
    """
    heads = list(runs[0].scans)
    if any(list(run.scans) != heads for run in runs):
        raise InputError("The runs of a row searched different scans; score all of them on the same cohort.")

    generator = np.random.default_rng(0)

    def statistic(drawn: Sequence[str]) -> NDArray[np.float64]:
        # The heads as they are get all runs; each draw of heads goes with one of runs, which vary by chance too.
        chosen = runs if drawn is heads else [runs[i] for i in generator.integers(0, len(runs), len(runs))]
        return np.mean([_figures(run, drawn) for run in chosen], axis=0)

    figures = bootstrap(heads, statistic, repeats=repeats)
    alone = [_figures(run, heads) for run in runs]
    curves = [froc(_results(run, heads)).sensitivity_at(GRID) for run in runs]
    return RowFigures(
        seeds=len(runs),
        sensitivity=figures[0],
        false_positives=figures[1],
        in_negatives=figures[2],
        sensitivity_at=dict(zip(READ_AT, figures[3:], strict=True)),
        spread=float(np.std([values[0] for values in alone], ddof=1)) if len(runs) > 1 else 0.0,
        curve=tuple(float(v) for v in np.mean(curves, axis=0)),
        exact_to=min(run.exact_to for run in runs),
    )


def _results(run: RunCurves, heads: Sequence[str]) -> list[SubjectResult]:
    """Return the results of all scans of some heads; a head drawn twice counts twice."""
    return [result for head in heads for result in run.scans[head]]


def _figures(run: RunCurves, heads: Sequence[str]) -> NDArray[np.float64]:
    """Return sensitivity, false positives, those in negatives, and the curve at :data:`READ_AT`."""
    results = _results(run, heads)
    passed = [(r, r.scores >= run.threshold) for r in results]
    hits = sum(int((r.hit & p).sum()) for r, p in passed)
    false = np.array([int((~r.hit & p).sum()) for r, p in passed])
    negative = np.array([r.truth_count == 0 for r in results])
    truths = sum(r.truth_count for r in results)
    sensitivity = hits / truths if truths else np.nan
    in_negatives = false[negative].mean() if negative.any() else np.nan
    return np.array([sensitivity, false.mean(), in_negatives, *froc(results).sensitivity_at(READ_AT)])
