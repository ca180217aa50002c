"""The two levels of a BIDS App: every participant's scans and follow-up, then the group."""

from __future__ import annotations

import json
import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from microbleeds.bids.choose import choose_scan
from microbleeds.bids.dataset import Session, natural, read_sessions, session_names
from microbleeds.bids.description import refuse_foreign, write_citation, write_description
from microbleeds.bids.followup import (
    FollowTask,
    FollowUp,
    follow_up,
    publish_followup,
    read_followup,
    withdraw_followup,
)
from microbleeds.bids.layout import Layout
from microbleeds.bids.publish import publish_scan, withdraw_scan
from microbleeds.bids.subject_page import write_subject_page
from microbleeds.cohort.page import write_page
from microbleeds.cohort.pool import PoolSettings, open_pool
from microbleeds.cohort.run import run_all
from microbleeds.cohort.search import search
from microbleeds.cohort.settle import settled, with_weights
from microbleeds.cohort.table import Entry, entry_of, table_rows, write_table
from microbleeds.cohort.task import (
    Outcome,
    ScanOrigin,
    ScanTask,
    SearchOptions,
    outcome_of,
    read_outcome,
    read_outcomes,
    write_outcome,
)
from microbleeds.errors import InputError
from microbleeds.given import make_paths, texts_of

NOT_ALIGNED = "Not followed up: it could be aligned with no earlier session."

#: Called with what is going on, how many of it are done, how many there are, and what became of the latest.
Announce = Callable[[str, int, int, Outcome | None], None]


@dataclass(frozen=True)
class AppRequest:
    """What to do with a data set.

    Args:
        bids_dir: root of the data set.
        out_dir: root of the derivatives.
        subjects: labels to keep; all if empty.
        sessions: labels to keep; all if empty.
        acquisition: label of ``acq`` to take; chosen if ``None``.
        run: label of ``run`` to take; chosen if ``None``.
        options: how to search.
        pool: where to work.
    """

    bids_dir: Path
    out_dir: Path
    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    acquisition: str | None = None
    run: str | None = None
    options: SearchOptions = field(default_factory=SearchOptions)
    pool: PoolSettings = field(default_factory=PoolSettings)

    def __post_init__(self) -> None:
        make_paths(self, "bids_dir", "out_dir")
        for labels in ("subjects", "sessions"):
            object.__setattr__(self, labels, texts_of(getattr(self, labels)))


def participants(
    request: AppRequest,
    announce: Announce = lambda what, done, total, latest: None,
    *,
    work: Callable[[ScanTask], Outcome] = search,
    follow: Callable[[FollowTask], Outcome] = follow_up,
) -> list[Outcome]:
    """Search all scans, follow up all subjects with several visits, and write their derivatives and pages.

    Args:
        request: what to do.
        announce: called as scans and follow-ups are finished.
        work: what a worker does with a scan.
        follow: what a worker does with a subject's visits.

    Returns:
        What became of each scan and of each follow-up.

    Raises:
        InputError: if the data set, the output folder, the weights or the workers can't be used, or no session
            holds a suitable image.
    """
    raw, layout = request.bids_dir.absolute(), Layout(request.out_dir.absolute())
    refuse_foreign(layout.root, raw)
    sessions = read_sessions(raw, request.subjects, request.sessions)
    tasks, outcomes = scan_tasks(request, sessions, layout)
    if not tasks:
        raise InputError(f"No session of {raw} can be searched: {outcomes[0].sentence}")
    options = with_weights(request.options)
    write_description(layout, raw)
    subjects = list(dict.fromkeys(session.subject for session in sessions))
    _forget_gone(request, subjects, layout)
    for outcome in outcomes:
        write_outcome(outcome, layout.scans / f"{outcome.name}.json")
        withdraw_scan(outcome, layout)
    with open_pool(request.pool, len(tasks)) as client:
        options = settled(options, client, layout.logs / "settings.json")
        searched: list[Outcome] = []

        def scan_done(outcome: Outcome) -> None:
            searched.append(_scan_published(outcome, layout, raw))
            announce("scans", len(searched), len(tasks), searched[-1])

        run_all(
            [replace(task, options=options) for task in tasks],
            work,
            client,
            scan_done,
            abreast=request.pool.abreast(len(tasks)),
        )
        pairs = follow_tasks(read_sessions(raw, subjects), layout, options)
        _end_followups(set(subjects) - {str(pair.origin.subject) for pair in pairs}, layout)
        followed: list[Outcome] = []

        def visits_done(outcome: Outcome) -> None:
            followed.append(_followup_published(outcome, layout))
            announce("follow-ups", len(followed), len(pairs), followed[-1])

        run_all(pairs, follow, client, visits_done, abreast=request.pool.abreast(len(pairs)))
    _write_pages(layout, subjects)
    return outcomes + searched + followed


