"""The loss of the anatomy network: Dice and cross-entropy for the classes, plus side and position in the brain."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, nll_loss

from microbleeds.networks.anatomy import AnatomyClass, AnatomyOutput
from microbleeds.training.anatomy.sample import Sample
from microbleeds.training.anatomy.view import IGNORED

SIDE_WEIGHT = 0.5
POSITION_WEIGHT = 1.0  # on |error| in units of 50 mm: 5 mm of error costs 0.1
EMPTY = 30.0  # voxels added above and below the fraction, so that an absent class is right when it stays absent


def soft_dice(probabilities: Tensor, target: Tensor, seen: Tensor) -> Tensor:
    """Return 1 minus the mean Dice of the classes that the target holds (Milletari 2016, squared denominator).

    Args:
        probabilities: [C, X, Y, Z].
        target: int64 [X, Y, Z], 0..C-1.
        seen: float [X, Y, Z], 1 where the voxel counts.
    """
    classes = probabilities.shape[0]
    flat, seen = target.reshape(-1), seen.reshape(-1)
    hit = probabilities.reshape(classes, -1).gather(0, flat[None])[0] * seen
    overlap = torch.zeros(classes, device=hit.device).index_add(0, flat, hit)
    truth = torch.zeros(classes, device=hit.device).index_add(0, flat, seen)
    size = (probabilities.reshape(classes, -1).square() * seen).sum(dim=1) + truth
    dice = (2 * overlap + EMPTY) / (size + EMPTY)
    return 1 - dice.mean()


def anatomy_loss(output: AnatomyOutput, sample: Sample) -> dict[str, Tensor]:
    """Return the weighted parts of the loss, to be summed: ``dice``, ``entropy``, ``side``, ``position``.

    Args:
        output: of a batch of one.
        sample: the example.
    """
    seen = (sample.target != IGNORED).float()
    target = torch.where(sample.target == IGNORED, 0, sample.target)
    logits = output.classes.float()[0]
    log_probabilities = logits.log_softmax(dim=0)
    entropy = nll_loss(log_probabilities[None], sample.target[None], ignore_index=IGNORED)
    brain = (target >= int(AnatomyClass.VENTRICLE)).float() * seen
    side = binary_cross_entropy_with_logits(output.right.float()[0, 0], sample.right, reduction="none")
    miss = (output.position.float()[0] - sample.position).abs().mean(dim=0)
    return {
        "dice": soft_dice(log_probabilities.exp(), target, seen),
        "entropy": entropy,
        "side": SIDE_WEIGHT * (side * brain).sum() / brain.sum().clamp_min(1),
        "position": POSITION_WEIGHT * (miss * sample.brain).sum() / sample.brain.sum().clamp_min(1),
    }
