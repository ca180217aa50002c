"""More than two visits of one person: every visit against the first, the one before, and all earlier ones.

Each visit is aligned with the first; maps between later visits follow from these. A finding of a visit is new in
the series only if it is new against every earlier visit that shows its place: one that flickered away in between
is not new when it comes back. One that doesn't count by itself must be new against every earlier visit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from microbleeds.errors import InputError
from microbleeds.followup.compare import compare_visits
from microbleeds.followup.record import Comparison, LesionRecord
from microbleeds.followup.registration import Registration, register, views_of
from microbleeds.followup.rigid import inverse
from microbleeds.followup.rule import AriaClass, Rule, aria_h_class
from microbleeds.followup.visit import Visit


@dataclass(frozen=True)
class Step:
    """One visit after the first.

    Args:
        name: of the visit.
        since_first: comparison with the first visit.
        since_previous: comparison with the visit before (the same as ``since_first`` at the second visit).
        new_ids: findings of this visit (ids in its `findings.json`) that no earlier visit showed; ``None`` where
            it could be aligned with none of them.
        new_so_far: findings that were new at this or an earlier visit; ``None`` after a failed alignment.
        aria_h: class of ``new_so_far``.
    """

    name: str
    since_first: Comparison
    since_previous: Comparison
    new_ids: tuple[int, ...] | None
    new_so_far: int | None
    aria_h: AriaClass | None


@dataclass(frozen=True)
class Series:
    """A person's visits in the order of time."""

    first: str
    steps: tuple[Step, ...]


def follow(visits: Sequence[Visit], rule: Rule | None = None) -> Series:
    """Compare the visits of one person, earliest first.

    Raises:
        InputError: if there are fewer than two.
    """
    if len(visits) < 2:
        raise InputError(f"A follow-up needs at least two visits, got {len(visits)}.")
    rule = rule or Rule()
    aligned = [_identity(), *(_with_first(visits[0], visit) for visit in visits[1:])]
    steps: list[Step] = []
    total: int | None = 0
    for n in range(1, len(visits)):
        earlier = [compare_visits(visits[m], visits[n], rule, _between(aligned[m], aligned[n])) for m in range(n)]
        new = _new_against_all(earlier) if _any_aligned(earlier) else None
        total = None if total is None or new is None else total + len(new)
        aria = None if total is None else aria_h_class(total)
        steps.append(Step(visits[n].name, earlier[0], earlier[-1], new, total, aria))
    return Series(visits[0].name, tuple(steps))


def _with_first(first: Visit, visit: Visit) -> Registration:
    """Align a visit with the first."""
    return register(*views_of((first.scan, first.segmentation), (visit.scan, visit.segmentation)))


def _identity() -> Registration:
    """The first visit lies on itself."""
    return Registration(np.eye(4), 0.0, 1.0, 1.0, None)


def _between(earlier: Registration, later: Registration) -> Registration:
    """Return the map from an earlier to a later visit, through the first; errors add up as independent ones."""
    return replace(
        later,
        followup_from_baseline=later.followup_from_baseline @ inverse(earlier.followup_from_baseline),
        error_mm=float(np.hypot(earlier.error_mm, later.error_mm)),
        common_share=min(earlier.common_share, later.common_share),
        likeness=min(earlier.likeness, later.likeness),
        failure=earlier.failure or later.failure,
    )


def _any_aligned(comparisons: Sequence[Comparison]) -> bool:
    return any(comparison.registration.succeeded for comparison in comparisons)


def _new_against_all(comparisons: Sequence[Comparison]) -> tuple[int, ...]:
    """Return the follow-up's findings that are new against some earlier visit and stable against none.

    One that doesn't count is no lesion at all where the earlier visit shows it, so it must be new against each:
    else the same bleed would be new again at every visit that doesn't count it.
    """
    aligned = [comparison for comparison in comparisons if comparison.registration.succeeded]
    new = [_ids(comparison.of("new")) for comparison in aligned]
    known = {n for comparison in aligned for n in _ids(comparison.of("stable"))}
    counted = {n for one in aligned for n in _ids([lesion for lesion in one.lesions if lesion.followup.counted])}
    once = {n for ids in new for n in ids} - known
    return tuple(sorted(n for n in once if n in counted or all(n in ids for ids in new)))


def _ids(lesions: Sequence[LesionRecord]) -> set[int]:
    """Return the ids of the follow-up's findings."""
    return {lesion.followup.finding_id for lesion in lesions if lesion.followup.finding_id is not None}