def group(request: AppRequest) -> list[dict[str, Any]]:
    """Write the group's table and page from all scans that the participant level has finished.

    Scans whose session the data set no longer has are left out; where the data set isn't at hand, all are taken.

    Returns:
        The table's rows.

    Raises:
        InputError: if there are none, or some subjects or sessions alone are asked for: the table is of all.
    """
    if request.subjects or request.sessions:
        raise InputError(
            "The group level takes all scans with a result; leave the labels of subjects and sessions out."
        )
    layout = Layout(request.out_dir.absolute())
    there = session_names(request.bids_dir)
    outcomes = [one for one in read_outcomes(layout.scans) if not there or one.name in there]
    if not outcomes:
        raise InputError(f"{layout.root} holds no results of {request.bids_dir}; run the participant level first.")
    ordered = sorted(outcomes, key=lambda one: (natural(one.subject or ""), natural(one.session or "")))
    followups = {subject: read_followup(subject, layout) for subject in {str(one.subject) for one in ordered}}
    entries = [
        entry_of(one, layout.results / one.name, _more(one, followups[str(one.subject)])) for one in ordered
    ]
    rows = table_rows(entries)
    write_table(rows, layout.group.with_suffix(".tsv"))
    links = {one.name: layout.page(str(one.subject)).name for one in ordered if one.succeeded}
    title = request.bids_dir.absolute().name
    write_page(rows, layout.group.with_suffix(".html"), title=title, links=links)
    _cite(layout, entries)
    return rows


def scan_tasks(
    request: AppRequest, sessions: Sequence[Session], layout: Layout
) -> tuple[list[ScanTask], list[Outcome]]:
    """Return a task for each session that can be searched, and an outcome for each other."""
    tasks: list[ScanTask] = []
    others: list[Outcome] = []
    for session in sessions:
        name = session.name
        task = ScanTask(
            name=name,
            inputs={},
            out=layout.results / name,
            note=layout.scans / f"{name}.json",
            options=request.options,
            origin=ScanOrigin(session.subject, session.session, name),
        )
        try:
            choice = choose_scan(session, acquisition=request.acquisition, run=request.run)
        except InputError as error:
            others.append(outcome_of(task, "absent", sentence=str(error)))
            continue
        except Exception as error:  # what is wrong with one session must not stop the others
            sentence = f"An unexpected error, {type(error).__name__}: {error}"
            others.append(outcome_of(task, "failed", sentence=sentence, traceback=traceback.format_exc()))
            continue
        origin = ScanOrigin(session.subject, session.session, choice.stem, choice.notes)
        tasks.append(replace(task, inputs=choice.images, origin=origin))
    return tasks, others


def follow_tasks(sessions: Sequence[Session], layout: Layout, options: SearchOptions) -> list[FollowTask]:
    """Return a task for each subject with two or more visits that have a result."""
    visits: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for session in sessions:
        outcome = read_outcome(layout.scans / f"{session.name}.json")
        if session.session is not None and outcome is not None and outcome.succeeded:
            visits[session.subject].append((session.session, layout.results / session.name))
    return [
        FollowTask(
            name=f"sub-{subject}",
            visits=tuple(found),
            out=layout.followup_result(subject),
            note=layout.followup_note(subject),
            options=options,
            origin=ScanOrigin(subject),
        )
        for subject, found in visits.items()
        if len(found) > 1
    ]


