"""Proposal head: per cell, is a microbleed centred near here, and where exactly (no anchors, no size)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from microbleeds.networks.blocks import ConvNorm
from microbleeds.networks.config import DetectorConfig

PRIOR = 0.01  # start as rare as bleeds are, or the first steps are spent on background (Lin et al. 2017, 4.1)


class ProposalHead(nn.Module):
    """Two 3x3x3 convolutions, then 1x1x1 convolutions to 2 class and 3 offset channels."""

    def __init__(self, inputs: int, config: DetectorConfig) -> None:
        super().__init__()
        channels = config.head_channels
        self.first = ConvNorm(inputs, channels)
        self.second = ConvNorm(channels, channels)
        self.classes = nn.Conv3d(channels, 2, 1)
        self.offsets = nn.Conv3d(channels, 3, 1)
        self.within_cell = config.offset_range == "cell"

    def initialise(self) -> None:
        """Small class weights and the prior bias, so that every cell starts at probability 0.01."""
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.normal_(self.offsets.weight, std=0.01)
        nn.init.zeros_(self.offsets.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.classes.bias.copy_(torch.tensor([0.0, math.log(PRIOR / (1 - PRIOR))]))  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score the cells.

        Args:
            x: [B, inputs, cells...].

        Returns:
            logit [B, cells...] (difference of the two class channels, so its sigmoid is their softmax),
            offset [B, 3, cells...] of the centre from the middle of the cell in cell units,
            features [B, channels, cells...] after the second convolution.
        """
        features = torch.relu(self.second(torch.relu(self.first(x))))
        # bfloat16 has 8 bits of mantissa: logits would tie over neighbours and peaks would be lost.
        with torch.autocast(x.device.type, enabled=False):
            exact = features.float()
            classes, offsets = self.classes(exact), self.offsets(exact)
        if self.within_cell:
            offsets = torch.sigmoid(offsets) - 0.5
        return classes[:, 1] - classes[:, 0], offsets, features
