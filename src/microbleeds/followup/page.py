"""`comparison.html`: both visits side by side on one page that opens from disk; no network, every picture inside.

It uses the style of the report of one scan. A reader can reject a lesion: counts and class follow, since the
reader decides, and the reviewed comparison can be saved; the file on disk does not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microbleeds.followup.pictures import FIELD_MM, Pair, checkerboards, close_ups
from microbleeds.followup.record import Comparison, LesionRecord, RuleRecord
from microbleeds.followup.rule import STATES, State
from microbleeds.followup.visit import Visit
from microbleeds.report.labels import DEFAULT_DIAMETER_MM
from microbleeds.report.overview import brain_box, overviews
from microbleeds.report.planes import PLANES
from microbleeds.report.run_record import package_versions
from microbleeds.report.templating import asset, templates_of
from microbleeds.report.thumbnails import Picture, canvas
from microbleeds.report.words import describe_region

_OURS = "microbleeds.followup"
#: A lesion's pictures take about 80 kB; with this limit a page stays below 6 MB whatever was found.
MAX_PICTURED = 60
STATE_NAMES: dict[State, str] = {
    "new": "new",
    "stable": "stable",
    "no-longer-seen": "no longer seen",
    "outside-field-of-view": "outside the other scan",
}


@dataclass(frozen=True)
class Dot:
    """A lesion on an overview, at shares of 1 from left and top."""

    lesion: LesionRecord
    left: float
    top: float


@dataclass(frozen=True)
class Overview:
    """A projection of the follow-up's brain and the lesions on it."""

    picture: Picture
    dots: list[Dot]


@dataclass(frozen=True)
class Card:
    """A lesion with its pictures; ``ring`` is the marker's radius in picture pixels."""

    lesion: LesionRecord
    place: str
    views: dict[str, list[tuple[Picture, Picture]]]
    ring: float


def write_page(comparison: Comparison, baseline: Visit, followup: Visit, path: Path) -> None:
    """Write the page."""
    Path(path).write_text(render_page(comparison, baseline, followup), encoding="utf-8")


def render_page(comparison: Comparison, baseline: Visit, followup: Visit) -> str:
    """Return the page as text.

    Args:
        comparison: all words and numbers.
        baseline: gives pictures.
        followup: gives pictures.
    """
    pair = Pair(
        canvas(baseline.scan, baseline.segmentation.brain),
        canvas(followup.scan, followup.segmentation.brain),
        np.array(comparison.registration.followup_from_baseline),
    )
    page = templates_of(_OURS).get_template("comparison.html.j2")
    return page.render(
        comparison=comparison,
        style=asset("report.css") + asset("comparison.css", _OURS),
        script=asset("comparison.js", _OURS),
        states=STATES,
        state_names=STATE_NAMES,
        overviews=_overviews(pair, comparison.lesions) if comparison.registration.succeeded else [],
        boards=checkerboards(pair),
        cards=[_card(pair, lesion) for lesion in comparison.lesions[:MAX_PICTURED]],
        places={lesion.id: describe_lesion(lesion) for lesion in comparison.lesions},
        unpictured=max(0, len(comparison.lesions) - MAX_PICTURED),
        methods=methods(comparison),
        versions=package_versions(),
        field_mm=FIELD_MM,
    )


def describe_lesion(lesion: LesionRecord) -> str:
    """Return where a lesion lies, such as ``left thalamus``."""
    name = describe_region(lesion)  # type: ignore[arg-type]  # it reads the region alone
    return name if lesion.side == "none" else f"{lesion.side} {name}"


def methods(comparison: Comparison) -> str:
    """Return a paragraph that a report or a paper can quote."""
    registration, rule, model = comparison.registration, comparison.rule, comparison.followup.model
    matched = (
        f"Findings were matched one to one within {rule.tolerance_mm:.1f} mm. One is called new if it counts at "
        f"follow-up and no candidate at its place scored {rule.low_cut:.3g} or more at baseline, and no longer "
        f"seen in the reverse case{_of_darkness(rule)}. {_of_comparing(rule)} "
        "No reader has confirmed these findings."
    )
    return (
        f"Both visits were searched with microbleeds {comparison.program_version}, weights {model.name} "
        f"(sha256 {model.sha256[:12]}), at the operating point '{model.operating_point.name}' (score from "
        f"{model.operating_point.cut:.2f}). The scans were aligned rigidly by the mutual information of "
        "the brain, twice on halves of its voxels; the two results differ by up to "
        f"{registration.error_mm:.1f} mm in 95 % of the brain. "
        + (matched if registration.succeeded else "No finding was matched.")
    )


def _of_darkness(rule: RuleRecord) -> str:
    """Return what the other scan's darkness has to do with it."""
    if rule.dark_share is None:
        return ""
    return f", unless the other scan is {rule.dark_share:.0%} or more as dark at that place"


def _of_comparing(rule: RuleRecord) -> str:
    """Return the sentence on candidates that are new though they don't count at follow-up."""
    if rule.new_cut is not None:
        return (
            f"A candidate that only its score kept from counting at follow-up is called new as well if it scored "
            f"{rule.new_cut:.3g} or more and baseline, where that place was searched, had no such candidate."
        )
    why = f", since {rule.why_no_new_cut}" if rule.why_no_new_cut else ""
    return f"Candidates that don't count at follow-up were not called new for their score{why}."


def _overviews(pair: Pair, lesions: list[LesionRecord]) -> list[Overview]:
    """Draw the follow-up's three projections and place the lesions on them."""
    part = brain_box(pair.followup)
    return [
        Overview(picture, [Dot(n, *part.place(plane, n.followup.position_ras_mm)) for n in lesions])
        for plane, picture in zip(PLANES, overviews(pair.followup, part), strict=True)
    ]


def _card(pair: Pair, lesion: LesionRecord) -> Card:
    """Draw one lesion in the planes of the scan in which it counts; the ring stands 3 mm off it."""
    of_baseline = lesion.baseline.counted
    seen = lesion.baseline if of_baseline else lesion.followup
    views = close_ups(pair, np.array(seen.position_ras_mm), of_baseline=of_baseline)
    radius_mm = (seen.diameter_mm or DEFAULT_DIAMETER_MM) / 2 + 3
    width = views["SWI"][0][0].width
    return Card(lesion, describe_lesion(lesion), views, round(radius_mm * width / FIELD_MM, 1))
