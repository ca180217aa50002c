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
