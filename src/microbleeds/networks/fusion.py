"""Feature fusion module: every decoder map, brought to the cells and summed (Kim et al., section 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from microbleeds.networks.blocks import ConvNorm, Upsample
from microbleeds.networks.config import Stride


class FeatureFusion(nn.Module):
    """1x1x1 convolution + norm + ReLU per map, transposed convolution to the cells, sum.

    Args:
        widths: channels of each map, coarsest first.
        strides: cells per voxel of each map, (1, 1, 1) for the last.
        channels: channels of the fused map.
    """

    def __init__(self, widths: list[int], strides: list[Stride], channels: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(ConvNorm(width, channels, (1, 1, 1)) for width in widths)
        self.lift = nn.ModuleList(Upsample(channels, channels, stride, activate=False) for stride in strides[:-1])

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Fuse maps (coarsest first) into [B, channels, cells...]."""
        reduced = [torch.relu(reduce(x)) for reduce, x in zip(self.reduce, maps, strict=True)]
        fused = reduced[-1]
        for lift, x in zip(self.lift, reduced[:-1], strict=True):
            fused = fused + lift(x)
        return fused
