"""Training of the anatomy network: one plain loop over a stream of examples."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from microbleeds.errors import InputError
from microbleeds.networks.anatomy import AnatomyNetwork
from microbleeds.networks.anatomy_classes import CHANNELS, LAST_CHANNELS
from microbleeds.training.anatomy.examples import Sources, stream
from microbleeds.training.anatomy.loss import anatomy_loss
from microbleeds.training.anatomy.sample import Sample
from microbleeds.training.not_finite import StepsLeftOut, copy_buffers

logger = logging.getLogger(__name__)

CHECKPOINT_STEPS = 100
WARM_UP_STEPS = 50
REPORT_STEPS = 20


@dataclass(frozen=True)
class AnatomyTraining:
    """Settings of one training.

    Args:
        steps: examples seen, one a step.
        learning_rate: AdamW's peak, reached after a warm-up and lowered along a half cosine.
        weight_decay: AdamW's.
        average_decay: of the running mean of the weights that is kept in the end.
        seed: of the weights and of all draws.
        device: a torch device.
        bfloat16: whether convolutions run in bfloat16 (several times faster where the processor has it).
        channels: features of the network's levels.
        last_channels: of its finest level on the way up.
        coordinates: whether the network sees the paper's coordinate maps.
        workers: processes that draw examples; 0 draws them between steps.
        start: sha256 of the weights that it begins with, empty for random ones.
        sources: sha256 of what names the heads and scans that it learns from, empty where nobody says.
    """

    steps: int = 4000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    average_decay: float = 0.995
    seed: int = 0
    device: str = "cpu"
    bfloat16: bool = True
    channels: tuple[int, ...] = CHANNELS
    last_channels: int = LAST_CHANNELS
    coordinates: bool = False
    workers: int = 1
    start: str = ""
    sources: str = ""


def train_network(
    sources: Sources,
    checkpoint: Path,
    settings: AnatomyTraining,
    report: Callable[[dict[str, float]], None] = lambda scores: None,
    start: Mapping[str, Tensor] | None = None,
) -> AnatomyNetwork:
    """Train and return the network with averaged weights, in evaluation mode.

    Args:
        sources: what to draw examples from.
        checkpoint: file of the state; when it exists the training goes on from there.
        settings: see :class:`AnatomyTraining`.
        report: called every 20 steps with the step, the parts of the loss and the seconds per step.
        start: weights of the same network to begin with; drawn anew if ``None``.
    """
    torch.manual_seed(settings.seed)
    network = AnatomyNetwork(settings.channels, settings.last_channels, settings.coordinates)
    if start is not None:
        network.load_state_dict(start)
    network.to(settings.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    step, spent = _resume(checkpoint, network, optimiser, average, settings)
    means: dict[str, float] = {}
    left_out = StepsLeftOut("the anatomy network")
    began = started = time.monotonic()
    samples = stream(
        sources,
        step,
        settings.steps,
        settings.seed,
        coordinates=settings.coordinates,
        workers=settings.workers,
    )
    for sample in samples:
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.steps)
        before = copy_buffers(network)
        parts, taken = _take_step(network, optimiser, sample, settings)
        if taken:
            left_out.took()
        else:
            left_out.leave_out(step, network, before)
        step += 1
        _follow(average, network, min(settings.average_decay, (1 + step) / (10 + step)))
        for name, value in parts.items():
            if not math.isfinite(value):
                continue  # of a step that was left out
            means[name] = value if name not in means else 0.95 * means[name] + 0.05 * value
        if step % REPORT_STEPS == 0:
            report({"step": step, **means, "seconds_per_step": (time.monotonic() - started) / REPORT_STEPS})
            started = time.monotonic()
        if step % CHECKPOINT_STEPS == 0 or step == settings.steps:
            spent_now = spent + time.monotonic() - began
            _save(checkpoint, step, network, optimiser, average, settings, spent_now)
    network.load_state_dict(average)
    return network.eval()


def _take_step(
    network: nn.Module, optimiser: torch.optim.Optimizer, sample: Sample, settings: AnatomyTraining
) -> tuple[dict[str, float], bool]:
    """Take one optimiser step and return the parts of the loss, and whether it was taken.

    A step whose gradient is not finite is not taken (seen for the weights of the smallest level, on levels of
    2 x 2 x 2 voxels; see :class:`StepsLeftOut`).
    """
    image = sample.image[None].to(settings.device, memory_format=torch.channels_last_3d)
    with torch.autocast(torch.device(settings.device).type, torch.bfloat16, enabled=settings.bfloat16):
        output = network(image)
    parts = anatomy_loss(output, sample.regions.to(settings.device))
    optimiser.zero_grad(set_to_none=True)
    torch.stack(list(parts.values())).sum().backward()
    taken = bool(torch.isfinite(nn.utils.clip_grad_norm_(network.parameters(), 1.0)))
    if taken:
        optimiser.step()
    return {name: value.item() for name, value in parts.items()}, taken


def _schedule(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: linear warm-up, then a half cosine to 1 %."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    progress = (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


def _follow(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move the running mean towards the weights."""
    for name, value in network.state_dict().items():
        average[name].lerp_(value.detach(), 1 - decay)


def _save(
    checkpoint: Path,
    step: int,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
    settings: AnatomyTraining,
    seconds: float,
) -> None:
    """Write the state beside ``checkpoint`` and move it into place, so that a kill never leaves half of it."""
    state: dict[str, Any] = {
        "step": step,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": average,
        "settings": asdict(settings),
        "seconds": seconds,
    }
    partial = checkpoint.with_name(checkpoint.name + ".partial")
    torch.save(state, partial)
    partial.replace(checkpoint)


def _resume(
    checkpoint: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
    settings: AnatomyTraining,
) -> tuple[int, float]:
    """Load the state from ``checkpoint`` if it exists and return its step and the seconds spent, else 0 and 0.

    Raises:
        InputError: if the checkpoint belongs to other settings.
    """
    if not checkpoint.exists():
        return 0, 0.0
    state = torch.load(checkpoint, map_location=settings.device, weights_only=True)
    if state["settings"] != asdict(settings):
        raise InputError(
            f"The checkpoint {checkpoint} belongs to other settings or other data;"
            " remove it or choose another folder."
        )
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    average.update(state["average"])
    logger.info("Going on from step %d of %s.", state["step"], checkpoint)
    return int(state["step"]), float(state["seconds"])


def minutes_spent(checkpoint: Path) -> float:
    """Return the minutes that the training of a checkpoint took, over all calls that it was continued in."""
    return float(torch.load(checkpoint, map_location="cpu", weights_only=True)["seconds"]) / 60
