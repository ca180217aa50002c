from __future__ import annotations

import math

import pytest
import torch

from microbleeds.networks.prototypes import MICROBLEED, MIMIC
from microbleeds.training.losses import balanced_concentration, focal_loss, hard_samples, offset_loss


def test_focal_loss_by_hand() -> None:
    # p = 0.5 and 0.75 = sigmoid(ln 3); the last cell does not count.
    logit = torch.tensor([[[[0.0, math.log(3.0), 9.0]]]])
    label = torch.tensor([[[[1, 0, -1]]]])
    positive = 0.25 * 0.5**2 * math.log(2)
    negative = 0.75 * 0.75**2 * math.log(4)
    assert focal_loss(logit, label, 2.0, 0.25).item() == pytest.approx(positive + negative, rel=1e-5)


def test_focal_loss_is_per_positive_but_at_least_per_crop() -> None:
    logit = torch.zeros(2, 1, 1, 4)
    three = torch.tensor([[[[1, 1, 1, 0]]], [[[0, 0, 0, 0]]]])
    none = torch.zeros_like(three)
    each = 0.5 * 0.25 * math.log(2)
    assert focal_loss(logit, three, 2.0, 0.5).item() == pytest.approx(8 * each / 3, rel=1e-5)
    assert focal_loss(logit, none, 2.0, 0.5).item() == pytest.approx(8 * each / 2, rel=1e-5)


def test_focal_loss_gradient() -> None:
    torch.manual_seed(0)
    logit = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    label = torch.randint(-1, 3, (2, 2, 3, 2))
    assert torch.autograd.gradcheck(lambda x: focal_loss(x, label, 2.0, 0.3), (logit,))


def test_offset_loss_by_hand() -> None:
    said = torch.zeros(1, 3, 1, 1, 2)
    wanted = torch.zeros(1, 3, 1, 1, 2)
    wanted[0, :, 0, 0, 0] = torch.tensor([0.4, 2.0, 0.0])
    wanted[0, :, 0, 0, 1] = 50.0  # not a positive cell
    label = torch.tensor([[[[2, 0]]]])
    # Smooth L1: 0.4^2 / 2 = 0.08, 2 - 0.5 = 1.5, 0.
    assert offset_loss(said, wanted, label).item() == pytest.approx(1.58 / 3, rel=1e-5)
    assert offset_loss(said, wanted, torch.zeros_like(label)).item() == 0


def test_offset_loss_gradient() -> None:
    torch.manual_seed(0)
    said = torch.randn(1, 3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    wanted = torch.randn(1, 3, 2, 2, 2, dtype=torch.float64)
    label = torch.tensor([[[[1, 0], [2, -1]], [[0, 1], [0, 0]]]])
    assert torch.autograd.gradcheck(lambda x: offset_loss(x, wanted, label), (said,))


def test_hard_samples_are_centres_and_the_most_bleed_like_negatives() -> None:
    features = torch.arange(8.0).reshape(2, 1, 1, 1, 4)
    label = torch.tensor([[[[2, 1, 0, 0]]], [[[0, 0, 0, -1]]]])
    logit = torch.tensor([[[[0.0, 0, 9, 9]]], [[[1.0, 3, 2, 9]]]])
    samples, classes = hard_samples(features, logit, label, per_crop=2)
    # The first crop gives its centre only; the second its cells 1 and 2, not the one that does not count.
    assert samples[:, 0].tolist() == [0.0, 5.0, 6.0]
    assert classes.tolist() == [MICROBLEED, MIMIC, MIMIC]


def test_hard_samples_of_crops_without_any_cell() -> None:
    nothing = torch.full((1, 1, 1, 4), -1)
    samples, classes = hard_samples(torch.zeros(1, 3, 1, 1, 4), torch.zeros(1, 1, 1, 4), nothing, 3)
    assert samples.shape == (0, 3)
    assert len(classes) == 0


def test_concentration_is_balanced_over_classes() -> None:
    own, other = torch.tensor([0.0, 2.0, 2.0, 2.0]), torch.tensor([1.0, 2.0, 2.0, 2.0])
    classes = torch.tensor([MICROBLEED, MIMIC, MIMIC, MIMIC])
    assert balanced_concentration(own, other, classes).item() == pytest.approx(0.5)
