"""The loop that all peers share: same crops, same number of steps, mining at the same steps, average weights.

A run's folder holds ``run.json`` (what was asked), ``checkpoint.pt`` (state), and at the end
``weights.safetensors`` and ``weights.json``.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ablation_run import Run
from microbleeds.atomic import atomic_file
from microbleeds.compute import Compute, choose
from microbleeds.evaluate import match
from microbleeds.report.run_record import sha256_of
from microbleeds.training.checkpoint import load_checkpoint, save_checkpoint
from microbleeds.training.crops import Points
from microbleeds.training.mining import LOWEST_SCORE, MOST_PER_SUBJECT
from microbleeds.training.not_finite import StepsLeftOut, copy_buffers
from microbleeds.training.objective import WeightAverage
from microbleeds.training.optimiser import build_optimiser
from microbleeds.training.presets import Preset
from microbleeds.training.schedule import rate_factor
from microbleeds.training.subjects import TrainingSubject
from peers.crops import draw_crops
from peers.methods import new_peer
from peers.peer import Peer

log = logging.getLogger(__name__)

LOG_EVERY = 20


class PeerTrainer:
    """Everything that changes during a run.

    Args:
        method: name of the peer.
        preset: of the row; its sampling, augmentation, steps and mining are used.
        seed: of everything random.
        compute: device and precision.
    """

    def __init__(self, method: str, preset: Preset, seed: int, compute: Compute) -> None:
        torch.manual_seed(seed)
        self.preset, self.seed, self.compute = preset, seed, compute
        self.peer: Peer = new_peer(method)
        self.optimiser = build_optimiser(self.peer.module, self.peer.optimiser)
        self.average = WeightAverage(self.peer.module, self.peer.optimiser.average_decay)
        self.mined: dict[str, Points] = {}
        self.step, self.mined_at, self.elapsed_s, self.left_out = 0, 0, 0.0, StepsLeftOut(method)

    def take(self, subjects: Sequence[TrainingSubject]) -> float:
        """Make one step and return its loss; a step that is not finite is left out."""
        begin = time.perf_counter()
        settings, module = self.peer.optimiser, self.peer.module
        rate = settings.rate * rate_factor(self.step / self.preset.steps, self.step, settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        module.train()
        before = copy_buffers(module)
        crops = draw_crops(subjects, self.mined, self.preset, (self.seed, self.step, 0))
        with self.compute.autocast():
            loss = self.peer.loss(crops)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        most = math.inf if settings.clip_norm is None else settings.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(module.parameters(), most)
        if torch.isfinite(norm) and torch.isfinite(loss.detach()):
            self.optimiser.step()
            self.average.update(module)
            self.left_out.took()
        else:
            self.left_out.leave_out(self.step, module, before)
        self.step += 1
        self.elapsed_s += time.perf_counter() - begin
        return float(loss.detach())

    def mine(self, subjects: Sequence[TrainingSubject]) -> None:
        """Look for the surest false positives of the average weights in some training scans."""
        begin = time.perf_counter()
        generator = np.random.default_rng((self.seed, self.step, 7))
        count = min(self.preset.mine_subjects, len(subjects))
        live = {name: value.clone() for name, value in self.peer.module.state_dict().items()}
        self.peer.module.load_state_dict(self.average.state)
        for number in sorted(generator.choice(len(subjects), size=count, replace=False)):
            subject = subjects[number]
            self.mined[subject.name] = false_positives(subject, self.peer, self.compute)
        self.peer.module.load_state_dict(live)
        self.mined_at = self.step
        self.elapsed_s += time.perf_counter() - begin

    def save(self, path: Path) -> None:
        """Write the state."""
        save_checkpoint(
            path,
            {
                "step": self.step,
                "mined_at": self.mined_at,
                "elapsed_s": self.elapsed_s,
                "left_out": self.left_out.total,
                "module": self.peer.module.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "average": self.average.state,
                "average_updates": self.average.updates,
                "mined": {name: points.tolist() for name, points in self.mined.items()},
                "random": torch.get_rng_state(),
            },
        )

    def restore(self, path: Path) -> None:
        """Go back to what :meth:`save` wrote."""
        state = load_checkpoint(path)
        self.peer.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.state, self.average.updates = state["average"], state["average_updates"]
        self.mined = {name: np.asarray(points).reshape(-1, 3) for name, points in state["mined"].items()}
        self.step, self.mined_at, self.left_out.total = state["step"], state["mined_at"], state["left_out"]
        self.elapsed_s = state["elapsed_s"]
        torch.set_rng_state(state["random"])


def train_peer(run: Run, subjects: Sequence[TrainingSubject]) -> None:
    """Train a peer, or go on with a run that was broken off."""
    trainer = PeerTrainer(run.row.method, run.preset, run.seed, choose("cpu", run.precision))
    checkpoint = run.out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.restore(checkpoint)
        log.info("Going on at step %d", trainer.step)
    preset, losses = run.preset, []
    while trainer.step < preset.steps:
        due = preset.mine_every and trainer.step and trainer.step % preset.mine_every == 0
        if due and trainer.mined_at != trainer.step:
            trainer.mine(subjects)
        losses.append(trainer.take(subjects))
        if trainer.step % LOG_EVERY == 0:
            log.info("Step %d, %.1f minutes, loss %.4f", trainer.step, trainer.elapsed_s / 60, np.nanmean(losses))
            losses.clear()
        if trainer.step % preset.checkpoint_every == 0:
            trainer.save(checkpoint)
    trainer.save(checkpoint)
    _write_weights(trainer, run, len(subjects))


def false_positives(subject: TrainingSubject, peer: Peer, compute: Compute) -> Points:
    """The surest false positives of one subject in voxels [M, 3], as many as the detector's mining takes."""
    voxels, scores = peer.candidates(subject.prepared(), compute)
    sure = scores >= LOWEST_SCORE
    voxels, scores = voxels[sure], scores[sure]
    to_mm = subject.grid.to_mm
    found = match(to_mm(voxels), scores, to_mm(subject.bleeds), to_mm(subject.ignored))
    wrong = found.false_positive
    surest = np.argsort(-scores[wrong], kind="stable")[:MOST_PER_SUBJECT]
    return voxels[wrong][surest].reshape(-1, 3)


def _write_weights(trainer: PeerTrainer, run: Run, subjects: int) -> None:
    """Write the average weights and what is to be known of them."""
    path = run.out / "weights.safetensors"
    with atomic_file(path) as partial:
        save_file({name: value.contiguous() for name, value in trainer.average.state.items()}, partial)
    facts = {
        "method": run.row.method,
        "weights_sha256": sha256_of(path),
        "parameters": sum(p.numel() for p in trainer.peer.module.parameters()),
        "steps": trainer.step,
        "seed": run.seed,
        "training_minutes": round(trainer.elapsed_s / 60, 1),
        "training_scans": subjects,
        "left_out_steps": trainer.left_out.total,
    }
    with atomic_file(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
