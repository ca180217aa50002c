from __future__ import annotations

from collections.abc import Iterator

import pytest

from microbleeds.training.step_clock import StepClock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    time = [0.0]
    monkeypatch.setattr("microbleeds.training.step_clock.time.monotonic", lambda: time[0])
    return time


def items(now: list[float], seconds: float, count: int) -> Iterator[int]:
    for number in range(count):
        now[0] += seconds
        yield number


def test_share_and_rate_by_hand(now: list[float]) -> None:
    clock = StepClock()
    assert clock.figures() == {}
    for _ in clock.waiting(items(now, 1.0, 4)):
        with clock.step():
            now[0] += 3.0
        now[0] += 100.0  # a checkpoint, say
    assert clock.figures() == {"steps_per_second": 0.25, "data_share": 0.25}
    assert clock.lap() == clock.figures()
    assert clock.lap() == {}


def test_goes_on_and_ends_early(now: list[float]) -> None:
    clock = StepClock(*StepClock(10, 10.0, 0.0).state())
    for _ in clock.waiting(items(now, 10.0, 9)):
        with clock.step():
            pass
        break
    assert clock.steps == 11
    assert clock.figures()["data_share"] == pytest.approx(0.5)
    assert clock.lap() == {"steps_per_second": 0.1, "data_share": 1.0}
