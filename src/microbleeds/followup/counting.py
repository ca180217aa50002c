"""Lesions counted by state and group, and what follows from the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from microbleeds.followup.record import Comparison, LesionRecord, StateCounts
from microbleeds.followup.rule import STATES, State, aria_h_class


def count(lesions: Sequence[LesionRecord]) -> dict[State, StateCounts]:
    """Count lesions by state and group."""
    tally = Counter((lesion.state, lesion.group) for lesion in lesions)
    return {
        state: StateCounts(
            total=sum(number for (of, _), number in tally.items() if of == state),
            lobar=tally[state, "lobar"],
            deep=tally[state, "deep"],
            infratentorial=tally[state, "infratentorial"],
            unplaced=tally[state, "none"],
        )
        for state in STATES
    }


def counted(comparison: Comparison, lesions: Sequence[LesionRecord]) -> Comparison:
    """Return a comparison of aligned visits with these lesions, ordered by state, and with what they count."""
    counts = count(lesions)
    by_comparing = sum(lesion.found_by_comparing for lesion in lesions)
    return comparison.model_copy(
        update={
            "lesions": sorted(lesions, key=lambda lesion: STATES.index(lesion.state)),
            "counts": counts,
            "aria_h": aria_h_class(counts["new"].total),
            "new_by_comparing": None if comparison.rule.new_cut is None else by_comparing,
        }
    )
