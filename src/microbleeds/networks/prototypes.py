"""Hard sample prototype learning: one prototype for microbleeds, one for mimics (Kim et al., section 2).

Used in training only. The prototypes start at running class means after a warm-up: started at random
among unnormalised features both distances are nearly equal and the loss stays at 1 (it never trains).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

MIMIC, MICROBLEED = 0, 1


def concentration_loss(own: Tensor, other: Tensor) -> Tensor:
    """L_con = (d_a - d_b) / (d_a + d_b) + 1 (generalised margin loss of Yang et al., CVPR 2018, margin 1).

    Args:
        own: [N] squared distances to the prototype of the sample's own class, d_a.
        other: [N] squared distances to the other prototype, d_b.

    Returns:
        [N] losses: 0 on the own prototype, 1 half-way, 2 on the other one.
    """
    return (own - other) / (own + other).clamp_min(1e-12) + 1


class Prototypes(nn.Module):
    """Two trainable prototypes and the running class means from which they start.

    Args:
        channels: length of a feature vector.
        normalise: compare directions (unit vectors) rather than raw features.
        momentum: share of the old running mean that is kept per update.
    """

    means: Tensor
    seen: Tensor
    started: Tensor

    def __init__(self, channels: int, *, normalise: bool = True, momentum: float = 0.95) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(2, channels))
        self.register_buffer("means", torch.zeros(2, channels))
        self.register_buffer("seen", torch.zeros(2, dtype=torch.bool))
        self.register_buffer("started", torch.tensor(False))
        self.normalise = normalise
        self.momentum = momentum

    def embed(self, features: Tensor) -> Tensor:
        """Return features [N, C] as they are compared, in float32."""
        features = features.float()
        return functional.normalize(features, dim=1) if self.normalise else features

    @torch.no_grad()
    def observe(self, features: Tensor, classes: Tensor) -> None:
        """Update the running means with samples [N, C] of classes [N] (0 mimic, 1 microbleed)."""
        embedded = self.embed(features)
        for c in (MIMIC, MICROBLEED):
            mine = embedded[classes == c]
            if len(mine) == 0:
                continue
            old = self.means[c] if self.seen[c] else mine.mean(0)
            self.means[c] = self.momentum * old + (1 - self.momentum) * mine.mean(0)
            self.seen[c] = True

    @torch.no_grad()
    def start(self) -> bool:
        """Put the prototypes at the running means; False while a class has not been seen."""
        if not bool(self.seen.all()):
            return False
        self.vectors.copy_(self.means)
        self.started.fill_(True)
        return True

    def distances(self, features: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distances [N] of samples to their own and to the other prototype."""
        embedded = self.embed(features)
        prototypes = self.embed(self.vectors)
        squared = (embedded[:, None] - prototypes[None]).square().sum(-1)
        own = squared.gather(1, classes[:, None])[:, 0]
        other = squared.gather(1, 1 - classes[:, None])[:, 0]
        return own, other
