"""`comparison.html`: both visits side by side on one page that opens from disk; no network, every picture inside.

It uses the style of the report of one scan. A reader says on it what became of each lesion: counts and class
follow, and the verdicts are exported for `microbleeds finalize`; the file on disk does not change. The page of a
signed comparison shows what the reader decided and asks nothing.
"""

from __future__ import annotations

from microbleeds.followup.drawn import Drawn, Overview
from microbleeds.followup.interval import describe_interval
from microbleeds.followup.labels import Label, place_labels
from microbleeds.followup.pictures import FIELD_MM
from microbleeds.followup.record import Comparison, LesionRecord, RuleRecord
from microbleeds.followup.rule import STATE_NAMES, STATES
from microbleeds.report.review.signed import READ_BY
from microbleeds.report.run_record import package_versions
from microbleeds.report.templating import asset, templates_of
from microbleeds.report.words import describe_region

_OURS = "microbleeds.followup"


def render_page(comparison: Comparison, drawn: Drawn, comparison_sha256: str, reading: str | None = None) -> str:
    """Return the page as text.

    Args:
        comparison: all words and numbers.
        drawn: its pictures.
        comparison_sha256: of the `comparison.json` that the page shows; verdicts name it.
        reading: the sentence on the reading of a signed comparison.
    """
    page = templates_of(_OURS).get_template("comparison.html.j2")
    return page.render(
        comparison=comparison,
        drawn=drawn,
        overviews=[(view, _labels(view, comparison)) for view in drawn.overviews],
        interval=describe_interval(comparison.interval_days),
        facts=drawn.facts(comparison_sha256),
        reading=reading,
        style=asset("report.css") + asset("comparison.css", _OURS),
        script=asset("comparison.js", _OURS),
        states=STATES,
        state_names=STATE_NAMES,
        pictured=[lesion for lesion in comparison.lesions if lesion.id in drawn.lesions],
        places={lesion.id: describe_lesion(lesion) for lesion in comparison.lesions},
        methods=methods(comparison, reading),
        versions=package_versions(),
        field_mm=FIELD_MM,
    )


def describe_lesion(lesion: LesionRecord) -> str:
    """Return where a lesion lies, such as ``left thalamus``."""
    name = describe_region(lesion)  # type: ignore[arg-type]  # it reads the region alone
    return name if lesion.side == "none" else f"{lesion.side} {name}"


def _labels(view: Overview, comparison: Comparison) -> dict[int, Label]:
    """Place the lesions' numbers on an overview; the new ones come first and so lie nearest."""
    picture = view.picture
    places = {lesion.id: view.places[lesion.id] for lesion in comparison.lesions}
    dots = {number: (left * picture.width, top * picture.height) for number, (left, top) in places.items()}
    return place_labels(dots, picture.width, picture.height)


def methods(comparison: Comparison, reading: str | None = None) -> str:
    """Return a paragraph that a report or a paper can quote; ``reading`` as for :func:`render_page`."""
    registration, rule, model = comparison.registration, comparison.rule, comparison.followup.model
    matched = (
        f"Findings were matched one to one within {rule.tolerance_mm:.1f} mm. One is called new if it counts at "
        f"follow-up and no candidate at its place scored {rule.low_cut:.3g} or more at baseline, and no longer "
        f"seen in the reverse case{_of_darkness(rule)}. {_of_comparing(rule)} "
        f"{reading or _of_readers(comparison)}"
    )
    return (
        f"Both visits were searched with microbleeds {comparison.program_version}, weights {model.name} "
        f"(sha256 {model.sha256[:12]}), at the operating point '{model.operating_point.name}' "
        f"({_cuts(comparison)}). The scans were aligned rigidly by the mutual information of "
        "the brain, twice on halves of its voxels; the two results differ by up to "
        f"{registration.error_mm:.1f} mm in 95 % of the brain. "
        + (matched if registration.succeeded else "No finding was matched.")
    )


def _cuts(comparison: Comparison) -> str:
    """Return from which score on findings count, at both visits or at each."""
    one, two = (visit.model.operating_point.cut for visit in (comparison.baseline, comparison.followup))
    return f"score from {two:.2f}" if one == two else f"score from {one:.2f} at baseline, {two:.2f} at follow-up"


def _of_readers(comparison: Comparison) -> str:
    """Return whether readers signed what was compared; nobody signed the comparison."""
    if any(READ_BY in warning for warning in comparison.warnings):
        return "Readers signed findings of these visits (see the warnings), nobody the comparison."
    return "No reader has confirmed these findings."


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
