"""Residual 3D U-Net whose decoder stops at the cells (Kim et al., section 2).

The encoder halves the grid between levels by max-pooling with strides of its own per level, so that
anisotropic voxels become isotropic on the way down; the decoder climbs back to ``output_level`` only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from microbleeds.networks.blocks import ConvNorm, ResidualBlock, SpaceToDepth, Upsample
from microbleeds.networks.config import DetectorConfig, Stride


class DecoderStep(nn.Module):
    """Upsample, concatenate the skip, convolve: one level up."""

    def __init__(self, inputs: int, outputs: int, stride: Stride) -> None:
        super().__init__()
        self.up = Upsample(inputs, outputs, stride)
        self.merge = ConvNorm(2 * outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Bring [B, inputs, ...] to the grid of ``skip`` [B, outputs, ...] and mix both."""
        return torch.relu(self.merge(torch.cat([self.up(x), skip], dim=1)))


class UNet(nn.Module):
    """Encoder and partial decoder.

    The maps that :meth:`forward` returns have :attr:`map_widths` channels and lie :attr:`map_strides`
    cells apart (1 for the last, which is on the grid of the cells).
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        widths, pools = config.widths, config.pools
        folded = config.stem == "space-to-depth"
        self.stem: nn.Module = SpaceToDepth() if folded else nn.Identity()
        self.pools = pools
        inputs = [config.in_channels * (4 if folded else 1), *widths[:-1]]
        self.encoder = nn.ModuleList(ResidualBlock(a, b) for a, b in zip(inputs, widths, strict=True))
        levels = range(len(widths) - 2, config.output_level - 1, -1)
        self.decoder = nn.ModuleList(DecoderStep(widths[n + 1], widths[n], pools[n]) for n in levels)
        self.map_widths = [widths[n] for n in range(len(widths) - 1, config.output_level - 1, -1)]
        self.map_strides = _strides_to_output(config)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map an image [B, C, X, Y, Z] to decoder maps, coarsest first, the last on the cells."""
        x = self.stem(x)
        levels: list[Tensor] = []
        for n, block in enumerate(self.encoder):
            x = block(x if n == 0 else functional.max_pool3d(x, self.pools[n - 1]))
            levels.append(x)
        maps = [levels.pop()]
        for step in self.decoder:
            maps.append(step(maps[-1], levels.pop()))
        return maps


def _strides_to_output(config: DetectorConfig) -> list[Stride]:
    """Cells per voxel of each map, coarsest first."""
    strides: list[Stride] = [(1, 1, 1)]
    for pool in config.pools[config.output_level :]:
        i, j, k = strides[-1]
        strides.append((i * pool[0], j * pool[1], k * pool[2]))
    return strides[::-1]
