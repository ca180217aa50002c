"""Training straight from a simulator: a background process draws subjects, a replay buffer keeps the latest.

A subject that took seconds to simulate is used for many crops before it is replaced. Drawn subjects lie as
memory-mapped arrays in a spool folder, so that a resumed run starts with those of the killed one; a run that
ends well removes the folder.
"""

from __future__ import annotations

import multiprocessing
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from microbleeds.errors import InputError
from microbleeds.training.subjects import TrainingSubject, load_subject, save_subject

POLL_S = 0.2


class Draw(Protocol):
    """Draws a subject; picklable, since it runs in a process of its own.

    The same index must give the same subject.
    """

    def __call__(self, index: int) -> TrainingSubject:
        """Return subject number ``index``."""
        ...


@dataclass(frozen=True)
class EveryNth:
    """The share of an endless cohort that one of several processes draws: every n-th head with all its scans.

    Args:
        draw: the whole cohort.
        rank: of the process, from 0.
        world: number of processes.
        scans_per_head: neighbouring subjects that share a head.
    """

    draw: Draw
    rank: int
    world: int
    scans_per_head: int = 1

    def __call__(self, index: int) -> TrainingSubject:
        """Return subject number ``index`` of this process."""
        head, number = divmod(index, self.scans_per_head)
        return self.draw((head * self.world + self.rank) * self.scans_per_head + number)


class ReplayBuffer:
    """The latest subjects of a spool folder; a :class:`~microbleeds.training.batches.SubjectSource`.

    Unlike with a fixed data set, a batch depends on how far the simulator has come.

    Args:
        spool: folder that the drawing process writes to.
        capacity: subjects kept.
        first: subjects to wait for before training begins.

    Attributes:
        drawn: subjects that were seen so far, those dropped since included.
    """

    def __init__(self, spool: Path, capacity: int, first: int = 1) -> None:
        self.spool, self.capacity, self.first = spool, capacity, first
        self.drawn = 0
        self._drawing: BaseProcess | None = None
        self._open: dict[str, TrainingSubject] = {}
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def subjects(self) -> Sequence[TrainingSubject]:
        """The present subjects; looks for new ones at most every few tenths of a second.

        Raises:
            InputError: if the drawing process has ended.
        """
        with self._lock:  # batches are made in threads
            if time.monotonic() - self._looked_at > POLL_S:
                self._refresh()
                self._looked_at = time.monotonic()
            return list(self._open.values())

    def _refresh(self) -> None:
        """Open new subjects, forget and delete the oldest beyond the capacity."""
        self._check_drawing()
        folders = subject_folders(self.spool)
        for folder in folders[: -self.capacity]:
            # An open memory map stays valid on POSIX systems after its file is gone.
            shutil.rmtree(folder, ignore_errors=True)
        kept = folders[-self.capacity :]
        self._open = {folder.name: self._open.get(folder.name) or load_subject(folder) for folder in kept}
        if kept:
            self.drawn = max(self.drawn, int(kept[-1].name) + 1)

    def wait(self, drawing: BaseProcess) -> None:
        """Wait until ``first`` subjects are there; from now on the end of ``drawing`` is an error.

        Raises:
            InputError: if the drawing process ends before.
        """
        self._drawing = drawing
        while len(subject_folders(self.spool)) < self.first:
            self._check_drawing()
            time.sleep(POLL_S)

    def _check_drawing(self) -> None:
        """Raise if the drawing process has ended: training would go round and round on the same subjects."""
        if self._drawing is not None and not self._drawing.is_alive():
            code = self._drawing.exitcode
            raise InputError(
                f"The simulator stopped (exit code {code}); see its message and start again to go on."
            )


def subject_folders(spool: Path) -> list[Path]:
    """Folders of whole subjects, oldest index first (partial ones begin with a dot)."""
    return sorted(path for path in spool.glob("[0-9]*") if path.is_dir())


def draw_forever(draw: Draw, spool: Path, start: int, ahead: int) -> None:
    """Draw subject after subject into ``spool``, pausing while ``ahead`` wait to be taken over.

    The buffer deletes what it has dropped, so the number of folders says how far ahead the drawing is. It ends
    when the process that started it is gone, even if that was killed and could not end it.
    """
    index, parent = start, multiprocessing.parent_process()
    while parent is None or parent.is_alive():
        if len(subject_folders(spool)) >= ahead:
            time.sleep(POLL_S)
            continue
        save_subject(draw(index), spool / f"{index:06d}")
        index += 1


@contextmanager
def streamed(draw: Draw, spool: Path, *, capacity: int = 24, first: int = 4) -> Iterator[ReplayBuffer]:
    """Run ``draw`` in the background and yield the buffer that it fills.

    Args:
        draw: the simulator.
        spool: folder for drawn subjects; those already there are kept in use, and half-written ones are
            removed. It is removed when the block ends well.
        capacity: subjects kept; each is used about capacity times (seconds per subject / seconds per step)
            batches long.
        first: subjects to wait for.
    """
    spool.mkdir(parents=True, exist_ok=True)
    for left_over in spool.glob(".*"):  # of a killed drawing process
        shutil.rmtree(left_over, ignore_errors=True)
    there = subject_folders(spool)
    start = int(there[-1].name) + 1 if there else 0
    # Spawned: a process forked after torch has used its threads can hang.
    process = multiprocessing.get_context("spawn").Process(
        target=draw_forever, args=(draw, spool, start, capacity + 2), daemon=True
    )
    process.start()
    buffer = ReplayBuffer(spool, capacity, first)
    try:
        buffer.wait(process)
        yield buffer
    finally:
        process.terminate()
        process.join()
    shutil.rmtree(spool, ignore_errors=True)
