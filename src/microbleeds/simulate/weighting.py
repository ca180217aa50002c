"""What the scanner makes of the complex image: high-pass phase, SWI and its minimum intensity projection.

The variants of vendors (filter width, mask shape, power) are drawn per scan; how the program itself makes SWI
from a user's magnitude and phase is in ``microbleeds.susceptibility``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from microbleeds.simulate.protocol import ScanSettings

MIP_MM = 14.0


def homodyne_phase(image: Tensor, window: float) -> Tensor:
    """High-pass-filtered phase in radians: each slice against its own low-pass image (Reichenbach 1997).

    Args:
        image: [x, y, z] complex64.
        window: full width of the Hann window in k-space samples.
    """
    nx, ny = image.shape[:2]
    hann = []
    for n in (nx, ny):
        k = torch.fft.fftfreq(n, 1 / n, device=image.device)
        t = (k / (window / 2)).clamp(-1, 1)
        hann.append(0.5 * (1 + torch.cos(torch.pi * t)))
    kspace = torch.fft.fftn(image, dim=(0, 1))
    kspace *= (hann[0][:, None] * hann[1][None, :])[..., None]
    low = torch.fft.ifftn(kspace, dim=(0, 1))
    return torch.angle(image * low.conj())


def phase_mask(phase_rad: Tensor, settings: ScanSettings) -> Tensor:
    """SWI's weight in 0..1; paramagnetic (positive) phase darkens, ``triangular`` darkens both signs."""
    if settings.mask_kind == "triangular":
        return (1 - phase_rad.abs() / torch.pi) ** settings.mask_power
    if settings.mask_kind == "tanh":  # CLEARSWI's soft mask, strength 4
        return 0.5 * (1 + torch.tanh(1 - settings.mask_power * phase_rad.clamp_min(0) / 1.2)) / 0.881
    return ((torch.pi - phase_rad.clamp_min(0)) / torch.pi) ** settings.mask_power


def minimum_projection(swi: Tensor, slice_mm: float) -> Tensor:
    """Sliding minimum over about 14 mm of slices, [x, y, z]."""
    slab = max(1, round(MIP_MM / slice_mm)) // 2 * 2 + 1
    return -F.max_pool1d(-swi.flatten(0, 1)[:, None], slab, 1, slab // 2)[:, 0].reshape(swi.shape)
