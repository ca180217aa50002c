"""Second stage: each candidate is looked at again, at full resolution.

The proposal network folds in-plane voxels into channels, so that a whole brain stays cheap; what a bleed of one
millimetre looks like is then a matter of few channels. As in Dou et al. (IEEE TMI 2016, "Automatic detection of
cerebral microbleeds from MR images via 3D convolutional neural networks") a second network sees a patch around
each candidate of the first. Unlike there, its logit is added to that of the proposal instead of taking its place.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from microbleeds.networks.blocks import ConvNorm
from microbleeds.networks.config import RefinementConfig, Stride


class Refinement(nn.Module):
    """Says of the middle of a patch whether it is a microbleed.

    Args:
        in_channels: image channels.
        config: patch, widths and pools.
    """

    def __init__(self, in_channels: int, config: RefinementConfig) -> None:
        super().__init__()
        self.config, widths = config, config.widths
        layers: list[nn.Module] = []
        for level, (inputs, outputs) in enumerate(pairwise((in_channels, *widths))):
            # Slices are thick: they join after a look at each.
            layers += _convolution(inputs, outputs, (3, 3, 3 if level else 1))
            layers += _convolution(outputs, outputs)
            layers.append(nn.MaxPool3d(config.pools[level]))
        layers += _convolution(widths[-1], widths[-1])
        self.features = nn.Sequential(*layers)
        self.judge = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(widths[-1] * config.cells, config.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, 1),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Return a logit [N] for each patch [N, in_channels, x, y, z]."""
        # In bfloat16 logits of three digits would tie candidates: the last layers take single precision.
        return self.judge(self.features(patches).float())[:, 0]


def _convolution(inputs: int, outputs: int, kernel: Stride = (3, 3, 3)) -> list[nn.Module]:
    """Convolution, norm, activation."""
    return [ConvNorm(inputs, outputs, kernel), nn.ReLU(inplace=True)]
