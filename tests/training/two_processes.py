"""Trains toys in two processes; run by test_several_processes.py, which reads what each process leaves.

Usage: python two_processes.py OUT
"""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from toy_subjects import toy_preset, toy_subject

from microbleeds.compute import choose
from microbleeds.training.batches import FixedSubjects
from microbleeds.training.loop import fit
from microbleeds.training.processes import start_fabric
from microbleeds.training.stream import ReplayBuffer
from microbleeds.training.subjects import save_subject
from microbleeds.training.trainer import RunSettings, Trainer


class Killed(Exception):
    """Stands for a kill of all processes."""


class DyingSubjects(FixedSubjects):
    """Dies in each process when it is asked too often."""

    left = 6

    def subjects(self):  # type: ignore[no-untyped-def]
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().subjects()


def note(trainer: Trainer) -> None:
    """Write what this process's weights are; norms' statistics are each process's own between two steps."""
    numbers = [p.detach().contiguous().view(-1) for p in trainer.objective.parameters()]
    digest = hashlib.sha256(torch.cat(numbers).numpy().tobytes()).hexdigest()
    path = trainer.settings.out / f"rank-{trainer.fabric.global_rank}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{trainer.step} {digest}\n")


def main(out: Path) -> None:
    """Run all toys."""
    torch.set_num_threads(1)
    fabric = start_fabric(choose("cpu", "float32"), 2)
    save = Trainer.save

    def noted_save(trainer: Trainer) -> None:
        note(trainer)
        save(trainer)

    Trainer.save = noted_save  # type: ignore[method-assign]
    train, validate = [toy_subject(n) for n in range(3)], [toy_subject(9)]
    settings = RunSettings(out, "toy", device="cpu", precision="float32", devices=2, workers=0)
    preset = toy_preset(steps=6, validate_every=3, mine_every=3)
    fit(FixedSubjects(train), validate, preset, replace(settings, out=out / "whole"), fabric=fabric)
    parts = replace(settings, out=out / "parts")
    try:
        fit(DyingSubjects(train), validate, preset, parts, fabric=fabric)
    except Killed:
        (parts.out / f"killed-{fabric.global_rank}.txt").touch()
        fabric.barrier()
    fit(FixedSubjects(train), validate, preset, parts, fabric=fabric)

    spool = out / "streamed" / f"spool-{fabric.global_rank}"
    for index in range(1 + fabric.global_rank):
        save_subject(toy_subject(10 * fabric.global_rank + index), spool / f"{index:06d}")
    streamed = replace(settings, out=out / "streamed")
    fit(ReplayBuffer(spool, 5), [], toy_preset(steps=2, mine_every=0), streamed, fabric=fabric)

    clock = time.monotonic  # the second process's goes five times as fast
    time.monotonic = lambda: clock() * (1 + 4 * fabric.global_rank)  # type: ignore[assignment]
    limited = replace(settings, out=out / "limited", time_limit_minutes=0.04)
    fit(FixedSubjects(train), [], toy_preset(steps=10**6, mine_every=0), limited, fabric=fabric)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
