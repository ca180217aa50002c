"""The loss of the anatomy network: Dice and cross-entropy for classes and places, and the side."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from microbleeds.networks.anatomy import IGNORED, AnatomyOutput, by_cells, targets_of_region

SIDE_WEIGHT = 0.3
PLACE_WEIGHT = 0.7
EMPTY = 30.0  # voxels added above and below the fraction, so that an absent class is right when it stays absent


def soft_dice(probabilities: Tensor, target: Tensor) -> Tensor:
    """Return 1 minus the mean Dice of all classes (Milletari 2016, squared denominator).

    Args:
        probabilities: [N, C].
        target: int64 [N], 0..C-1.
    """
    classes = probabilities.shape[1]
    hit = probabilities.gather(1, target[:, None])[:, 0]
    overlap = torch.zeros(classes, device=hit.device).index_add(0, target, hit)
    truth = torch.bincount(target, minlength=classes)
    size = probabilities.square().sum(dim=0) + truth
    return 1 - ((2 * overlap + EMPTY) / (size + EMPTY)).mean()


def entropy_and_dice(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean cross-entropy and soft Dice of the voxels that are to be answered.

    Args:
        logits: [N, C].
        target: uint8 [N], :data:`IGNORED` where nothing is asked.
    """
    asked = target != IGNORED
    if not asked.any():
        return logits.sum() * 0, logits.sum() * 0
    log_probabilities = (logits if bool(asked.all()) else logits[asked]).log_softmax(dim=-1)
    answers = target[asked].long()
    entropy = -log_probabilities.gather(1, answers[:, None]).mean()
    return entropy, soft_dice(log_probabilities.exp(), answers)


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
    entropy, dice = entropy_and_dice(output.classes.reshape(-1, output.classes.shape[-1]), classes)
    # A cell answers for its four voxels: each of them that has a place asks it.
    quarter = places.reshape(-1, 4)
    cell_logits = output.places.reshape(-1, output.places.shape[-1])
    asked = (quarter != IGNORED).any(dim=1)
    fours = cell_logits[asked][:, None].expand(-1, 4, -1).reshape(-1, cell_logits.shape[-1])
    place_entropy, place_dice = entropy_and_dice(fours, quarter[asked].reshape(-1))
    side = sides.reshape(-1, 4)[:, 0]
    sided = side != IGNORED
    answers = output.right.reshape(-1)[sided]
    side_loss = (
        binary_cross_entropy_with_logits(answers, side[sided].float()) if bool(sided.any()) else answers.sum()
    )
    return {
        "entropy": entropy,
        "dice": dice,
        "place_entropy": PLACE_WEIGHT * place_entropy,
        "place_dice": PLACE_WEIGHT * place_dice,
        "side": SIDE_WEIGHT * side_loss,
    }
