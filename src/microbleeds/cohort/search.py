"""What a worker does with one scan: keep a finished result, or search, and note what became of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

import torch

from microbleeds import pipeline
from microbleeds.atomic import sweep
from microbleeds.cohort.fingerprint import scan_fingerprint
from microbleeds.cohort.task import Outcome, ScanTask, Task, outcome_of, read_outcome, write_outcome
from microbleeds.errors import InputError
from microbleeds.pipeline import RESULT_FILES, Request
from microbleeds.report.review.signed_folder import holds_reading
from microbleeds.report.run_record import sha256_of
from microbleeds.report.searched import read_run

SIGNED = (
    "Kept as a reader signed it, though files, options or version are others now; take the signed result away to "
    "search anew."
)


def run_pipeline(task: ScanTask) -> None:
    """Search a scan with the threads that were settled: their number changes the last bits of sums.

    Raises:
        InputError: if the files or the folder can't be used.
    """
    torch.set_num_threads(task.options.threads)
    pipeline.run(request_of(task))


def search(task: ScanTask, run: Callable[[ScanTask], Any] = run_pipeline) -> Outcome:
    """Search a scan unless that is done already; never raises for what is wrong with one scan.

    Args:
        task: what to do.
        run: what searches.
    """

    def work() -> Outcome:
        fingerprint = scan_fingerprint(task)
        if is_finished(task, fingerprint):
            return outcome_of(task, "kept", fingerprint=fingerprint)
        if _is_result(task) and holds_reading(task.out):
            _refuse_another(task)
            return outcome_of(task, "kept", sentence=SIGNED)
        sweep(task.out)  # a worker dies by a signal that nothing can catch
        start = time.perf_counter()
        run(task)
        seconds = time.perf_counter() - start
        return outcome_of(task, "done", fingerprint=fingerprint, seconds=seconds)

    return attempted(task, work)


def attempted(task: Task, work: Callable[[], Outcome]) -> Outcome:
    """Do a task's work; what goes wrong becomes its sentence, so that it can't stop the others."""
    try:
        outcome = work()
    except InputError as error:
        outcome = outcome_of(task, "failed", sentence=str(error))
    except Exception as error:
        sentence = f"An unexpected error, {type(error).__name__}: {error}"
        outcome = outcome_of(task, "failed", sentence=sentence, traceback=traceback.format_exc())
    if outcome.state != "kept" or outcome.sentence:
        write_outcome(outcome, task.note)
    return outcome


def _refuse_another(task: ScanTask) -> None:
    """Refuse a signed result of another scan: names by the order of a list move when the list does.

    Raises:
        InputError: if neither path nor content of an image is what was searched.
    """
    try:
        before = read_run(task.out)
    except InputError:  # nothing says what was searched
        return
    if before is None:
        return
    for role, path in task.inputs.items():
        searched = before.inputs_sha256.get(role)
        same_path = str(before.options.get(role)) == str(path)
        if searched is not None and not same_path and path.is_file() and searched != sha256_of(path):
            raise InputError(
                f"{task.out} holds a signed result of another scan than {path}; give the scans names of their own"
                " in a table, or take the signed result away."
            )


def is_finished(task: ScanTask, fingerprint: str) -> bool:
    """Whether an earlier run finished this very task."""
    before = read_outcome(task.note)
    if before is None or not before.succeeded or before.fingerprint != fingerprint:
        return False
    return _is_result(task)


def _is_result(task: ScanTask) -> bool:
    """Whether there is a whole result."""
    return all((task.out / name).is_file() for name in RESULT_FILES)


def request_of(task: ScanTask) -> Request:
    """Return the request to the pipeline; an earlier result of the same name gives way."""
    options = task.options
    return Request(
        out=task.out,
        swi=task.inputs.get("swi"),
        magnitude=task.inputs.get("magnitude"),
        phase=task.inputs.get("phase"),
        phase_sign=options.phase_sign,
        operating_point=options.operating_point,
        weights=options.weights,
        device=options.device,
        precision=options.precision,
        overwrite=True,
    )
