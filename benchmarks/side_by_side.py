"""Searches of many scans in processes side by side; what each writes is the same as by one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from rich.progress import track


def side_by_side(calls: Sequence[Callable[[], object]], jobs: int, description: str) -> None:
    """Carry out calls that write their result themselves, in ``jobs`` processes.

    Args:
        calls: picklable where ``jobs`` is more than one.
        jobs: processes; they share the cores.
        description: of the progress bar.
    """
    if jobs == 1:
        for call in track(calls, description=description):
            call()
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Spawned: a process forked after torch has used its threads can hang.
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        waiting = [pool.submit(call) for call in calls]
        for one in track(waiting, description=description):
            one.result()
