from __future__ import annotations

import pytest
import torch

from microbleeds.networks.prototypes import MICROBLEED, MIMIC, Prototypes, concentration_loss


def test_concentration_loss_by_hand() -> None:
    # (d_a - d_b) / (d_a + d_b) + 1: on the own prototype 0, half-way 1, (1 - 3) / 4 + 1 = 0.5, on the other 2.
    own, other = torch.tensor([0.0, 2.0, 1.0, 5.0]), torch.tensor([4.0, 2.0, 3.0, 0.0])
    assert concentration_loss(own, other).tolist() == [0.0, 1.0, 0.5, 2.0]


def test_concentration_loss_gradient() -> None:
    torch.manual_seed(0)
    own = (torch.rand(5, dtype=torch.float64) + 0.1).requires_grad_()
    other = (torch.rand(5, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(concentration_loss, (own, other))


def test_distances_by_hand() -> None:
    prototypes = Prototypes(2, normalise=False)
    with torch.no_grad():
        prototypes.vectors.copy_(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    features, classes = torch.tensor([[3.0, 0.0], [3.0, 0.0]]), torch.tensor([MIMIC, MICROBLEED])
    own, other = prototypes.distances(features, classes)
    assert own.tolist() == [9.0, 16.0]
    assert other.tolist() == [16.0, 9.0]


def test_normalised_distances_ignore_length() -> None:
    prototypes = Prototypes(2)
    with torch.no_grad():
        prototypes.vectors.copy_(torch.tensor([[5.0, 0.0], [0.0, 0.1]]))
    own, other = prototypes.distances(torch.tensor([[0.0, 70.0]]), torch.tensor([MICROBLEED]))
    assert own.item() == pytest.approx(0.0, abs=1e-6)
    assert other.item() == pytest.approx(2.0, abs=1e-6)


def test_start_at_running_means() -> None:
    prototypes = Prototypes(2, normalise=False, momentum=0.5)
    prototypes.observe(torch.tensor([[2.0, 0.0], [4.0, 0.0]]), torch.tensor([MIMIC, MIMIC]))
    assert not prototypes.start()  # no microbleed has been seen
    prototypes.observe(torch.tensor([[0.0, 8.0], [7.0, 0.0]]), torch.tensor([MICROBLEED, MIMIC]))
    assert prototypes.start()
    assert bool(prototypes.started)
    # Mimics: mean 3, then half of 3 plus half of 7.
    assert prototypes.vectors.tolist() == [[5.0, 0.0], [0.0, 8.0]]
