"""Carry out tasks on a pool, one row each: a task that fails, or kills its worker, never stops the rest.

Whatever was on a worker that died is suspect, guilty or not; suspects are tried again at the end, one at a time,
so that only the one which kills its worker fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
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
    *,
    abreast: int = 1,
) -> list[Outcome]:
    """Do every task and return what became of them, in the order of ``tasks``.

    Args:
        tasks: with different names.
        work: called in a worker with one task; importable there.
        client: of the pool.
        finished: called here with each outcome as it arrives.
        abreast: hand out at least so many at once, for workers that a queue has yet to start.
    """
    outcomes: dict[str, Outcome] = {}

    def settle(task: Kind, outcome: Outcome) -> None:
        outcomes[task.name] = outcome
        finished(outcome)

    suspects: list[Kind] = []
    for task, future in _carried_out(tasks, work, client, abreast):
        if _worker_died(future):
            suspects.append(task)
        else:
            settle(task, _outcome(future, task))
    for suspect in suspects:
        for task, future in _carried_out([suspect], work, client, 1):
            settle(task, _outcome(future, task))
    return [outcomes[task.name] for task in tasks]


def _carried_out(
    tasks: Sequence[Kind], work: Callable[[Kind], Outcome], client: Client, abreast: int
) -> Iterator[tuple[Kind, Future]]:
    """Yield tasks with their ended futures; no more are out than workers are there, so that few become suspect."""
    from distributed import as_completed

    waiting, run = deque(tasks), uuid4().hex
    out: dict[Any, Kind] = {}
    ended = as_completed(loop=client.loop)
    while waiting or out:
        while waiting and len(out) < max(abreast, len(client.nthreads())):
            task = waiting.popleft()
            future = client.submit(work, task, key=f"{task.name}-{run}", retries=0)
            out[future.key] = task
            ended.add(future)
        future = next(ended)
        yield out.pop(future.key), future


def _worker_died(future: Future) -> bool:
    return future.status == "error" and type(future.exception()).__name__ == "KilledWorker"


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
    if _worker_died(future):
        return (
            "The process that searched it died twice, most likely for want of memory; run it again with fewer "
            "workers (--n-procs)."
        )
    error = future.exception()
    return f"An unexpected error, {type(error).__name__}: {error}"
