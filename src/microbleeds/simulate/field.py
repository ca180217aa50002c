"""The magnetic field that a susceptibility map makes: convolution with the unit dipole in Fourier space.

Conventions: susceptibility in ppm (SI, relative to water), field shift in ppm of B0 along ``b0_direction``, with
the Lorentz sphere correction (zero inside a uniform sphere). Method: Salomir 2003, Marques and Bowtell 2005.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor


def dipole_field(
    susceptibility_ppm: Tensor,
    spacing_mm: tuple[float, float, float],
    b0_direction: tuple[float, float, float],
    padding_mm: tuple[float, float, float],
) -> Tensor:
    """Return the field shift of a susceptibility map.

    Args:
        susceptibility_ppm: [X, Y, Z] float32; what lies outside the array counts as 0.
        spacing_mm: voxel size.
        b0_direction: unit vector of B0 in the axes of the array.
        padding_mm: zeros added behind each axis, so that the periodic copies stay away.

    Returns:
        [X, Y, Z] float32, ppm of B0.
    """
    shape = susceptibility_ppm.shape
    padded = [
        next_fast_len(n + int(np.ceil(pad / d)), real=True)
        for n, pad, d in zip(shape, padding_mm, spacing_mm, strict=True)
    ]
    spectrum = torch.fft.rfftn(susceptibility_ppm, s=padded)
    _multiply_by_dipole(spectrum, padded, spacing_mm, b0_direction)
    field = torch.fft.irfftn(spectrum, s=padded)
    return field[: shape[0], : shape[1], : shape[2]].contiguous()


def _multiply_by_dipole(
    spectrum: Tensor,
    padded: list[int],
    spacing_mm: tuple[float, float, float],
    b0: tuple[float, float, float],
) -> None:
    """Multiply by D = 1/3 - (k . b)^2 / k^2 in place, slab by slab to hold the memory down."""
    device = spectrum.device
    kx = torch.fft.fftfreq(padded[0], spacing_mm[0], device=device)
    ky = torch.fft.fftfreq(padded[1], spacing_mm[1], device=device)
    kz = torch.fft.rfftfreq(padded[2], spacing_mm[2], device=device)
    ky2z2 = ky[:, None] ** 2 + kz[None, :] ** 2
    byz = ky[:, None] * b0[1] + kz[None, :] * b0[2]
    for i in range(0, padded[0], 16):
        x = kx[i : i + 16, None, None]
        squared = x**2 + ky2z2
        kernel = 1 / 3 - (x * b0[0] + byz) ** 2 / squared.clamp_min(1e-12)
        if i == 0:
            kernel[0, 0, 0] = 0.0  # the mean field is not defined; the receiver is tuned to it
        spectrum[i : i + 16] *= kernel


def sphere_field(
    offset_mm: tuple[Tensor, Tensor, Tensor],
    radius_mm: float,
    susceptibility_ppm: float,
    b0_direction: tuple[float, float, float],
) -> tuple[Tensor, Tensor]:
    """Analytic field shift of a uniform sphere.

    Args:
        offset_mm: positions relative to the centre along the three axes of ``b0_direction``; the three tensors
            broadcast against each other, so a grid costs three vectors.

    Returns:
        The field in ppm of B0, chi/3 (R/r)^3 (3 cos^2 - 1) outside and 0 inside (Lorentz corrected), and whether
        each position lies inside, both of the broadcast shape.
    """
    x, y, z = offset_mm
    squared = x**2 + y**2 + z**2
    inside = squared < radius_mm**2
    along = x * b0_direction[0] + y * b0_direction[1] + z * b0_direction[2]
    inverse = squared.clamp_min(radius_mm**2).rsqrt_()
    fifth = inverse.square().square_().mul_(inverse)  # r^-5; pow(-2.5) is four times slower
    field = along.square_().mul_(3).sub_(squared).mul_(fifth).mul_(susceptibility_ppm / 3 * radius_mm**3)
    return field.masked_fill_(inside, 0.0), inside
