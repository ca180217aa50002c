"""A subject's visits are followed up: one task, and its derivatives.

The result holds `steps.json` and a folder for each comparison; a visit is compared with the first and with the one
before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from microbleeds.atomic import atomic_folder, sweep
from microbleeds.bids.dictionaries import LESIONS, SESSIONS, generated_by, write_dictionary, write_rows
from microbleeds.bids.layout import Layout
from microbleeds.bids.publish import placed
from microbleeds.cohort.fingerprint import digest
from microbleeds.cohort.search import attempted
from microbleeds.cohort.task import Outcome, ScanOrigin, SearchOptions, outcome_of, read_outcome
from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.followup import Comparison, Rule, Series, Visit, follow, load_visit, write_comparison
from microbleeds.report.record import Strict
from microbleeds.report.review.signed_folder import holds_reading
from microbleeds.report.run_record import sha256_of

_STEPS = "steps.json"
SIGNED = "Kept, since a reader signed comparisons of it."


@dataclass(frozen=True)
class FollowTask:
    """Follow up one subject.

    Args:
        name: unique in its run.
        visits: label of each session and the result of its scan, the earliest first.
        out: folder of the result.
        note: file of the outcome.
        options: device, precision and threads.
        origin: whose visits they are.
    """

    name: str
    visits: tuple[tuple[str, Path], ...]
    out: Path
    note: Path
    options: SearchOptions
    origin: ScanOrigin


class StepRecord(Strict):
    """One visit after the first."""

    session: str
    microbleeds: int
    first: str
    previous: str
    aligned: bool
    new: int | None
    new_so_far: int | None
    aria_h: str | None


class StepsRecord(Strict):
    """What `steps.json` holds."""

    first: str
    first_microbleeds: int
    steps: list[StepRecord]
    fingerprint: str | None = None  # of what was compared; files of before November 2026 have none


@dataclass(frozen=True)
class FollowUp:
    """What is known of a subject's follow-up: its steps, or a sentence that says why there are none."""

    steps: tuple[StepRecord, ...] = ()
    sentence: str | None = None


def follow_up(
    task: FollowTask,
    load: Callable[..., Visit] = load_visit,
    compare: Callable[[Sequence[Visit]], Series] = follow,
    write: Callable[[Comparison, Visit, Visit, Path], None] = write_comparison,
) -> Outcome:
    """Compare a subject's visits unless that is done already; never raises for what is wrong with one subject.

    Args:
        task: what to do.
        load: reads a visit.
        compare: compares visits.
        write: writes a comparison.
    """

    def work() -> Outcome:
        found = {label: sha256_of(result / "findings.json") for label, result in task.visits}
        asked = {"visits": list(found.items()), "precision": task.options.precision, "rule": asdict(Rule())}
        fingerprint = digest(asked)
        if _is_finished(task, fingerprint):
            return outcome_of(task, "kept", fingerprint=fingerprint)
        if holds_reading(task.out):
            if _is_of(task, fingerprint):  # the note was removed, since a visit was missing once
                return outcome_of(task, "kept", fingerprint=fingerprint, sentence=SIGNED)
            raise InputError(
                f"The comparisons {task.out} hold what a reader signed, and the visits' results or the rule are "
                "others now; take the folder away to compare anew."
            )
        sweep(task.out)
        start = time.perf_counter()
        options = task.options
        compute = choose(options.device, options.precision, options.threads)
        visits = [load(result, name=f"ses-{label}", compute=compute) for label, result in task.visits]
        _write_series(task, visits, compare(visits), write, fingerprint)
        seconds = time.perf_counter() - start
        return outcome_of(task, "done", fingerprint=fingerprint, seconds=seconds)

    return attempted(task, work)


