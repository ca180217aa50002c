"""Carry out tasks on a pool, one row each: a task that fails, or kills its worker, never stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from microbleeds.cohort.task import Outcome, Task, outcome_of, write_outcome

if TYPE_CHECKING:
    from distributed import Client, Future

Kind = TypeVar("Kind", bound=Task)


def run_all(
    tasks: Sequence[Kind],
    work: Callable[[Kind], Outcome],
    client: Client,
    finished: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Do every task and return what became of them, in the order of ``tasks``.

    Args:
        tasks: with different names.
        work: called in a worker with one task; importable there.
        client: of the pool.
        finished: called here with each outcome as it arrives.
    """
    from distributed import as_completed

    run = uuid4().hex
    futures = {client.submit(work, task, key=f"{task.name}-{run}", retries=0): task for task in tasks}
    outcomes: dict[str, Outcome] = {}
    for future in as_completed(list(futures), loop=client.loop):
        task = futures[future]
        outcome = _outcome(future, task)
        outcomes[task.name] = outcome
        finished(outcome)
        future.release()
    return [outcomes[task.name] for task in tasks]


def _outcome(future: Future, task: Task) -> Outcome:
    """Return what the worker said, or what became of the worker."""
    if future.status == "finished":
        said = future.result()
        if isinstance(said, Outcome):
            return said
    outcome = outcome_of(task, "failed", sentence=_sentence(future))
    write_outcome(outcome, task.note)
    return outcome


def _sentence(future: Future) -> str:
    if future.status != "error":
        return f"The scheduler lost the task ({future.status}); run it again."
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        return (
            "The process that searched it died twice, most likely for want of memory; run it again with fewer "
            "workers (--n-procs)."
        )
    return f"An unexpected error, {type(error).__name__}: {error}"
