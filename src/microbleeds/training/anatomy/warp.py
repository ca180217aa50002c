"""Where each voxel of a training window lies in a labelled head: a random affine map and an elastic field.

Pull-back maps: the window's voxel at offset ``p`` mm from the window's centre shows the head at
``c + A p + u(p)``. The spread of ``A`` is wider than that of real heads (SynthSeg, Billot 2023, section 3.2): what
matters is that a real head is never outside of it.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from microbleeds.networks.anatomy import SPACING_MM

ELASTIC_MM = ((48.0, 4.0), (20.0, 1.5))  # lattice step and largest standard deviation, mm


def smooth_noise(shape: tuple[int, ...], step_mm: float, generator: Generator, channels: int = 1) -> Tensor:
    """Return normal noise [channels, X, Y, Z], unit variance at lattice points ``step_mm`` apart."""
    lattice = [max(2, math.ceil(n * s / step_mm) + 1) for n, s in zip(shape, SPACING_MM, strict=True)]
    noise = torch.randn(1, channels, *lattice, generator=generator)
    return interpolate(noise, size=shape, mode="trilinear", align_corners=True)[0]


def uniform(low: float, high: float, generator: Generator) -> float:
    """Draw one number from ``low`` to ``high``."""
    return low + (high - low) * torch.rand((), generator=generator).item()


def random_affine(generator: Generator) -> Tensor:
    """Return [3, 3]: rotations of 8 degrees (sd), scales of 7 % and shears of 3 % (sd); a fifth tilted further."""
    tilt = 18.0 if uniform(0, 1, generator) < 0.2 else 8.0
    angles = torch.randn(3, generator=generator) * math.radians(tilt) * torch.tensor([1.0, 0.6, 0.8])
    generators = torch.zeros(3, 3)
    generators[0, 1], generators[0, 2], generators[1, 2] = -angles[2], angles[1], -angles[0]
    rotation = torch.matrix_exp(generators - generators.T)
    scale = 1 + 0.06 * torch.randn((), generator=generator) + 0.04 * torch.randn(3, generator=generator)
    shear = torch.eye(3) + 0.03 * torch.randn(3, 3, generator=generator)
    return rotation @ torch.diag(scale.clamp(0.8, 1.25)) @ shear


def head_positions(
    shape: tuple[int, int, int], centre_mm: Tensor, upright: Tensor, mirror: bool, generator: Generator
) -> Tensor:
    """Return the head's RAS mm [3, X, Y, Z] seen by each voxel of a window of ``shape`` around ``centre_mm``.

    Args:
        shape: voxels of the window, on the network's grid.
        centre_mm: [3] RAS mm of the head at the middle of the window.
        upright: [3, 3] rotation from the axes of MNI152 to those of the head, whose own tilt may reach 35 degrees.
        mirror: flip the window left to right.
        generator: source of the draws.
    """
    axes = [(torch.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, SPACING_MM, strict=True)]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    if mirror:
        offsets[0].neg_()
    affine = upright @ random_affine(generator)
    positions = (affine @ offsets.reshape(3, -1)).reshape(3, *shape) + centre_mm[:, None, None, None]
    for step_mm, deviation_mm in ELASTIC_MM:
        amplitude = uniform(0.2, 1.0, generator) * deviation_mm
        positions += amplitude * smooth_noise(shape, step_mm, generator, channels=3)
    return positions
