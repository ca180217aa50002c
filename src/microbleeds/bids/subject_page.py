"""`sub-X.html`: all visits of a subject on one page, with links to their reports, review pages and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.bids.dataset import natural
from microbleeds.bids.followup import StepRecord, read_followup
from microbleeds.bids.layout import Layout
from microbleeds.bids.publish import PAGES
from microbleeds.cohort.table import entry_of
from microbleeds.cohort.task import Outcome
from microbleeds.report.record import Record, disclaimer_of
from microbleeds.report.templating import asset, templates_of


@dataclass(frozen=True)
class VisitView:
    """One visit of the page; ``links`` are (words, address relative to the page)."""

    outcome: Outcome
    record: Record | None
    links: list[tuple[str, str]]


@dataclass(frozen=True)
class StepView:
    """One comparison of the page."""

    step: StepRecord
    links: list[tuple[str, str]]


def write_subject_page(subject: str, outcomes: Sequence[Outcome], layout: Layout) -> None:
    """Write a subject's page.

    Args:
        subject: label without ``sub-``.
        outcomes: of the subject's scans.
        layout: of the output.
    """
    ordered = sorted(outcomes, key=lambda outcome: natural(outcome.session or ""))
    followup = read_followup(subject, layout)
    page = templates_of("microbleeds.bids").get_template("subject.html.j2")
    visits = [_visit(outcome, layout) for outcome in ordered]
    text = page.render(
        subject=subject,
        style=asset("report.css"),
        visits=visits,
        steps=_steps(subject, followup.steps, layout) if followup else [],
        followup=followup,
        disclaimer=disclaimer_of(visit.record.disclaimer for visit in visits if visit.record),
        version=__version__,
    )
    with atomic_file(layout.page(subject)) as partial:
        partial.write_text(text, encoding="utf-8")


def _visit(outcome: Outcome, layout: Layout) -> VisitView:
    entry = entry_of(outcome, layout.results / outcome.name)
    links = []
    if entry.record is not None and outcome.subject is not None:
        figures = layout.folder(outcome.subject, outcome.session, "figures")
        files = ((page, figures / f"{outcome.stem}_desc-microbleeds_{page}.html") for page in PAGES)
        links = [(page, _address(path, layout)) for page, path in files if path.is_file()]
    return VisitView(entry.outcome, entry.record, links)


def _steps(subject: str, steps: Sequence[StepRecord], layout: Layout) -> list[StepView]:
    views = []
    for step in steps:
        figures = layout.folder(subject, step.session, "figures")
        files = {
            f"since {since}": figures / f"sub-{subject}_ses-{step.session}_desc-since{since}_comparison.html"
            for since in dict.fromkeys((step.previous, step.first))
        }
        views.append(StepView(step, [(words, _address(path, layout)) for words, path in files.items()]))
    return views


def _address(path: Path, layout: Layout) -> str:
    return path.relative_to(layout.root).as_posix()
