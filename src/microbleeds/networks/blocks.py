"""Building blocks: convolution with norm, the residual block, the upsampling step and the stem.

Conventions: tensors are [batch, channels, X, Y, Z]; every 3x3x3 convolution keeps the grid.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from microbleeds.networks.config import Stride


class ConvNorm(nn.Module):
    """Convolution followed by batch norm, without activation.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: odd sides.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Stride = (3, 3, 3)) -> None:
        super().__init__()
        i, j, k = (side // 2 for side in kernel)
        self.conv: nn.Conv3d = nn.Conv3d(inputs, outputs, kernel, padding=(i, j, k), bias=False)
        self.norm: nn.Module = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, X, Y, Z] to [B, outputs, X, Y, Z]."""
        return self.norm(self.conv(x))


class ResidualBlock(nn.Module):
    """``x -> C3 -> (+ residual branch [C3 + ReLU, C3]) -> ReLU`` (Kim et al., section 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.entry = ConvNorm(inputs, outputs)
        self.first = ConvNorm(outputs, outputs)
        self.second = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, X, Y, Z] to [B, outputs, X, Y, Z]."""
        x = self.entry(x)
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Upsample(nn.Module):
    """Transposed convolution whose kernel equals its stride, optionally with batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: Stride, *, activate: bool = True) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose3d(inputs, outputs, stride, stride=stride, bias=not activate)
        self.norm: nn.Module = nn.BatchNorm3d(outputs) if activate else nn.Identity()
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, X, Y, Z] to [B, outputs, X * stride, ...]."""
        x = self.norm(self.conv(x))
        return torch.relu(x) if self.activate else x


class SpaceToDepth(nn.Module):
    """Fold 2 x 2 in-plane voxels into channels: exact, and four times fewer positions to convolve."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, X, Y, Z] to [B, 4 C, X / 2, Y / 2, Z]; channel order is (C, i parity, j parity)."""
        batch, channels, i, j, k = x.shape
        folded = x.reshape(batch, channels, i // 2, 2, j // 2, 2, k)
        return folded.permute(0, 1, 3, 5, 2, 4, 6).reshape(batch, 4 * channels, i // 2, j // 2, k)


def initialise(module: nn.Module) -> None:
    """He-normal start for convolutions that a ReLU follows (He et al. 2015), unit norms, zero biases."""
    for part in module.modules():
        if isinstance(part, (nn.Conv3d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def fold_norms(module: nn.Module) -> None:
    """Merge each batch norm into the convolution before it, in place; for inference only."""
    for part in module.modules():
        if isinstance(part, ConvNorm) and isinstance(part.norm, nn.BatchNorm3d):
            part.conv = nn.utils.fusion.fuse_conv_bn_eval(part.conv.eval(), part.norm.eval())
            part.norm = nn.Identity()
        elif isinstance(part, Upsample) and isinstance(part.norm, nn.BatchNorm3d):
            part.conv = nn.utils.fusion.fuse_conv_bn_eval(part.conv.eval(), part.norm.eval(), transpose=True)
            part.norm = nn.Identity()
