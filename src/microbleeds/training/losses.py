"""Losses over cells: focal for the class, smooth L1 for the centre, concentration for prototypes.

Labels of cells: ``IGNORED`` (-1) does not count, ``NEGATIVE`` 0, ``POSITIVE`` 1, ``CENTRE`` 2 (positive and
the nearest to a bleed).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from microbleeds.networks.prototypes import MICROBLEED, MIMIC, concentration_loss

IGNORED, NEGATIVE, POSITIVE, CENTRE = -1, 0, 1, 2


def focal_loss(logit: Tensor, label: Tensor, gamma: float, alpha: float) -> Tensor:
    """Focal loss -alpha_t (1 - p_t)^gamma log p_t (Lin et al. 2017, equation 5) per positive cell.

    Args:
        logit: [B, cells...].
        label: [B, cells...] as in the module's head.
        gamma: focusing exponent.
        alpha: weight of positives, ``1 - alpha`` of negatives.

    Returns:
        Scalar: the sum over cells that count, over the number of positives, at least one per crop (a batch
        without bleeds would otherwise weigh ten times as much as one with).
    """
    counted = label != IGNORED
    target = (label >= POSITIVE).to(logit.dtype)
    entropy = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    wrong = torch.sigmoid(torch.where(target > 0, -logit, logit))  # 1 - p_t
    weight = torch.where(target > 0, alpha, 1 - alpha)
    total = (weight * wrong**gamma * entropy)[counted].sum()
    return total / target.sum().clamp_min(len(logit))


def offset_loss(offset: Tensor, wanted: Tensor, label: Tensor) -> Tensor:
    """Smooth L1 (Girshick 2015) of the centre in cell units, mean over positive cells.

    Args:
        offset: [B, 3, cells...] said.
        wanted: [B, 3, cells...] true.
        label: [B, cells...].
    """
    positive = label >= POSITIVE
    said, true = offset.movedim(1, -1)[positive], wanted.movedim(1, -1)[positive]
    return functional.smooth_l1_loss(said, true, reduction="sum") / (3 * positive.sum().clamp_min(1))


def hard_samples(features: Tensor, logit: Tensor, label: Tensor, per_crop: int) -> tuple[Tensor, Tensor]:
    """Pick the cells that meet the prototypes (Kim et al., section 2).

    Microbleeds: the centre cell of each bleed. Mimics: in each crop without a bleed the ``per_crop`` negative
    cells that look most like one.

    Args:
        features: [B, C, cells...].
        logit: [B, cells...].
        label: [B, cells...].
        per_crop: mimics per crop.

    Returns:
        Features [N, C] and classes [N].
    """
    channels_last = features.movedim(1, -1)
    bleeds = channels_last[label == CENTRE]
    mimics = []
    for crop in range(len(label)):
        if bool((label[crop] >= POSITIVE).any()):
            continue
        candidates = torch.where(label[crop] == NEGATIVE, logit[crop].detach(), -torch.inf).flatten()
        count = min(per_crop, int((label[crop] == NEGATIVE).sum()))
        hardest = candidates.topk(count).indices
        mimics.append(channels_last[crop].flatten(0, 2)[hardest])
    samples = torch.cat([bleeds, *mimics])
    classes = torch.full((len(samples),), MIMIC, device=label.device)
    classes[: len(bleeds)] = MICROBLEED
    return samples, classes


def balanced_concentration(own: Tensor, other: Tensor, classes: Tensor) -> Tensor:
    """Mean concentration loss of each class present, averaged over classes (the paper draws crops 1:1)."""
    loss = concentration_loss(own, other)
    return torch.stack([loss[classes == c].mean() for c in classes.unique()]).mean()
