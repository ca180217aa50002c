"""The loss of the anatomy network: Dice and cross-entropy for classes and places, and the side."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from microbleeds.networks.anatomy import IGNORED, AnatomyOutput, by_cells, targets_of_region

SIDE_WEIGHT = 0.3
PLACE_WEIGHT = 0.7
EMPTY = 30.0  # voxels added above and below the fraction, so that an absent class is right when it stays absent


def entropy_and_dice(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean cross-entropy and soft Dice (Milletari 2016, squared denominator) of what is to be answered.

    Classes come first inside: sums over voxels of a class then run along memory, twice as fast on processors.

    Args:
        logits: [N, C].
        target: uint8 [N, K], 0..C-1, or :data:`IGNORED` where nothing is asked; one answer serves K voxels.
    """
    log_probabilities = logits.T.contiguous().log_softmax(dim=0)
    codes = torch.arange(logits.shape[1], dtype=torch.uint8, device=target.device)[:, None]
    asked = torch.stack([(each[None] == codes).float() for each in target.T.contiguous()]).sum(dim=0)  # [C, N]
    probabilities = log_probabilities.exp()
    truth = asked.sum(dim=1)
    entropy = -(log_probabilities * asked).sum() / truth.sum().clamp_min(1)
    overlap = (probabilities * asked).sum(dim=1)
    size = (probabilities.square() * asked.sum(dim=0)).sum(dim=1) + truth
    dice = 1 - ((2 * overlap + EMPTY) / (size + EMPTY)).mean()
    return entropy, dice


def anatomy_loss(output: AnatomyOutput, regions: Tensor) -> dict[str, Tensor]:
    """Return the weighted parts of the loss, to be summed.

    Args:
        output: of the network.
        regions: uint8 [X, Y, Z] region codes, :data:`IGNORED` where nothing is asked.

    Returns:
        ``entropy`` and ``dice`` of the classes, ``place_entropy`` and ``place_dice``, ``side``.
    """
    cells = by_cells(regions).reshape(-1).long()
    classes, places, sides = (torch.from_numpy(table).to(cells.device)[cells] for table in targets_of_region())
    entropy, dice = entropy_and_dice(output.classes.reshape(-1, output.classes.shape[-1]), classes[:, None])
    # A cell answers for its four voxels: each of them that has a place asks it.
    place_logits = output.places.reshape(-1, output.places.shape[-1])
    place_entropy, place_dice = entropy_and_dice(place_logits, places.reshape(-1, 4))
    # The side is asked at the middle of a cell, so its four voxels share the answer at the midline.
    side = sides.reshape(-1, 4)
    voxels = (side != IGNORED).sum(dim=1)
    sided = voxels > 0
    answers = output.right.reshape(-1)[sided]
    share = (side == 1).sum(dim=1)[sided] / voxels[sided]
    side_loss = binary_cross_entropy_with_logits(answers, share) if bool(sided.any()) else answers.sum()
    return {
        "entropy": entropy,
        "dice": dice,
        "place_entropy": PLACE_WEIGHT * place_entropy,
        "place_dice": PLACE_WEIGHT * place_dice,
        "side": SIDE_WEIGHT * side_loss,
    }
