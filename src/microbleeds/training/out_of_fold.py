"""What the weights of a fold find in the subjects that they have not seen, and all folds pooled.

A scan's microbleeds count as in docs/scoring.md; candidates are those of the network, before the anatomical rule.
Scores are calibrated by each fold's own card, so that those of different folds mean the same, and each fold has
its own thresholds. Intervals are over subjects: scans of one subject are drawn together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds.atomic import atomic_file
from microbleeds.compute import Compute
from microbleeds.detect import settings_for
from microbleeds.evaluate import (
    REPORTED_FALSE_POSITIVES,
    Interval,
    SubjectResult,
    bootstrap,
    froc,
    subject_result,
)
from microbleeds.evaluate.intervals import of_rate, of_share
from microbleeds.training.scoring import score_subject
from microbleeds.training.subjects import TrainingSubject
from microbleeds.weights.card import OperatingPoints
from microbleeds.weights.store import LoadedDetector

POINTS = ("balanced", "screening")


@dataclass(frozen=True, eq=False)
class ScoredScan:
    """A scan and what was found in it by weights that have not seen its subject.

    Args:
        name: of the scan.
        group: its subject or head.
        fold: whose weights searched it.
        found: [N, 4] RAS mm and calibrated score of the candidates.
        bleeds_mm: [M, 3] RAS mm.
        ignored_mm: [I, 3] RAS mm.
        points: thresholds of the weights, for a scan with phase or without as this one is.
    """

    name: str
    group: str
    fold: int
    found: NDArray[np.float64]
    bleeds_mm: NDArray[np.float64]
    ignored_mm: NDArray[np.float64]
    points: OperatingPoints

    def result(self, threshold: float = -np.inf) -> SubjectResult:
        """Candidates from a score on, matched with the truth."""
        found = self.found[self.found[:, 3] >= threshold]
        return subject_result(self.name, found[:, :3], found[:, 3], self.bleeds_mm, self.ignored_mm)


def search(
    subjects: Sequence[TrainingSubject],
    groups: Sequence[str],
    fold: int,
    detector: LoadedDetector,
    compute: Compute,
) -> list[ScoredScan]:
    """Search the subjects of a fold with the weights of the others."""
    scans = []
    for subject, group in zip(subjects, groups, strict=True):
        with_phase = subject.has_phase
        settings = settings_for(detector.card, with_phase=with_phase)
        scored = score_subject(subject, detector.model, settings, compute)
        found = np.column_stack([scored.positions_mm, scored.scores])
        bleeds, ignored = subject.grid.to_mm(subject.bleeds), subject.grid.to_mm(subject.ignored)
        points = detector.card.scoring(with_phase=with_phase).operating_points
        scans.append(ScoredScan(subject.name, group, fold, found, bleeds, ignored, points))
    return scans


def write_scans(path: Path, scans: Sequence[ScoredScan], weights_sha256: str) -> None:
    """Keep the findings of a fold, which has one scan at least."""
    rows = [
        {
            "name": scan.name,
            "group": scan.group,
            "operating_points": scan.points.model_dump(),
            # Of scores the digits that count are kept: thresholds may be below 0.001.
            "found": [[*np.round(row[:3], 4).tolist(), float(f"{row[3]:.6g}")] for row in scan.found],
            "bleeds_mm": np.round(scan.bleeds_mm, 3).tolist(),
            "ignored_mm": np.round(scan.ignored_mm, 3).tolist(),
        }
        for scan in scans
    ]
    content = {"fold": scans[0].fold, "weights_sha256": weights_sha256, "scans": rows}
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content) + "\n", encoding="utf-8")


def read_scans(path: Path) -> list[ScoredScan]:
    """Read what :func:`write_scans` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))

    def array(row: dict, name: str, width: int) -> NDArray[np.float64]:
        return np.asarray(row[name], dtype=np.float64).reshape(-1, width)

    return [
        ScoredScan(
            row["name"],
            row["group"],
            content["fold"],
            array(row, "found", 4),
            array(row, "bleeds_mm", 3),
            array(row, "ignored_mm", 3),
            # Files of package versions that knew no others without phase have them once.
            OperatingPoints(**row.get("operating_points") or content["operating_points"]),
        )
        for row in content["scans"]
    ]


