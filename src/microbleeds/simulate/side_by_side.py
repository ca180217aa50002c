"""Heads are simulated one after the other, or side by side in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

import torch

Done = TypeVar("Done")


def each_head(work: Callable[[int], Done], heads: Sequence[int], jobs: int) -> Iterator[Done]:
    """Work head by head and yield what it gives, in the order in which heads are done.

    Args:
        work: what to do with a head; processes get a copy of it.
        heads: their numbers.
        jobs: processes side by side, which share the threads of this one.
    """
    if jobs == 1:
        yield from map(work, heads)
        return
    threads = max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        asked = [pool.submit(work, head) for head in heads]
        try:
            for done in as_completed(asked):
                yield done.result()
        finally:  # of a run that is ended what was begun is finished, and the rest is not waited for
            for head in asked:
                head.cancel()
