"""Steps that a training leaves out."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from microbleeds.training.not_finite import MOST_LEFT_OUT, StepsLeftOut, copy_buffers


def test_what_a_step_averaged_in_is_taken_out_again() -> None:
    norm = nn.BatchNorm3d(2)
    before = copy_buffers(norm)
    norm(torch.full((1, 2, 2, 2, 2), float("nan")))
    assert norm.running_mean is not None
    assert norm.running_mean.isnan().all()
    left_out = StepsLeftOut("the network")
    left_out.leave_out(0, norm, before)
    assert all(torch.equal(one, other) for one, other in zip(norm.buffers(), before, strict=True))
    assert (left_out.total, left_out.in_a_row) == (1, 1)


def test_a_step_that_is_made_ends_the_row(caplog: pytest.LogCaptureFixture) -> None:
    left_out, network = StepsLeftOut("the network"), nn.Linear(1, 1)
    left_out.total = 3
    with caplog.at_level(logging.WARNING):
        for step in range(2 * MOST_LEFT_OUT):
            if step % MOST_LEFT_OUT == 0:
                left_out.took()
            else:
                left_out.leave_out(step, network, [])
    assert (left_out.total, left_out.in_a_row) == (3 + 2 * (MOST_LEFT_OUT - 1), MOST_LEFT_OUT - 1)
    assert "Step 1 of the network was left out" in caplog.text
    with pytest.raises(FloatingPointError, match=r"the network was not finite in 20 steps in a row \(now 40\)"):
        left_out.leave_out(40, network, [])
