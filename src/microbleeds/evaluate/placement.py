"""Whether found microbleeds were placed right: group, and MARS region with its side.

Conventions:
    * Only hits are compared, and only where truth and findings both say a group; a region and a side count where
      both say a region.
    * A region may be a fine one of :mod:`microbleeds.regions` (``frontal_white``) or a MARS row (``frontal``).
    * A finding of group ``none`` was found but not placed: it is wrong.
    * Groups are those of MARS. By another scale a hit counts where both say a fine region: periventricular white
      matter, deep in MARS, is lobar in BOMBS and in Kim's grouping.
    * In a confusion the truth is in rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.evaluate.intervals import Interval, bootstrap, of_share
from microbleeds.regions import MARS, SCALES, Scale

GROUPS = ("lobar", "deep", "infratentorial")
PREDICTED_GROUPS = (*GROUPS, "none")


@dataclass(frozen=True)
class Place:
    """Where a microbleed lies by one source; ``None`` where it does not say."""

    group: str | None
    region: str | None
    side: str | None

    @property
    def row(self) -> str | None:
        """The MARS row of the region, ``None`` where unknown."""
        region = self.region or ""
        return region if region in MARS.groups else MARS.rows.get(region)


@dataclass(frozen=True)
class PlacedPair:
    """A hit: its true place and the predicted one."""

    true: Place
    predicted: Place

    @property
    def compared(self) -> bool:
        """Whether both say a group of ours."""
        return self.true.group in GROUPS and self.predicted.group in PREDICTED_GROUPS

    @property
    def right_group(self) -> bool:
        """Whether the groups agree."""
        return self.true.group == self.predicted.group

    @property
    def has_region(self) -> bool:
        """Whether the truth names a MARS region, and the prediction one or that it knows none."""
        return self.true.row is not None and (self.predicted.row is not None or self.predicted.group == "none")

    @property
    def right_region(self) -> bool:
        """Whether MARS region and side agree; a side that the truth doesn't say can't be wrong."""
        side = self.true.side in (None, "none") or self.true.side == self.predicted.side
        return self.true.row == self.predicted.row and side

    def right_by(self, scale: Scale) -> bool | None:
        """Whether the groups agree by a scale; ``None`` where the truth or a placed finding names no region."""
        true, predicted = (scale.rows.get(place.region or "") for place in (self.true, self.predicted))
        if true is None or (predicted is None and self.predicted.group != "none"):
            return None
        return predicted is not None and scale.groups[true] == scale.groups[predicted]


@dataclass(frozen=True)
class GroupPlacement:
    """How the hits of one true group were placed."""

    group: str
    compared: int
    right_group: Interval
    right_region: Interval


@dataclass(frozen=True)
class RegionConfusion:
    """How often a true MARS region and side was taken for another (or itself)."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True)
class PlacementScores:
    """Where hits were placed; ``confusion`` is [true, predicted group], ``by_scale`` the share of right groups."""

    compared: int
    right_group: Interval
    right_region: Interval
    by_scale: Mapping[str, Interval]
    by_group: list[GroupPlacement]
    true_groups: tuple[str, ...]
    predicted_groups: tuple[str, ...]
    confusion: list[list[int]]
    regions: list[RegionConfusion]


def placement_scores(
    subjects: Sequence[Sequence[PlacedPair]], *, repeats: int = 2000, seed: int = 0
) -> PlacementScores | None:
    """Score the places of a cohort's hits, with intervals over subjects.

    Args:
        subjects: the hits of each subject.
        repeats: bootstrap draws over subjects.
        seed: of the bootstrap.

    Returns:
        ``None`` where no hit has a group on both sides.
    """
    compared = [[pair for pair in pairs if pair.compared] for pairs in subjects]
    everyone = [pair for pairs in compared for pair in pairs]
    if not everyone:
        return None
    shares = [_numbers(pairs) for pairs in compared]
    intervals = _intervals(shares, repeats, seed)
    scales = _intervals([_by_scale(pairs) for pairs in compared], repeats, seed)
    totals = Counter(pair.true.group for pair in everyone)
    return PlacementScores(
        compared=len(everyone),
        right_group=intervals[0],
        right_region=intervals[1],
        by_scale=dict(zip(SCALES, scales, strict=True)),
        by_group=[
            GroupPlacement(name, totals[name], intervals[2 * n], intervals[2 * n + 1])
            for n, name in enumerate(GROUPS, start=1)
        ],
        true_groups=GROUPS,
        predicted_groups=PREDICTED_GROUPS,
        confusion=_confusion(everyone),
        regions=_region_confusions(everyone),
    )


def _intervals(numbers: Sequence[NDArray[np.int64]], repeats: int, seed: int) -> list[Interval]:
    """Return the shares that are right of each subject's [..., 2 (right, all)], with intervals."""
    totals = np.sum(numbers, axis=0)[..., 1].reshape(-1)
    intervals = bootstrap(numbers, _shares, repeats=repeats, seed=seed)
    return [of_share(interval, int(total)) for interval, total in zip(intervals, totals, strict=True)]


def _by_scale(pairs: Sequence[PlacedPair]) -> NDArray[np.int64]:
    """Return [scales, 2 (right group, all)] of one subject."""
    answers = [[pair.right_by(scale) for pair in pairs] for scale in SCALES.values()]
    return np.array([(one.count(True), len(one) - one.count(None)) for one in answers], dtype=np.int64)


def _numbers(pairs: Sequence[PlacedPair]) -> NDArray[np.int64]:
    """Return [4 (all, then each group), 2 (group, region), 2 (right, all)] of one subject."""
    numbers = np.zeros((1 + len(GROUPS), 2, 2), dtype=np.int64)
    for pair in pairs:
        rows = [0, 1 + GROUPS.index(pair.true.group or "")]
        numbers[rows, 0] += (pair.right_group, True)
        if pair.has_region:
            numbers[rows, 1] += (pair.right_region, True)
    return numbers


def _shares(subjects: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return the shares that are right, [8], NaN where there is nothing to compare."""
    right, total = np.moveaxis(np.sum(subjects, axis=0), -1, 0).reshape(2, -1).astype(float)
    return np.divide(right, total, out=np.full(len(total), np.nan), where=total > 0)


def _confusion(pairs: Sequence[PlacedPair]) -> list[list[int]]:
    """Return hits by true and predicted group."""
    cells = Counter((pair.true.group, pair.predicted.group) for pair in pairs)
    return [[cells[true, predicted] for predicted in PREDICTED_GROUPS] for true in GROUPS]


def _region_confusions(pairs: Sequence[PlacedPair]) -> list[RegionConfusion]:
    """Return how often each true region was taken for each, the most frequent first."""
    cells = Counter((_named(pair.true), _named(pair.predicted)) for pair in pairs if pair.has_region)
    ordered = sorted(cells.items(), key=lambda cell: (-cell[1], cell[0]))
    return [RegionConfusion(true, predicted, count) for (true, predicted), count in ordered]


def _named(place: Place) -> str:
    """Return ``left frontal``, or ``not placed``."""
    if place.row is None:
        return "not placed"
    return place.row if place.side in (None, "none") else f"{place.side} {place.row}"
