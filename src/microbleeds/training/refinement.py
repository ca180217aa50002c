"""Training of the second stage: microbleeds against what the first stage wrongly believes in.

It follows the training of the first stage, whose weights stay as they are. Its batches are a function of seed and
step, so that a run that was killed and goes on gives what it would have given (on the same machine, without a time
limit).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn
from torch.nn import functional

from microbleeds.compute import Compute
from microbleeds.networks.detector import Detector, channels_last, with_refinement
from microbleeds.networks.refinement import Refinement
from microbleeds.training.checkpoint import State
from microbleeds.training.crops import Points
from microbleeds.training.mining import mine
from microbleeds.training.not_finite import StepsLeftOut, copy_buffers
from microbleeds.training.objective import WeightAverage
from microbleeds.training.optimiser import build_optimiser
from microbleeds.training.patches import PatchSource, apart_from_bleeds
from microbleeds.training.presets import Preset
from microbleeds.training.schedule import progress, rate_factor
from microbleeds.training.subjects import TrainingSubject

SEARCHING = 0.5  # of the time limit; the rest is for learning


class RefinementTraining:
    """The second stage on its way.

    Args:
        detector: the trained first stage.
        preset: whose architecture has a second stage.
        compute: device and precision.
        seed: of everything random.
        start: state of a second stage to go on from.
        limit_s: seconds that searching and learning may take together.
    """

    def __init__(
        self,
        detector: Detector,
        preset: Preset,
        compute: Compute,
        seed: int,
        start: dict[str, Tensor] | None = None,
        limit_s: float | None = None,
    ) -> None:
        config = preset.architecture.refinement
        if config is None:
            raise ValueError("The architecture has no second stage.")
        torch.manual_seed(seed)
        self.detector, self.preset, self.compute = detector, preset, compute
        self.seed, self.limit_s = seed, limit_s
        self.network = channels_last(Refinement(preset.architecture.in_channels, config).to(compute.device))
        if start is not None:
            self.network.load_state_dict(start)
        settings = preset.refinement.optimiser
        self.optimiser = build_optimiser(self.network, settings)
        self.average = WeightAverage(self.network, settings.average_decay)
        self.mined: dict[str, Points] = {}
        self.step, self.elapsed_s, self.left_out = 0, 0.0, StepsLeftOut("the second stage")
        self.searched_s = 0.0  # of these
        self._ticked = time.monotonic()

    @property
    def progress(self) -> float:
        """Share of the learning that is done; the clock of the rate starts when the search has ended."""
        left_s = None if self.limit_s is None else self.limit_s - self.searched_s
        return progress(self.step, self.preset.refinement.steps, self.elapsed_s - self.searched_s, left_s)

    def not_searched(self, subjects: Sequence[TrainingSubject]) -> list[TrainingSubject]:
        """Subjects that are still to be searched, in random order; none when half of the time is over."""
        if self.step or (self.limit_s is not None and self.elapsed_s > SEARCHING * self.limit_s):
            return []
        order = np.random.default_rng((self.seed, 0, 0, 3)).permutation(len(subjects))
        return [subjects[n] for n in order if subjects[n].name not in self.mined]

    def search(self, subject: TrainingSubject) -> None:
        """Look for everything that the first stage wrongly believes in.

        The surest alone would not do: a first stage that goes astray has hundreds of them, all of one kind, and
        the second would never see most of what it is asked of in a search.
        """
        found = mine([subject], self.detector, self.preset, self.compute, most=None)[subject.name]
        self.mined[subject.name] = apart_from_bleeds(found, subject, self.preset.targets.ignore_mm)
        self._tick()
        self.searched_s = self.elapsed_s

    def learn(self, patches: PatchSource) -> float:
        """Make one step and return its loss.

        A step that is not finite is left out, as in :meth:`microbleeds.training.trainer.Trainer.take`.

        Raises:
            FloatingPointError: after many such steps in a row; see :class:`StepsLeftOut`.
        """
        how = self.preset.refinement
        generator = np.random.default_rng((self.seed, self.step, 0, 2))
        images, kinds = (
            torch.from_numpy(array).to(self.compute.device)
            for array in patches.batch(self.network.config.patch, generator)
        )
        target = kinds * (1 - 2 * how.label_smoothing) + how.label_smoothing
        for group in self.optimiser.param_groups:
            group["lr"] = how.optimiser.rate * rate_factor(self.progress, self.step, how.optimiser)
        before = copy_buffers(self.network)
        self.network.train()
        with self.compute.autocast():
            logit = self.network(images.contiguous(memory_format=torch.channels_last_3d)).float()
        loss = functional.binary_cross_entropy_with_logits(logit, target)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        most = math.inf if how.optimiser.clip_norm is None else how.optimiser.clip_norm
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), most)
        if bool(torch.isfinite(loss.detach()) & torch.isfinite(norm)):
            self.optimiser.step()
            self.average.update(self.network)
            self.left_out.took()
        else:
            self.left_out.leave_out(self.step, self.network, before)
        self.step += 1
        self._tick()
        return float(loss.detach())

    def refined(self) -> Detector:
        """The detector with the average of the second stage so far."""
        network = Refinement(self.preset.architecture.in_channels, self.network.config)
        network.load_state_dict(self.average.state)
        return with_refinement(self.detector, network)

    def state(self) -> State:
        """What :meth:`restore` takes."""
        return {
            "detector": _digest(self.detector),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "searched_s": self.searched_s,
            "left_out": self.left_out.total,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state,
            "average_updates": self.average.updates,
            "mined": {name: points.tolist() for name, points in self.mined.items()},
            "random": torch.get_rng_state(),
        }

    def restore(self, state: State) -> bool:
        """Go back to what :meth:`state` gave; whether it was of the same first stage, else nothing changes."""
        if state["detector"] != _digest(self.detector):
            return False
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, value in state["average"].items():
            self.average.state[name].copy_(value)
        self.average.updates = state["average_updates"]
        self.mined = {name: np.asarray(points).reshape(-1, 3) for name, points in state["mined"].items()}
        self.step, self.elapsed_s, self.left_out.total = state["step"], state["elapsed_s"], state["left_out"]
        self.searched_s = state.get("searched_s", 0.0)  # runs of 0.1.0 before December had none
        torch.set_rng_state(state["random"])
        return True

    def _tick(self) -> None:
        """Add the time since the last call."""
        now = time.monotonic()
        self.elapsed_s += now - self._ticked
        self._ticked = now


def _digest(detector: Detector) -> str:
    """Hash of weights."""
    tensors = {name: value.contiguous().cpu() for name, value in detector.state_dict().items()}
    return hashlib.sha256(dump_tensors(tensors)).hexdigest()
