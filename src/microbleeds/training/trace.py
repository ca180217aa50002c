"""What a run leaves to look at: curves, and a watch over the prototypes."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from microbleeds.atomic import atomic_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

SECOND_STAGE = "refinement/"  # how names of its curves begin; their steps are its own


class Trace:
    """Curves in ``metrics.jsonl`` (one line an entry) and in TensorBoard.

    Args:
        out: run folder.
        step: step at which the run goes on; later entries of a killed part are dropped.
        validated_at: step of the last validation that the run remembers; later ones are made again.
    """

    def __init__(self, out: Path, step: int, validated_at: int | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second; only training needs it

        self._path = out / "metrics.jsonl"
        self._board: SummaryWriter = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)
        self._keep(lambda entry: _remembered(entry, step, validated_at))

    def forget(self, prefix: str, step: int) -> None:
        """Drop entries of curves whose names begin so and that were made after a step."""
        self._keep(lambda entry: entry["step"] <= step or not _is_of(entry, prefix))

    def _keep(self, wanted: Callable[[Mapping[str, float]], bool]) -> None:
        """Drop entries that are not wanted, and what a killed run left of its last."""
        if not self._path.exists():
            return
        lines = [line for line in self._path.read_text(encoding="utf-8").splitlines() if _whole(line)]
        kept = [line for line in lines if wanted(json.loads(line))]
        with atomic_file(self._path) as partial:
            partial.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add an entry."""
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        # JSON has no NaN, which is what a figure is that no scan defines.
        rounded = {name: float(f"{value:.6g}") for name, value in values.items() if math.isfinite(value)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **rounded}) + "\n")

    def close(self) -> None:
        """Flush."""
        self._board.close()


def _whole(line: str) -> bool:
    """Whether a line is complete (a killed run may leave half of its last)."""
    return line.startswith("{") and line.endswith("}")


def _remembered(entry: Mapping[str, float], step: int, validated_at: int | None) -> bool:
    """Whether an entry of the curves was written before the checkpoint from which a run goes on."""
    if _is_of(entry, SECOND_STAGE):  # which forgets for itself
        return True
    is_validation = _is_of(entry, "validation/")
    return entry["step"] <= (step if validated_at is None or not is_validation else validated_at)


def _is_of(entry: Mapping[str, float], prefix: str) -> bool:
    """Whether an entry is of curves whose names begin so."""
    return any(name.startswith(prefix) for name in entry)


WATCH_PATIENCE = 300  # steps that prototypes have to leave their start


class PrototypeWatch:
    """Tells when prototypes do not train: their loss stays near 1, as if both were the same.

    Args:
        patience: observations before it judges.
        momentum: of the running mean.
    """

    def __init__(self, patience: int = WATCH_PATIENCE, momentum: float = 0.99) -> None:
        self.patience = patience
        self.momentum = momentum
        self.mean = 1.0
        self.count = 0

    @property
    def failing(self) -> bool:
        """Whether the running mean of L_con is still within 0.1 of 1."""
        return self.count >= self.patience and abs(self.mean - 1) < 0.1

    def observe(self, concentration: float) -> None:
        """Take in one value of L_con."""
        self.mean = self.momentum * self.mean + (1 - self.momentum) * concentration
        self.count += 1
        if self.failing and self.count % self.patience == 0:
            log.warning(
                "THE PROTOTYPES DO NOT TRAIN: L_con is %.2f after %d steps (1: both equally far).",
                self.mean,
                self.count,
            )
