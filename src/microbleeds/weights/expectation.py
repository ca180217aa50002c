"""What may be expected of a search without phase: what such input scored on test scans, by the weights' card."""

from __future__ import annotations

from microbleeds.weights.card import Card

# The scores of the cohort that was searched with each kind of input; see benchmarks/card_scores.py.
_SCORE = "test_paper_{input}_balanced_{figure}"
_INPUTS = {"swi": ("swi", "SWI alone"), "t2star": ("magnitude", "a magnitude alone")}


def expectation(card: Card, kind: str, *, with_phase: bool) -> tuple[str, ...]:
    """Return a sentence with the figures, none where the phase is there or the card says nothing.

    Args:
        card: of the detector's weights.
        kind: of the scan, ``swi`` or ``t2star``.
        with_phase: whether its phase is known.
    """
    name, words = _INPUTS[kind]
    asked = [
        _SCORE.format(input=given, figure=figure)
        for given in (name, "swi+phase")
        for figure in ("sensitivity", "false_positives_per_subject")
    ]
    if with_phase or not card.scores.keys() >= {*asked}:
        return ()
    found, false, found_with, false_with = (card.scores[score] for score in asked)
    return (
        f"On {words} these weights found {found:.0%} of the visible microbleeds of simulated test scans, with "
        f"{false:.1f} false ones a scan; on SWI with phase {found_with:.0%}, with {false_with:.1f}.",
    )
