"""Lesions counted by state and group, and what follows from the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from microbleeds.followup.record import Comparison, LesionRecord, NewCertainty, StateCounts
from microbleeds.followup.rule import STATES, State, aria_h_class

#: Microbleeds stay for years, so that visits which lose some and gain none are likely in the wrong order.
LOST_ALONE = "Microbleeds are no longer seen and none is new: check the order of the visits."
_FEWEST_LOST = 2


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


def certainty_of_new(lesions: Sequence[LesionRecord]) -> NewCertainty | None:
    """Count the new ones by certainty; ``None`` where one doesn't say, as in files of before it was kept."""
    seen = [lesion.decisive for lesion in lesions if lesion.state == "new"]
    if any(one.certainty is None for one in seen):
        return None
    return NewCertainty(
        definite=sum(one.certainty == "definite" for one in seen),
        possible=sum(one.certainty == "possible" for one in seen),
        unsteady=sum(one.score_note is not None for one in seen),
    )


def counted(comparison: Comparison, lesions: Sequence[LesionRecord]) -> Comparison:
    """Return a comparison of aligned visits with these lesions, ordered by state, and with what they count.

    Where microbleeds are lost and none is new, a warning says so first.
    """
    counts = count(lesions)
    alone = counts["new"].total == 0 and counts["no-longer-seen"].total >= _FEWEST_LOST
    warnings = [sentence for sentence in comparison.warnings if sentence != LOST_ALONE]
    by_comparing = sum(lesion.found_by_comparing for lesion in lesions)
    return comparison.model_copy(
        update={
            "lesions": sorted(lesions, key=lambda lesion: STATES.index(lesion.state)),
            "counts": counts,
            "aria_h": aria_h_class(counts["new"].total),
            "new_by_comparing": None if comparison.rule.new_cut is None else by_comparing,
            "new_certainty": certainty_of_new(lesions),
            "warnings": [LOST_ALONE, *warnings] if alone else warnings,
        }
    )
