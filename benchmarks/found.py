"""What a run found on a cohort, stored so that tables and pictures need no network.

A file holds each scan's candidates, surest first, as rows of :data:`COLUMNS`. ``truth`` is the index of the
matched visible microbleed, :data:`FALSE` or :data:`IGNORED` where every candidate in the brain counts; ``placed``
the same after candidates were removed by their place, :data:`REMOVED` for those.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microbleeds.atomic import atomic_file
from microbleeds.evaluate import SubjectResult, Truth, match

COLUMNS = ("x_mm", "y_mm", "z_mm", "score", "truth", "placed")
FALSE, IGNORED, REMOVED = -1, -2, -3
MOST_FALSE = 60  # stored of a scan at least: curves are read up to a few tens of false positives


@dataclass(frozen=True, eq=False)
class FoundScan:
    """Candidates of one scan.

    Args:
        name: unique in the cohort.
        head: scans of one head are drawn together in a bootstrap.
        truths: number of visible microbleeds.
        positions_mm: [N, 3] RAS mm.
        scores: [N] falling.
        truth: [N] as in the module's head.
        placed: [N] likewise.
    """

    name: str
    head: str
    truths: int
    positions_mm: NDArray[np.float64]
    scores: NDArray[np.float64]
    truth: NDArray[np.int64]
    placed: NDArray[np.int64]

    def result(self, by_place: bool) -> SubjectResult:
        """Return what the scan adds to a curve."""
        outcome = self.placed if by_place else self.truth
        counted = outcome > IGNORED
        return SubjectResult(self.name, self.scores[counted], outcome[counted] >= 0, self.truths)


@dataclass(frozen=True, eq=False)
class Found:
    """What one run found on a cohort, and the facts of run and cohort."""

    facts: dict[str, Any]
    scans: tuple[FoundScan, ...]


def surest(
    positions_mm: NDArray[np.float64], scores: NDArray[np.float64], spots: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the candidates [N] that are stored, surest first; room for ``spots`` that are no false positives."""
    order = np.argsort(-scores, kind="stable")[: MOST_FALSE + spots]
    return positions_mm[order], scores[order]


def exact_to(found: Found, by_place: bool) -> float:
    """Return the false positives per subject to which a curve of the stored candidates is exact.

    A scan with as many candidates as are stored may have had further ones, below its last.
    """
    full = [scan for scan in found.scans if len(scan.scores) >= MOST_FALSE + scan.truths]
    if not full:
        return np.inf
    cut = max(scan.scores[-1] for scan in full)
    results = [scan.result(by_place) for scan in found.scans]
    return float(np.mean([np.sum(~result.hit & (result.scores >= cut)) for result in results]))


def judged(
    name: str,
    head: str,
    positions_mm: NDArray[np.float64],
    scores: NDArray[np.float64],
    kept: NDArray[np.bool_],
    truth: Truth,
) -> FoundScan:
    """Match the candidates [N] of a scan with its truth, with and without those that their place rules out."""
    placed = np.full(len(scores), REMOVED)
    placed[kept] = _outcome(positions_mm[kept], scores[kept], truth)
    outcome = _outcome(positions_mm, scores, truth)
    return FoundScan(name, head, len(truth.counted_mm), positions_mm, scores, outcome, placed)


def _outcome(positions_mm: NDArray[np.float64], scores: NDArray[np.float64], truth: Truth) -> NDArray[np.int64]:
    """Return each candidate's truth, or that it is false or ignored."""
    found = match(positions_mm, scores, truth.counted_mm, truth.ignored_mm)
    return np.where(found.ignored, IGNORED, found.truth_index)


def write_found(path: Path, found: Found) -> None:
    """Write a result, one line per scan."""
    lines = [json.dumps(_plain(scan)) for scan in found.scans]
    facts = json.dumps({**found.facts, "columns": COLUMNS}, indent=1).removesuffix("\n}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial:
        partial.write_text(facts + ',\n "scans": [\n' + ",\n".join(lines) + "\n ]\n}\n", encoding="utf-8")


def read_found(path: Path) -> Found:
    """Read what :func:`write_found` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    scans = tuple(_scan(scan) for scan in content.pop("scans"))
    return Found(content, scans)


def _plain(scan: FoundScan) -> dict[str, Any]:
    """Return a scan as JSON: tenths of a millimetre and five digits of the score are enough."""
    rows = [
        [*(round(float(v), 1) for v in position), float(f"{score:.5g}"), int(truth), int(placed)]
        for position, score, truth, placed in zip(
            scan.positions_mm, scan.scores, scan.truth, scan.placed, strict=True
        )
    ]
    return {"name": scan.name, "head": scan.head, "truths": scan.truths, "candidates": rows}


def _scan(content: dict[str, Any]) -> FoundScan:
    """Return a scan from JSON."""
    rows = np.asarray(content["candidates"], dtype=np.float64).reshape(-1, len(COLUMNS))
    return FoundScan(
        content["name"],
        content["head"],
        content["truths"],
        rows[:, :3],
        rows[:, 3],
        rows[:, 4].astype(np.int64),
        rows[:, 5].astype(np.int64),
    )