@dataclass(frozen=True)
class PooledScores:
    """Scores of some scans, each with its interval over subjects.

    Args:
        subjects: subjects or heads.
        scans: of them.
        microbleeds: that count.
        sensitivity_at: false positives per scan to sensitivity.
        mean_sensitivity: of these.
        operating: operating point to its sensitivity, false positives per scan, and the same of the scans without
            microbleeds.
        curve: the FROC curve: threshold, sensitivity, false positives per scan.
    """

    subjects: int
    scans: int
    microbleeds: int
    sensitivity_at: dict[str, Interval]
    mean_sensitivity: Interval
    operating: dict[str, dict[str, Interval]]
    curve: dict[str, list[float | None]]

    def to_dict(self) -> dict:
        """Plain lists, dicts and numbers for JSON."""
        return asdict(self)


def pooled(scans: Sequence[ScoredScan], repeats: int = 2000, seed: int = 0) -> PooledScores:
    """Pool scans of all folds.

    Args:
        scans: each searched by weights that have not seen its subject.
        repeats: bootstrap draws over subjects.
        seed: of the bootstrap.
    """
    groups: dict[str, list[_Outcome]] = {}
    for scan in scans:
        groups.setdefault(scan.group, []).append(_outcome(scan))
    intervals = bootstrap(list(groups.values()), _statistics, repeats=repeats, seed=seed)
    at = len(REPORTED_FALSE_POSITIVES)
    curve = froc([outcome.curve for group in groups.values() for outcome in group])
    names = ("sensitivity", "false_positives_per_scan", "false_positives_per_scan_without")
    bleeds, without = sum(len(scan.bleeds_mm) for scan in scans), sum(not len(scan.bleeds_mm) for scan in scans)
    operating = {}
    for n, point in enumerate(POINTS):
        found, false, in_negatives = intervals[at + 1 + 3 * n : at + 4 + 3 * n]
        bounded = (of_share(found, bleeds), of_rate(false, len(scans)), of_rate(in_negatives, without))
        operating[point] = dict(zip(names, bounded, strict=True))
    columns = {"threshold": curve.thresholds, "sensitivity": curve.sensitivity, "fp": curve.false_positives}
    return PooledScores(
        subjects=len(groups),
        scans=len(scans),
        microbleeds=bleeds,
        sensitivity_at={
            f"{x:g}": of_share(value, bleeds)
            for x, value in zip(REPORTED_FALSE_POSITIVES, intervals, strict=False)
        },
        mean_sensitivity=of_share(intervals[at], bleeds),
        operating=operating,
        curve={n: [float(x) if np.isfinite(x) else None for x in values] for n, values in columns.items()},
    )


@dataclass(frozen=True, eq=False)
class _Outcome:
    """A scan's curve, and [points, 2] hits and false positives at its operating points."""

    curve: SubjectResult
    counts: NDArray[np.int64]


def _outcome(scan: ScoredScan) -> _Outcome:
    counts = []
    for point in POINTS:
        hit = scan.result(getattr(scan.points, point)).hit
        counts.append([int(hit.sum()), int((~hit).sum())])
    return _Outcome(scan.result(), np.array(counts))


def _statistics(groups: Sequence[Sequence[_Outcome]]) -> NDArray[np.float64]:
    """The curve's figures, then three of each operating point; NaN where undefined."""
    outcomes = [outcome for group in groups for outcome in group]
    curve = froc([outcome.curve for outcome in outcomes])
    counts = np.array([outcome.counts for outcome in outcomes]).reshape(-1, len(POINTS), 2)
    truths = np.array([outcome.curve.truth_count for outcome in outcomes])
    without = truths == 0
    figures = [*curve.sensitivity_at(REPORTED_FALSE_POSITIVES), curve.mean_sensitivity]
    for n in range(len(POINTS)):
        hits, wrong = counts[:, n, 0], counts[:, n, 1]
        figures += [
            _ratio(hits.sum(), truths.sum()),
            _ratio(wrong.sum(), len(outcomes)),
            _ratio(wrong[without].sum(), without.sum()),
        ]
    return np.array(figures)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")
