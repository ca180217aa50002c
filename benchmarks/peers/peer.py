"""What every peer is: a module that learns from crops and finds candidates in prepared scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from microbleeds.compute import Compute
from microbleeds.prepare import Prepared
from microbleeds.training.presets import OptimiserSettings
from peers.crops import PeerCrop

Candidates = tuple[NDArray[np.float64], NDArray[np.float64]]

PIECE_VOXELS = 5_000_000  # searched at once: about 2 GB with 16 channels at full resolution
OVERLAP = 0.1  # of neighbouring pieces


def piece_of(shape: tuple[int, ...], stride: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the voxels searched at once: the brain, cut along its first axis where it is large."""
    x, y, z = (-(-n // s) * s for n, s in zip(shape, stride, strict=True))
    while x * y * z > PIECE_VOXELS and x > 8 * stride[0]:
        x = -(-int(x * 0.6) // stride[0]) * stride[0]
    return (x, y, z)


class Peer(Protocol):
    """One method."""

    optimiser: OptimiserSettings

    @property
    def module(self) -> nn.Module:
        """What is trained and stored."""
        ...

    def loss(self, crops: Sequence[PeerCrop]) -> Tensor:
        """Return the loss of a batch of crops, a scalar."""
        ...

    def candidates(self, prepared: Prepared, compute: Compute) -> Candidates:
        """Return voxels [N, 3] of the working grid and scores [N] in 0..1 of the candidates in the brain."""
        ...
