"""How fast a run steps, and how much of that time it waits for data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class StepClock:
    """Seconds of optimiser steps: making them, and waiting for their batches.

    Searches for hard negatives, validations and checkpoints are no steps and don't count.

    Args:
        steps: made so far, over all parts of a run.
        worked_s: spent in them.
        waited_s: spent waiting for their batches.
    """

    def __init__(self, steps: int = 0, worked_s: float = 0.0, waited_s: float = 0.0) -> None:
        self.steps, self.worked_s, self.waited_s = steps, worked_s, waited_s
        self._lap = self.state()

    def state(self) -> list[float]:
        """Return what makes a clock that goes on from here: ``StepClock(*state)``."""
        return [self.steps, self.worked_s, self.waited_s]

    def waiting(self, items: Iterator[Item]) -> Iterator[Item]:
        """Pass items on and count the time until each is there."""
        while True:
            start = time.monotonic()
            try:
                item = next(items)
            except StopIteration:
                return
            self.waited_s += time.monotonic() - start
            yield item

    @contextmanager
    def step(self) -> Iterator[None]:
        """Count the time of the block as that of one step."""
        start = time.monotonic()
        yield
        self.worked_s += time.monotonic() - start
        self.steps += 1

    def figures(self) -> dict[str, float]:
        """Steps per second and the share of time in data over the whole run; empty before the first step."""
        return _figures(*self.state())

    def lap(self) -> dict[str, float]:
        """The same since the last call."""
        now, before = self.state(), self._lap
        self._lap = now
        return _figures(*(a - b for a, b in zip(now, before, strict=True)))


def _figures(steps: float, worked_s: float, waited_s: float) -> dict[str, float]:
    """Rates of some steps."""
    total_s = worked_s + waited_s
    if not steps or not total_s:
        return {}
    return {"steps_per_second": steps / total_s, "data_share": waited_s / total_s}