def read_steps(result: Path) -> StepsRecord:
    """Read what a follow-up found.

    Raises:
        InputError: if it isn't there, or is damaged.
    """
    try:
        return StepsRecord.model_validate_json((result / _STEPS).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(
            f"The follow-up {result} can't be read ({type(error).__name__}); run the participant level again."
        ) from error


def read_followup(subject: str, layout: Layout) -> FollowUp | None:
    """Return what is known of a subject's follow-up; ``None`` if there is none."""
    outcome = read_outcome(layout.followup_note(subject))
    if outcome is None:
        return None
    if not outcome.succeeded:
        return FollowUp(sentence=outcome.sentence)
    try:
        return FollowUp(tuple(read_steps(layout.followup_result(subject)).steps))
    except InputError as error:
        return FollowUp(sentence=str(error))


def publish_followup(subject: str, layout: Layout) -> None:
    """Write the derivatives of a subject's follow-up; those of an earlier run give way.

    Raises:
        InputError: if its result can't be read.
    """
    result = layout.followup_result(subject)
    found = read_steps(result)
    earlier = _earlier(subject, layout)
    present: list[str] = []
    for step in found.steps:
        for since in dict.fromkeys((step.first, step.previous)):
            source = result / _pair(step.session, since)
            stem = f"sub-{subject}_ses-{step.session}_desc-since{since}"
            present.append(f"{stem}_")
            anat = layout.folder(subject, step.session, "anat")
            placed(source / "comparison.json", anat / f"{stem}_comparison.json")
            placed(source / "comparison.tsv", anat / f"{stem}_lesions.tsv")
            write_dictionary(LESIONS, anat / f"{stem}_lesions.json", GeneratedBy=generated_by())
            figures = layout.folder(subject, step.session, "figures")
            placed(source / "comparison.html", figures / f"{stem}_comparison.html")
    table = layout.sessions_table(subject)
    write_rows(list(SESSIONS), _rows(found), table)
    write_dictionary(SESSIONS, table.with_suffix(".json"), Description="What is new at each session.")
    # Last, so that a kill or a full disk leaves the earlier ones.
    for path in earlier:
        if not path.name.startswith(tuple(present)):
            path.unlink()


def withdraw_followup(subject: str, layout: Layout) -> None:
    """Remove the derivatives that an earlier run wrote of a follow-up that has no result any more."""
    table = layout.sessions_table(subject)
    for path in (*_earlier(subject, layout), table, table.with_suffix(".json")):
        path.unlink(missing_ok=True)


def _earlier(subject: str, layout: Layout) -> list[Path]:
    """Comparisons of a subject's sessions that an earlier run wrote."""
    inside, name = layout.root / f"sub-{subject}", f"sub-{subject}_ses-*_desc-since*"
    return [path for kind in ("anat", "figures") for path in inside.glob(f"ses-*/{kind}/{name}")]


def _is_finished(task: FollowTask, fingerprint: str) -> bool:
    """Whether an earlier run finished this very task."""
    before = read_outcome(task.note)
    if before is None or not before.succeeded or before.fingerprint != fingerprint:
        return False
    try:
        read_steps(task.out)
    except InputError:
        return False
    return True


def _is_of(task: FollowTask, fingerprint: str) -> bool:
    """Whether the comparisons that lie there are those of this very task."""
    try:
        return read_steps(task.out).fingerprint == fingerprint
    except InputError:
        return False


def _rows(found: StepsRecord) -> list[dict[str, object]]:
    first: dict[str, object] = {"session_id": f"ses-{found.first}", "microbleeds": found.first_microbleeds}
    later = [
        {**step.model_dump(), "session_id": f"ses-{step.session}", "since": f"ses-{step.previous}"}
        for step in found.steps
    ]
    return [first, *later]


def _write_series(
    task: FollowTask,
    visits: Sequence[Visit],
    series: Series,
    write: Callable[[Comparison, Visit, Visit, Path], None],
    fingerprint: str,
) -> None:
    """Write all comparisons and `steps.json`."""
    labels = [label for label, _ in task.visits]
    steps = []
    with atomic_folder(task.out, overwrite=True) as folder:
        for n, step in enumerate(series.steps, start=1):
            for m, comparison in {0: step.since_first, n - 1: step.since_previous}.items():
                pair = folder / _pair(labels[n], labels[m])
                pair.mkdir()
                write(comparison, visits[m], visits[n], pair)
            steps.append(
                StepRecord(
                    session=labels[n],
                    microbleeds=visits[n].record.counts.total,
                    first=labels[0],
                    previous=labels[n - 1],
                    aligned=step.since_previous.registration.succeeded,
                    new=None if step.new_ids is None else len(step.new_ids),
                    new_so_far=step.new_so_far,
                    aria_h=step.aria_h,
                )
            )
        total = visits[0].record.counts.total
        record = StepsRecord(first=labels[0], first_microbleeds=total, steps=steps, fingerprint=fingerprint)
        (folder / _STEPS).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _pair(session: str, since: str) -> str:
    return f"ses-{session}_since-{since}"
