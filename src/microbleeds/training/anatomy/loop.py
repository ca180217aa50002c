"""Training of the anatomy network: one plain loop, every example drawn anew from label maps.

No image is ever read: heads come from a folder of label maps, contrasts from
:mod:`microbleeds.training.anatomy.contrast`. About 25 minutes on two CPU cores with bfloat16.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from microbleeds.errors import InputError
from microbleeds.networks.anatomy import AnatomyNetwork
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.training.anatomy.loss import anatomy_loss
from microbleeds.training.anatomy.sample import Head, Sample, draw_sample, prepare_head

logger = logging.getLogger(__name__)

# Windows in voxels of 3 mm and how often they are drawn. The small one just holds a brain and cuts a shifted one;
# the large one shows face, neck and air as well. In use the network sees any size, since it is convolutional.
WINDOWS = (((48, 64, 48), 0.7), ((64, 80, 64), 0.3))
CHECKPOINT_STEPS = 100
WARM_UP_STEPS = 50


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
        bfloat16: whether convolutions run in bfloat16 (three times faster where the processor has it).
    """

    steps: int = 2000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    average_decay: float = 0.99
    seed: int = 0
    device: str = "cpu"
    bfloat16: bool = True


def load_heads(files: list[Path]) -> list[Head]:
    """Read label maps and make them ready for drawing (17 MB of memory each).

    Raises:
        InputError: if there is none.
    """
    if not files:
        raise InputError("No label map (*.nii.gz) was found to train the anatomy network from; pass their folder.")
    return [prepare_head(load_label_map(file)) for file in files]


def train_network(
    heads: list[Head],
    checkpoint: Path,
    settings: AnatomyTraining,
    report: Callable[[dict[str, float]], None] = lambda scores: None,
) -> AnatomyNetwork:
    """Train on ``heads`` and return the network with averaged weights, in evaluation mode.

    Args:
        heads: what to draw examples from.
        checkpoint: file of the state; when it exists the training goes on from there.
        settings: see :class:`AnatomyTraining`.
        report: called every 20 steps with the step, the parts of the loss and the seconds per step.
    """
    torch.manual_seed(settings.seed)
    network = AnatomyNetwork().to(settings.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    step = _resume(checkpoint, network, optimiser, average, settings)
    means: dict[str, float] = {}
    started = time.monotonic()
    while step < settings.steps:
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.steps)
        parts = _take_step(network, optimiser, _example(heads, step, settings), settings)
        step += 1
        _follow(average, network, min(settings.average_decay, (1 + step) / (10 + step)))
        for name, value in parts.items():
            means[name] = value if name not in means else 0.95 * means[name] + 0.05 * value
        if step % 20 == 0:
            report({"step": step, **means, "seconds_per_step": (time.monotonic() - started) / 20})
            started = time.monotonic()
        if step % CHECKPOINT_STEPS == 0 or step == settings.steps:
            _save(checkpoint, step, network, optimiser, average, settings)
    network.load_state_dict(average)
    return network.eval()


def _example(heads: list[Head], step: int, settings: AnatomyTraining) -> Sample:
    """Draw the example of ``step``; it depends on the seed and the step alone, so a resumed run sees the same."""
    generator = Generator().manual_seed(settings.seed * 1_000_003 + step)
    which = int(torch.randint(len(heads), (), generator=generator))
    shares = torch.tensor([share for _, share in WINDOWS])
    window = WINDOWS[int(torch.multinomial(shares, 1, generator=generator))][0]
    return draw_sample(heads[which], window, generator)


def _take_step(
    network: nn.Module, optimiser: torch.optim.Optimizer, sample: Sample, settings: AnatomyTraining
) -> dict[str, float]:
    """Take one optimiser step and return the parts of the loss.

    A step whose gradient is not finite is left out: oneDNN's bfloat16 convolutions on the processor now and then
    return NaN for the weights of the smallest level (seen with torch 2.13 on levels of 2 x 2 x 2 voxels).
    """
    moved = Sample(**{name: value.to(settings.device) for name, value in vars(sample).items()})
    image = moved.image[None].contiguous(memory_format=torch.channels_last_3d)
    with torch.autocast(torch.device(settings.device).type, torch.bfloat16, enabled=settings.bfloat16):
        output = network(image)
    parts = anatomy_loss(output, moved)
    optimiser.zero_grad(set_to_none=True)
    torch.stack(list(parts.values())).sum().backward()
    if torch.isfinite(nn.utils.clip_grad_norm_(network.parameters(), 1.0)):
        optimiser.step()
    else:
        logger.warning("A step with a gradient that is not finite was left out.")
    return {name: value.item() for name, value in parts.items()}


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
) -> None:
    """Write the state beside ``checkpoint`` and move it into place, so that a kill never leaves half of it."""
    state: dict[str, Any] = {
        "step": step,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": average,
        "settings": asdict(settings),
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
) -> int:
    """Load the state from ``checkpoint`` if it exists and return its step, else 0.

    Raises:
        InputError: if the checkpoint belongs to other settings.
    """
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, map_location=settings.device, weights_only=True)
    if state["settings"] != asdict(settings):
        raise InputError(
            f"The checkpoint {checkpoint} belongs to other settings; remove it or choose another folder."
        )
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    average.update(state["average"])
    logger.info("Going on from step %d of %s.", state["step"], checkpoint)
    return int(state["step"])
