"""The best weights of a run so far, by the FROC curve of its validations, and when to give up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def merit_of(scores: Mapping[str, float]) -> float:
    """One number for a validation; NaN where no microbleed was there to be found.

    The sensitivity at one false positive alone moves in steps of one bleed; the mean over the curve breaks ties.
    """
    return scores["sensitivity_at_1_fp"] + 0.1 * scores["mean_sensitivity"]


class Best:
    """What the best validation was, with its weights, kept in the checkpoint with all else.

    Attributes:
        merit: of the best so far, -1 before the first.
        step: at which it was.
        since: validations since then without a better one.
        weights: of the best; ``None`` before the first.
        scores: of the best.
    """

    def __init__(self) -> None:
        self.merit, self.step, self.since = -1.0, 0, 0
        self.weights: dict[str, Tensor] | None = None
        self.scores: dict[str, float] = {}

    def offer(self, scores: Mapping[str, float], weights: Mapping[str, Tensor], step: int) -> bool:
        """Take in a validation; whether it is the best.

        An equal one counts as better, since later weights have seen more; but not as a reason to go on, or a
        validation on which all is found already would never stop.
        """
        merit = merit_of(scores)
        if math.isnan(merit):
            return False
        self.since = 0 if merit > self.merit else self.since + 1
        if merit < self.merit:
            return False
        self.merit, self.step, self.scores = merit, step, dict(scores)
        self.weights = {name: value.detach().clone() for name, value in weights.items()}
        return True

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return dict(vars(self))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what :meth:`state` gave."""
        for name in vars(self):
            setattr(self, name, state[name])
