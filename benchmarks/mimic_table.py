"""Areas under ROC curves of bleeds against each kind of mimic, from stored scores at spots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from interval_text import number_text
from microbleeds.evaluate import Interval, bootstrap

KINDS = {
    "calcification": "calcification (sign-flipped twin)",
    "vessel": "cross-section of a vein, matched",
    "near-air": "artefact near air, matched",
    "phase-singularity": "phase singularity, as it comes",
    "pallidal-mineralisation": "mineralisation of the pallidum, as it comes",
}
MATCHED = ("vessel", "near-air")
INPUTS = {"swi+phase": "SWI and phase", "swi": "SWI alone"}
LARGEST_DIFFERENCE_MM = 0.75  # in diameter, of a matched pair
LARGEST_RATIO = 1.3  # in contrast


@dataclass(frozen=True)
class SpotScore:
    """A spot (see :class:`mimic_spots.Spot`) with a score."""

    head: int
    scan: str
    input: str
    kind: str
    body: int
    x_mm: float
    y_mm: float
    z_mm: float
    diameter_mm: float
    contrast: float
    visible: bool
    score: float


@dataclass(frozen=True, eq=False)
class Sides:
    """Scores of bleeds and of mimics of one head."""

    bleeds: NDArray[np.float64]
    mimics: NDArray[np.float64]


def markdown(sets: Mapping[str, Sequence[Sequence[SpotScore]]]) -> list[str]:
    """Return the table as lines of Markdown.

    Args:
        sets: name of the weights to the spots of each of their seeds.
    """
    columns = [(name, use) for name in sets for use in INPUTS]
    lines = [
        "Area under the ROC curve of the score at visible microbleeds against the score at each kind of mimic; "
        "0.5 is chance. Test heads only; mean over seeds, 95 % intervals drawn over heads. Twins share place, "
        "size, strength, noise and motion and differ in the sign of the susceptibility; matched spots have a "
        f"bleed's apparent diameter within {LARGEST_DIFFERENCE_MM:g} mm and its contrast within a factor of "
        f"{LARGEST_RATIO:g}. Simulated scans: no real microbleed stands behind any number.",
        "",
        "| bleeds against | spots | " + " | ".join(f"{name}, {INPUTS[use]}" for name, use in columns) + " |",
        "|" + "---|" * (2 + len(columns)),
    ]
    for kind, label in KINDS.items():
        first = sides_by_head(next(iter(sets.values()))[0], kind, "swi+phase")
        count = f"{sum(len(s.bleeds) for s in first)} and {sum(len(s.mimics) for s in first)}"
        cells = [
            number_text(area([sides_by_head(seed, kind, use) for seed in sets[name]])) for name, use in columns
        ]
        lines.append(f"| {label} | {count} | {' | '.join(cells)} |")
    return lines


def sides_by_head(spots: Sequence[SpotScore], kind: str, use: str) -> list[Sides]:
    """Return the bleeds and mimics that a comparison takes, by head.

    Twins are taken where the bleed of the pair is visible; mineralisation and matched spots must be visible
    themselves; singularities count as they are.
    """
    chosen = [spot for spot in spots if spot.input == use]
    heads = sorted({spot.head for spot in chosen})
    return [_sides([spot for spot in chosen if spot.head == head], kind) for head in heads]


def area(seeds: Sequence[Sequence[Sides]]) -> Interval:
    """Return the mean area over seeds with an interval over heads."""

    def statistic(drawn: Sequence[int]) -> NDArray[np.float64]:
        return np.array([np.mean([_area([sides[n] for n in drawn]) for sides in seeds])])

    return bootstrap(range(len(seeds[0])), statistic, repeats=1000)[0]


def _sides(spots: Sequence[SpotScore], kind: str) -> Sides:
    """Return both sides of one head."""
    bleeds = [s for s in spots if s.kind == "microbleed" and s.visible]
    mimics = [s for s in spots if s.kind == kind]
    if kind == "calcification":
        seen = {s.body for s in bleeds if s.body >= 0}
        return _scores([s for s in bleeds if s.body >= 0], [s for s in mimics if s.body in seen])
    if kind in MATCHED:
        return _scores(*_matched(bleeds, [s for s in mimics if s.visible]))
    if kind == "pallidal-mineralisation":
        mimics = [s for s in mimics if s.visible]
    return _scores(bleeds, mimics)


def _matched(bleeds: Sequence[SpotScore], mimics: Sequence[SpotScore]) -> tuple[list[SpotScore], list[SpotScore]]:
    """Pair bleeds with mimics of the same size and darkness, each at most once."""
    bleeds = [s for s in bleeds if np.isfinite(s.diameter_mm)]
    mimics = [s for s in mimics if np.isfinite(s.diameter_mm)]
    if not bleeds or not mimics:
        return [], []
    size = np.abs(_column(bleeds, "diameter_mm")[:, None] - _column(mimics, "diameter_mm"))
    ratio = np.abs(np.log(_column(bleeds, "contrast")[:, None] / _column(mimics, "contrast")))
    cost = size / LARGEST_DIFFERENCE_MM + ratio / np.log(LARGEST_RATIO)
    allowed = (size <= LARGEST_DIFFERENCE_MM) & (ratio <= np.log(LARGEST_RATIO))
    rows, columns = linear_sum_assignment(np.where(allowed, cost, 1e3))
    pairs = [(r, c) for r, c in zip(rows, columns, strict=True) if allowed[r, c]]
    return [bleeds[r] for r, _ in pairs], [mimics[c] for _, c in pairs]


def _column(spots: Sequence[SpotScore], name: str) -> NDArray[np.float64]:
    return np.array([getattr(spot, name) for spot in spots], dtype=np.float64)


def _scores(bleeds: Sequence[SpotScore], mimics: Sequence[SpotScore]) -> Sides:
    return Sides(_column(bleeds, "score"), _column(mimics, "score"))


def _area(heads: Sequence[Sides]) -> float:
    """Share of pairs in which the bleed scores higher; ties count half."""
    bleeds = np.concatenate([np.zeros(0), *(side.bleeds for side in heads)])
    mimics = np.sort(np.concatenate([np.zeros(0), *(side.mimics for side in heads)]))
    if not len(bleeds) or not len(mimics):
        return float("nan")
    below = np.searchsorted(mimics, bleeds, side="left")
    up_to = np.searchsorted(mimics, bleeds, side="right")
    return float((below + up_to).mean() / 2 / len(mimics))
