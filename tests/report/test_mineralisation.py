"""What counts in the pallidum or the cerebellum brings a sentence: mineralisation looks the same there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from little_head import Head

from microbleeds.report.mineralisation import mineralisation_warnings, with_notes
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


SHIFT_MM = np.array([5.0, -20.0, 30.0])  # of MNI152 against the scan
MNI_FROM_RAS = np.block([[np.eye(3), -SHIFT_MM[:, None]], [np.zeros(3), 1.0]])
PALLIDUM, DENTATE = (20.0, -4.0, -1.0), (-18.0, -58.0, -37.0)


def placed(head: Head, *spots: tuple[str, str, tuple[float, float, float]]) -> list[Finding]:
    """Findings by region, side and position in MNI152."""
    findings = at(head, *((region, "deep", side) for region, side, _ in spots))
    positions = [tuple((np.array(mni) + SHIFT_MM).tolist()) for *_, mni in spots]
    return [
        one.model_copy(update={"position_ras_mm": position})
        for one, position in zip(findings, positions, strict=True)
    ]


def notes(findings: Sequence[Finding]) -> list[str | None]:
    return [one.mineralisation_note for one in with_notes(findings, MNI_FROM_RAS)]


def test_a_finding_near_a_nucleus_bears_a_note(head: Head):
    x, y, z = PALLIDUM
    spots = [
        ("lentiform", "right", PALLIDUM),
        ("lentiform", "right", (x, y + 13.5, z)),
        ("lentiform", "right", (x, y + 15.5, z)),
        ("thalamus", "right", PALLIDUM),
        ("cerebellum", "left", DENTATE),
    ]
    pallidum, dentate = (
        f"Near {name}, whose mineralisation looks the same." for name in ("the pallidum", "the dentate nucleus")
    )
    assert notes(placed(head, *spots)) == [pallidum, pallidum, None, None, dentate]


def test_the_note_names_what_lies_near_that_of_the_other_side(head: Head):
    x, y, z = PALLIDUM
    other = [("internal_capsule", "left", (-x, y, z + 2)), ("lentiform", "left", (-x - 4, y, z))]
    right, left, _ = notes(placed(head, ("lentiform", "right", PALLIDUM), *other))
    assert right is not None
    assert right.endswith("; findings 2, 3 lie near that of the other side, as is usual with it.")
    assert left is not None
    assert left.endswith("; finding 1 lies near that of the other side, as is usual with it.")


def test_what_does_not_count_on_the_other_side_is_not_named(head: Head):
    right, left = placed(head, ("lentiform", "right", PALLIDUM), ("lentiform", "left", (-20.0, -4.0, -1.0)))
    said = notes([right, left.model_copy(update={"kept": False})])
    assert said[0] == "Near the pallidum, whose mineralisation looks the same."
