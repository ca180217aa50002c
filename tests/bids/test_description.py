"""What the paragraph for a paper says of thresholds."""

from __future__ import annotations

from made_up import record
from microbleeds.bids.description import citation
from microbleeds.report.record import Record


def cut_at(one: Record, cut: float) -> Record:
    point = one.model.operating_point.model_copy(update={"cut": cut})
    return one.model_copy(update={"model": one.model.model_copy(update={"operating_point": point})})


def test_one_threshold_is_said_once() -> None:
    said = citation([record([]), record([], phase=None)], {}, followed=False)
    assert said.count("'balanced' (score from 0.20)") == 1


def test_those_with_and_without_phase_are_told_apart() -> None:
    said = citation([record([]), cut_at(record([], phase=None), 0.41)], {}, followed=False)
    assert "'balanced' (score from 0.20 with phase); 'balanced' (score from 0.41 without phase)" in said
