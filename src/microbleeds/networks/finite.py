"""A network's answer, asked again where it is not finite.

oneDNN's bfloat16 convolutions on the processor now and then return NaN (torch 2.13; training leaves such steps
out). In a search NaN would pass for "nothing there": no candidate is larger than it, and a report without
findings looks like a healthy brain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor

TRIES = 3
Answer = TypeVar("Answer", bound=Iterable[Tensor])
log = logging.getLogger(__name__)


def finite(ask: Callable[[], Answer]) -> Answer:
    """Return the first answer whose tensors are all finite.

    Raises:
        FloatingPointError: if none of :data:`TRIES` answers is.
    """
    for attempt in range(1, TRIES + 1):
        answer = ask()
        # What is not finite stays so in the sum, which is taken four times as fast as every number is looked at.
        if all(bool(torch.isfinite(tensor.sum(dtype=torch.float32))) for tensor in answer):
            return answer
        log.warning("The network's answer is not finite (try %d of %d).", attempt, TRIES)
    raise FloatingPointError(
        "The network's answer is not finite: broken weights, voxels beyond all bounds, or arithmetic that this "
        "machine gets wrong. Nothing was searched."
    )