def _scan_published(outcome: Outcome, layout: Layout, raw: Path) -> Outcome:
    note = layout.scans / f"{outcome.name}.json"
    if outcome.state != "kept":
        # Until it is made anew: a run that ends before would leave what is new against another result.
        _end_followups({str(outcome.subject)}, layout)
    if not outcome.succeeded:
        return _published(outcome, note, lambda: withdraw_scan(outcome, layout))
    return _published(outcome, note, lambda: publish_scan(outcome, layout, raw))


def _followup_published(outcome: Outcome, layout: Layout) -> Outcome:
    subject = str(outcome.subject)
    act = publish_followup if outcome.succeeded else withdraw_followup
    return _published(outcome, layout.followup_note(subject), lambda: act(subject, layout))


def _published(outcome: Outcome, note: Path, act: Callable[[], None]) -> Outcome:
    """Write derivatives, or remove those of a failed one; a result that can't be published is a failed one."""
    try:
        act()
    except (InputError, OSError) as error:
        sentence = outcome.sentence or f"No derivatives: {error}"
        outcome = outcome.model_copy(update={"state": "failed", "sentence": sentence})
        write_outcome(outcome, note)
    return outcome


def _end_followups(subjects: Collection[str], layout: Layout) -> None:
    """Forget earlier follow-ups of subjects that have fewer than two visits with a result now."""
    for subject in subjects:
        withdraw_followup(subject, layout)
        layout.followup_note(subject).unlink(missing_ok=True)


def _forget_gone(request: AppRequest, subjects: Collection[str], layout: Layout) -> None:
    """Remove notes and derivatives of sessions that the data set no longer has.

    Subjects that are gone lose theirs only if all were asked for. Results stay: a reader may have signed them.
    """
    there, all_asked = session_names(request.bids_dir), not request.subjects and not request.sessions
    for outcome in read_outcomes(layout.scans):
        subject = str(outcome.subject)
        if outcome.name in there or not (all_asked or subject in subjects):
            continue
        withdraw_scan(outcome, layout)
        (layout.scans / f"{outcome.name}.json").unlink()
        if subject not in subjects:
            _end_followups({subject}, layout)
            layout.page(subject).unlink(missing_ok=True)


def _more(outcome: Outcome, followup: FollowUp | None) -> dict[str, Any]:
    """Return the columns that the follow-up of its subject adds to a scan's row."""
    if followup is None or not outcome.succeeded:
        return {}
    if followup.sentence is not None:
        return {"message": f"Not followed up: {followup.sentence}"}
    steps = {step.session: step for step in followup.steps}
    step = steps.get(outcome.session or "")
    if step is None:
        return {}
    if step.new is None:
        return {"message": NOT_ALIGNED}
    return {"new": step.new, "new_so_far": step.new_so_far, "aria_h": step.aria_h}


def _write_pages(layout: Layout, subjects: Sequence[str]) -> None:
    """Write the page of each subject, and how to cite all that is there."""
    outcomes = read_outcomes(layout.scans)
    for subject in subjects:
        own = [outcome for outcome in outcomes if outcome.subject == subject]
        write_subject_page(subject, own, layout)
    _cite(layout, [entry_of(outcome, layout.results / outcome.name) for outcome in outcomes])


def _cite(layout: Layout, entries: Sequence[Entry]) -> None:
    path = layout.logs / "settings.json"
    compute: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    compute.pop("asked_device", None)
    records = [entry.record for entry in entries if entry.record is not None]
    followed = any(outcome.succeeded for outcome in read_outcomes(layout.followups))
    write_citation(layout, records, compute, followed=followed)
