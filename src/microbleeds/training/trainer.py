"""The state of a run and what can be done with it: one step, a search for hard negatives, a validation.

A run is a function of its seed: the batch of a step depends on seed and step alone, so that a run that was
killed and resumed gives the same weights as one that was not (on the same machine, without a time limit).
Several processes make each step together and must decide alike: what a clock or a validation says is what the
first process says.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from microbleeds.compute import Precision, choose, device_named
from microbleeds.detect import DetectSettings
from microbleeds.errors import InputError
from microbleeds.networks.detector import Detector, channels_last
from microbleeds.training.batches import Batch, SubjectSource
from microbleeds.training.best import Best
from microbleeds.training.checkpoint import State, load_checkpoint, save_checkpoint
from microbleeds.training.crops import Points
from microbleeds.training.mining import mine, searched_for_negatives
from microbleeds.training.not_finite import StepsLeftOut, copy_buffers
from microbleeds.training.objective import Objective, WeightAverage
from microbleeds.training.optimiser import build_optimiser
from microbleeds.training.presets import Preset
from microbleeds.training.processes import fabric_devices, start_fabric
from microbleeds.training.schedule import progress, rate_factor
from microbleeds.training.scoring import SubjectScore, curve_of, score_subjects, summary
from microbleeds.training.start import Start
from microbleeds.training.step_clock import StepClock
from microbleeds.training.stream import ReplayBuffer
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trace import WATCH_PATIENCE, PrototypeWatch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

RAW_FLOOR = 0.01  # of uncalibrated scores in validation; calibration may raise them
# With a second stage: it is asked of few, and puts most of them far below what the screening point may be.
REFINED_RAW_FLOOR = 1e-4


def raw_floor(model: Detector) -> float:
    """Lowest uncalibrated score that is asked of weights when they are judged."""
    return RAW_FLOOR if model.refinement is None else REFINED_RAW_FLOOR


@dataclass(frozen=True)
class RunSettings:
    """Of a run, but not of its result; see :func:`microbleeds.training.train`.

    Args:
        data: what the weights learn from, in words for the card.
        simulated: whether that is simulated.
    """

    out: Path
    data: str
    simulated: bool = True
    seed: int = 0
    time_limit_minutes: float | None = None
    device: str = "auto"
    precision: Precision = "auto"
    devices: int = 1
    workers: int = 1

    def __post_init__(self) -> None:
        limit = self.time_limit_minutes
        if limit is not None and not 0 < limit < math.inf:
            raise InputError(f"A training can't end within {limit:g} minutes; give a time above 0, or no limit.")
        fabric_devices(device_named(self.device), self.devices)  # before hours of preparing, not after


class Trainer:
    """Everything that changes during a run.

    Args:
        preset: what to do.
        settings: where and how.
        start: weights to go on from; random ones if ``None``.
        fabric: where it was started before; started here if ``None``.
    """

    def __init__(
        self, preset: Preset, settings: RunSettings, start: Start | None = None, fabric: Fabric | None = None
    ) -> None:
        self.preset, self.settings, self.start = preset, settings, start
        self.compute = choose(settings.device, settings.precision)
        self.fabric = fabric or start_fabric(self.compute, settings.devices)
        torch.manual_seed(settings.seed)
        self.objective = channels_last(Objective(preset))
        if start is not None:
            start.put_into(self.objective)
        optimiser = build_optimiser(self.objective, preset.optimiser)
        self.module, self.optimiser = self.fabric.setup(self.objective, optimiser)
        self.average = WeightAverage(self.objective.detector, preset.optimiser.average_decay)
        # In a short run less is left after the warm-up than prototypes usually get.
        left = preset.steps - preset.losses.prototype_warmup
        self.watch = PrototypeWatch(max(1, min(WATCH_PATIENCE, left // 2)))
        self.step, self.elapsed_s = 0, 0.0
        self.mined: dict[str, Points] = {}
        # A run that goes on from weights may be judged and mined for before its first step.
        self.mined_at = self.validated_at = -1 if preset.at_start else 0
        self.best, self.clock = Best(), StepClock()
        self.recent: list[dict[str, float]] = []  # what the steps since the last entry of the curves saw
        self.subjects = 0  # seen so far; a simulator draws ever more
        self.left_out = StepsLeftOut("the detector")
        if self.checkpoint_path.exists():
            self.restore(load_checkpoint(self.checkpoint_path))
            log.info("Going on at step %d", self.step)
        self._ticked = time.monotonic()

    @property
    def checkpoint_path(self) -> Path:
        """The run's state on disk."""
        return self.settings.out / "checkpoint.pt"

    @property
    def progress(self) -> float:
        """Share of the run that is done; 1 too when it has not become better for long enough."""
        if 0 < self.preset.patience <= self.best.since:
            return 1.0
        return progress(self.step, self.preset.steps, self.elapsed_s, self.limit_s)

    @property
    def limit_s(self) -> float | None:
        """Seconds that the first stage may take."""
        return self._limit_s(1 - self.preset.refinement.share_of_time if self.preset.refines else 1)

    @property
    def refinement_limit_s(self) -> float | None:
        """Seconds that the second stage may take."""
        return self._limit_s(self.preset.refinement.share_of_time)

    def _limit_s(self, share: float) -> float | None:
        """Seconds of a share of the time limit, if there is one."""
        limit = self.settings.time_limit_minutes
        return None if limit is None else 60 * limit * share

    def take(self, batch: Batch) -> dict[str, float]:
        """Make one optimiser step and return what it saw.

        A step whose loss or gradient is not finite is left out and counted, and leaves no trace in the weights
        or buffers.

        Raises:
            FloatingPointError: after many such steps in a row; see :class:`StepsLeftOut`.
        """
        settings = self.preset.optimiser
        rate = settings.rate * rate_factor(self.progress, self.step, settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self._start_prototypes()
        self._train_mode()
        before = copy_buffers(self.objective)
        image, label, offset = (tensor.to(self.fabric.device) for tensor in batch)
        parts = self.module(image.contiguous(memory_format=torch.channels_last_3d), label, offset)
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(parts["loss"])
        seen = {name: float(value.detach()) for name, value in parts.items()}
        if self._usable(parts["loss"].detach()):
            self.optimiser.step()
            self.average.update(self.objective.detector)
            self.left_out.took()
            if "concentration" in seen:
                self.watch.observe(seen["concentration"])
        else:
            self.left_out.leave_out(self.step, self.objective, before)
        self.step += 1
        self._tick()
        self.recent.append(seen | {"rate": rate})
        return self.recent[-1]

    def _train_mode(self) -> None:
        """Switch to training; norms stay as in inference where their statistics are frozen."""
        self.module.train()
        if self.preset.frozen_norms:
            for part in self.objective.modules():
                if isinstance(part, nn.BatchNorm3d):
                    part.eval()

    def _usable(self, loss: Tensor) -> bool:
        """Clip the gradients; whether they and the loss are finite, in every process."""
        most = self.preset.optimiser.clip_norm
        norm = self.fabric.clip_gradients(
            self.module, self.optimiser, max_norm=math.inf if most is None else most, error_if_nonfinite=False
        )
        finite = torch.isfinite(loss) & torch.isfinite(torch.as_tensor(norm, device=loss.device))
        if self.fabric.world_size > 1:  # all must decide alike, and the loss is each process's own
            finite = torch.as_tensor(self.fabric.all_reduce(finite.float(), reduce_op="mean")) == 1
        return bool(finite)

    def mine(self, source: SubjectSource) -> None:
        """Look for hard negatives with the average weights; the first process does it for all.

        Where each process draws subjects of its own, it searches these itself: no other has them.
        """
        found: dict[str, Points] = {}
        alone = isinstance(source, ReplayBuffer)
        if alone or self.fabric.is_global_zero:
            generator = np.random.default_rng((self.settings.seed, self.step, 7))
            subjects = searched_for_negatives(source, self.preset.mine_subjects, generator)
            found = mine(subjects, self.averaged(), self.preset, self.compute)
        self.mined = self.mined | (found if alone else self.fabric.broadcast(found))
        self.mined_at = self.step
        self._tick()

    def validate(self, subjects: Sequence[TrainingSubject]) -> tuple[dict[str, float], bool]:
        """Score the average weights on whole brains; the first process does it for all.

        Returns:
            The figures, and whether they are the best so far.
        """
        scores: dict[str, float] = {}
        if self.fabric.is_global_zero:
            scores = summary(curve_of(self.score(self.averaged(), subjects)))
        scores = self.fabric.broadcast(scores)
        better = self.best.offer(scores, self.average.state, self.step)
        self.validated_at = self.step
        self._tick()
        return scores, better

    def score(
        self, model: Detector, subjects: Sequence[TrainingSubject], *, with_phase: bool = True
    ) -> list[SubjectScore]:
        """Search subjects with uncalibrated scores, with the phase that they have or without."""
        settings = DetectSettings(
            floor=raw_floor(model), measure_diameters=False, window=self.preset.search_window
        )
        sees = with_phase and self.preset.sees_phase
        return score_subjects(subjects, model, settings, self.compute, with_phase=sees)

    def averaged(self) -> Detector:
        """The detector with average weights."""
        return self._detector(self.average.state)

    def best_detector(self) -> Detector | None:
        """The detector of the best validation, if there was one."""
        return None if self.best.weights is None else self._detector(self.best.weights)

    def _detector(self, weights: dict[str, Tensor]) -> Detector:
        """A detector with these weights, to search with."""
        model = Detector(self.preset.architecture.first_stage)
        model.load_state_dict(weights)
        return model.eval()

    def save(self) -> None:
        """Write the checkpoint (first process only)."""
        if not self.fabric.is_global_zero:
            return
        state: State = {
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state,
            "average_updates": self.average.updates,
            "mined": {name: points.tolist() for name, points in self.mined.items()},
            "mined_at": self.mined_at,
            "validated_at": self.validated_at,
            "best": self.best.state(),
            "watch": [self.watch.mean, self.watch.count],
            "clock": self.clock.state(),
            "recent": self.recent,
            "subjects": self.subjects,
            "left_out": self.left_out.total,
            "random": torch.get_rng_state(),
        }
        save_checkpoint(self.checkpoint_path, state)

    def restore(self, state: State) -> None:
        """Go back to what :meth:`save` wrote."""
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, value in state["average"].items():
            self.average.state[name].copy_(value)
        self.average.updates = state["average_updates"]
        self.mined = {name: np.asarray(points).reshape(-1, 3) for name, points in state["mined"].items()}
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        if isinstance(state["best"], dict):  # in older checkpoints it is a number; the best is sought anew then
            self.best.restore(state["best"])
        self.clock, self.recent = StepClock(*state.get("clock", ())), state.get("recent", [])
        self.mined_at, self.validated_at = state["mined_at"], state["validated_at"]
        self.watch.mean, self.watch.count = state["watch"]
        self.subjects, self.left_out.total = state.get("subjects", 0), state.get("left_out", 0)
        torch.set_rng_state(state["random"])

    def _start_prototypes(self) -> None:
        """After the warm-up the prototypes start at the class means."""
        prototypes = self.objective.prototypes
        if prototypes is None or self.step < self.preset.losses.prototype_warmup:
            return
        if bool(prototypes.started):
            return
        if self.fabric.world_size > 1:  # each process has seen other samples, and they must start alike
            means, seen = self.fabric.broadcast((prototypes.means, prototypes.seen))
            prototypes.means.copy_(means)
            prototypes.seen.copy_(seen)
        if prototypes.start():
            log.info("Prototypes start at the class means at step %d", self.step)

    def _tick(self) -> None:
        """Add the time since the last call; all processes go by the first one's clock where time decides."""
        now = time.monotonic()
        self.elapsed_s += now - self._ticked
        self._ticked = now
        if self.fabric.world_size > 1 and self.settings.time_limit_minutes:
            self.elapsed_s = self.fabric.broadcast(self.elapsed_s)
