"""Steps whose loss or gradient is not finite: left out and counted; many in a row end the training."""

from __future__ import annotations

import logging

from torch import Tensor, nn

log = logging.getLogger(__name__)

MOST_LEFT_OUT = 20  # in a row


class StepsLeftOut:
    """What a training left out.

    Single ones happen: oneDNN's bfloat16 convolutions on the processor now and then return NaN for a gradient
    (torch 2.13). Many in a row mean broken weights or data.

    Args:
        what: what learns, for the messages.

    Attributes:
        total: steps left out so far; a resumed training sets what it had.
        in_a_row: since the last one that was made.
    """

    def __init__(self, what: str) -> None:
        self.what, self.total, self.in_a_row = what, 0, 0

    def took(self) -> None:
        """A step was made."""
        self.in_a_row = 0

    def leave_out(self, step: int, network: nn.Module, before: list[Tensor]) -> None:
        """Count a step that is not made, and put back the network's buffers: norms may have averaged in NaN.

        Args:
            step: its number, for the messages.
            network: what learns.
            before: what :func:`copy_buffers` gave before the step.

        Raises:
            FloatingPointError: if it is the last of ``MOST_LEFT_OUT`` in a row.
        """
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)
        self.total += 1
        self.in_a_row += 1
        log.warning("Step %d of %s was left out: its loss or gradient is not finite.", step, self.what)
        if self.in_a_row >= MOST_LEFT_OUT:
            raise FloatingPointError(
                f"The loss or its gradient of {self.what} was not finite in {MOST_LEFT_OUT} steps in a row (now"
                f" {step}); look for broken images, or train on another device."
            )


def copy_buffers(network: nn.Module) -> list[Tensor]:
    """Copy what a step changes beside the weights."""
    return [buffer.clone() for buffer in network.buffers()]
