"""Definite or possible: the rule, and the reason for each finding; and whether its score is steady.

A **definite** microbleed is dark, round or oval, well defined and 2 to 10 mm across; one that is less well
defined, less dark or not round is **possible** (Gregoire 2009, Greenberg 2009). The score stands for dark and
well defined.
"""

from __future__ import annotations

from microbleeds.report.record import Certainty, CertaintyRule

LEAST_DIAMETER_MM = 2.0
LARGEST_DIAMETER_MM = 10.0
# Of the microbleeds on simulated validation scans 5 % are less round; most vessels taken for one are.
LEAST_ROUNDNESS = 0.4
# Provisional, not fitted: seen on two simulated training scans, where ten bleeds stayed below and three of four
# false findings were above. It changes no count.
LARGEST_STEADY_SPREAD = 0.3


def rule_from(least_score: float) -> CertaintyRule:
    """Return the rule with the operating point's definite cut."""
    return CertaintyRule(
        least_score=least_score,
        least_roundness=LEAST_ROUNDNESS,
        least_diameter_mm=LEAST_DIAMETER_MM,
        largest_diameter_mm=LARGEST_DIAMETER_MM,
    )


def judge(
    score: float, diameter_mm: float | None, roundness: float | None, rule: CertaintyRule
) -> tuple[Certainty, str]:
    """Return whether a finding is definite or possible, and a sentence why.

    Args:
        score: 0..1.
        diameter_mm: apparent diameter, ``None`` if not measurable.
        roundness: 0..1, ``None`` if not measurable.
        rule: what a definite finding must meet.
    """
    missed = [
        *_missed_by_score(score, rule),
        *_missed_by_size(diameter_mm, rule),
        *_missed_by_shape(roundness, rule),
    ]
    if missed:
        return "possible", f"Possible: {'; '.join(missed)}."
    return "definite", f"Definite: score {score:.2f}, {diameter_mm:g} mm across, roundness {roundness:g}."


def note_on_spread(score_range: tuple[float, float] | None) -> str | None:
    """Return a sentence where a score changes much when the image is flipped or shifted.

    Args:
        score_range: lowest and highest score, ``None`` where only one was taken.
    """
    if score_range is None or score_range[1] - score_range[0] <= LARGEST_STEADY_SPREAD:
        return None
    low, high = score_range
    return (
        f"Its score changes between {low:.2f} and {high:.2f} when the image is flipped or shifted: look with care."
    )


def _missed_by_score(score: float, rule: CertaintyRule) -> list[str]:
    """Say whether the score is too low."""
    return [] if score >= rule.least_score else [f"its score {score:.3g} is below {rule.least_score:.3g}"]


def _missed_by_size(diameter_mm: float | None, rule: CertaintyRule) -> list[str]:
    """Say whether the size is not that of a microbleed."""
    if diameter_mm is None:
        return ["its diameter can't be measured"]
    if diameter_mm < rule.least_diameter_mm:
        return [f"its diameter of {diameter_mm:g} mm is below {rule.least_diameter_mm:g} mm"]
    if diameter_mm > rule.largest_diameter_mm:
        return [f"its diameter of {diameter_mm:g} mm is above {rule.largest_diameter_mm:g} mm"]
    return []


def _missed_by_shape(roundness: float | None, rule: CertaintyRule) -> list[str]:
    """Say whether the spot is long."""
    if roundness is None:
        return ["its shape can't be measured"]
    if roundness < rule.least_roundness:
        return [f"it is elongated (roundness {roundness:g}, below {rule.least_roundness:g})"]
    return []
