"""What counts in the pallidum or the cerebellum brings a sentence: mineralisation looks the same there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from little_head import Head

from microbleeds.report.mineralisation import mineralisation_warnings
from microbleeds.report.record import Finding


def at(head: Head, *places: tuple[str, str, str], kept: bool = True) -> list[Finding]:
    """Findings of the little head at other places: region, group and side."""
    one = head.record.findings[0]
    return [
        one.model_copy(
            update={
                "id": n, "region": region, "group": group, "side": side, "kept": kept,
                "place_confidence": "sure", "margin_mm": 8.0,
            }
        )
        for n, (region, group, side) in enumerate(places, start=1)
    ]  # fmt: skip


LENTIFORM = [("lentiform", "deep", side) for side in ("left", "right")]
LOBAR = ("frontal_white", "lobar", "left")


def said(findings: Sequence[Finding]) -> str:
    return " ".join(mineralisation_warnings(findings))


def test_both_sides_of_the_pallidum(head: Head):
    text = said(at(head, *LENTIFORM, ("thalamus", "deep", "left")))
    assert "Findings 1 (left), 2 (right) lie in the lentiform nucleus." in text
    assert "Mineralisation of the pallidum" in text
    assert "Both sides are affected" in text
    assert "strictly lobar" not in text, "the thalamus keeps it from being so"


def test_one_side_of_the_cerebellum(head: Head):
    text = said(at(head, ("cerebellum", "infratentorial", "right")))
    assert text.startswith("Finding 1 (right) lies in the cerebellum. Mineralisation of the dentate nucleus")
    assert "Both sides" not in text


@pytest.mark.parametrize(("places", "turns"), [([LOBAR, LENTIFORM[0]], True), ([LENTIFORM[0]], False)])
def test_what_hangs_on_it(head: Head, places: list, turns: bool):
    assert ("would be strictly lobar" in said(at(head, *places))) is turns


def test_what_a_reader_judged_is_told_from_it(head: Head):
    findings = at(head, *LENTIFORM, LOBAR)
    assert "Finding 2 (right) lies" in " ".join(mineralisation_warnings(findings, judged={1}))
    assert mineralisation_warnings(findings, judged={1, 2}) == []


def test_nothing_is_said_of_other_places_nor_of_what_does_not_count(head: Head):
    assert mineralisation_warnings(at(head, LOBAR, ("thalamus", "deep", "left"))) == []
    assert mineralisation_warnings(at(head, *LENTIFORM, kept=False)) == []
