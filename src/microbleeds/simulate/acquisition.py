"""From the fine complex signal to the complex image: k-space, noise, motion, partial Fourier.

Fourier transforms use ``norm='forward'``: amplitudes stay the same when k-space is cropped or filled with zeros.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from microbleeds.simulate.fine_signal import FineSignal
from microbleeds.simulate.protocol import Protocol, ScanSettings


def acquire(fine: FineSignal, signal: Tensor, seed: int) -> Tensor:
    """Scan a fine signal (with its bodies already in it).

    Args:
        fine: what protocol, settings and white matter signal are read from.
        signal: [X, Y, Z] complex64 on the fine grid.
        seed: of the noise.

    Returns:
        [x, y, z] complex64 image on ``fine.image_grid``.
    """
    protocol, settings = fine.protocol, fine.settings
    slices = _excite_slices(signal, protocol) if protocol.two_dimensional else _encode_slices(signal, protocol)
    kspace = torch.fft.fftn(slices, dim=(0, 1), norm="forward")
    window = _window(protocol, settings, signal.device)
    _move(kspace, fine)
    sigma = fine.white_signal / settings.snr
    noise = _noise(kspace.shape, seed, signal.device)
    # Image noise of standard deviation sigma per channel needs sigma / sqrt(n) per sample of the n encoded
    # ones; slices of a 2D sequence are not encoded. The k-space filter then takes some of it away.
    nx, ny, nz = protocol.matrix
    noise *= sigma / np.sqrt(nx * ny * (1 if protocol.two_dimensional else nz))
    if settings.g_factor:
        extra = _to_image(_weighted(noise.clone(), window), protocol)
    kspace += noise
    image = _to_image(_weighted(kspace, window), protocol)
    if settings.g_factor:
        # Parallel imaging raises the noise where coils see alike, most in the middle.
        image += extra * (_g_map(image.shape, image.device) * settings.g_factor)
    if settings.ghost:
        _add_ghosts(image, fine)
    if settings.singularities:
        image *= _singularities(fine, seed)
    return image


def _encode_slices(signal: Tensor, protocol: Protocol) -> Tensor:
    """Transform along the slab and keep the protocol's partitions: [X, Y, nz] in kz.

    A crop of slice-oversampled k-space samples the image at the first fine point of each voxel; the ramp moves it
    to the voxel's centre. Without it every label is a third of a voxel (0.67 mm) off.
    """
    n, over = signal.shape[2], protocol.oversampling[2]
    nz = n // over
    if over == 1:
        return torch.fft.fft(signal, dim=2, norm="forward")
    k = torch.fft.fftfreq(nz, 1 / nz, device=signal.device)
    ramp = torch.polar(torch.ones_like(k), 2 * torch.pi * k * (over - 1) / 2 / n)
    out = torch.empty((*signal.shape[:2], nz), dtype=torch.complex64, device=signal.device)
    for i in range(0, signal.shape[0], 16):
        full = torch.fft.fft(signal[i : i + 16], dim=2, norm="forward")
        out[i : i + 16] = torch.cat([full[..., : (nz + 1) // 2], full[..., n - nz // 2 :]], -1) * ramp
    return out


def _excite_slices(signal: Tensor, protocol: Protocol) -> Tensor:
    """Mean over each excited slice, without the gap: [X, Y, nz] in image space."""
    over = protocol.oversampling[2]
    thickness = 1 - protocol.slice_gap_mm / protocol.spacing_mm[2]
    middle = np.abs((np.arange(over) + 0.5) / over - 0.5)
    profile = 1 / (1 + np.exp((middle - thickness / 2) * over * 2))
    weights = torch.as_tensor(profile / profile.sum(), dtype=torch.float32, device=signal.device)
    parts = signal.reshape(*signal.shape[:2], -1, over)
    return sum((parts[..., i] * weights[i] for i in range(1, over)), parts[..., 0] * weights[0])


def _window(protocol: Protocol, settings: ScanSettings, device: torch.device) -> list[Tensor]:
    """k-space weights along each axis: resolution, partial Fourier and the Tukey filter."""
    windows = []
    for axis, n in enumerate(protocol.matrix):
        if axis == 2 and protocol.two_dimensional:
            windows.append(torch.ones(n, device=device))  # slices are not phase encoded
            continue
        k = torch.fft.fftfreq(n, 1 / n, device=device)
        limit = n / 2 * (settings.phase_resolution if axis == 0 else 1.0)
        window = _tukey(k / limit, settings.taper)
        if settings.partial_fourier is not None and settings.partial_fourier[0] == axis:
            _, share, side = settings.partial_fourier
            window = window * (side * k <= (2 * share - 1) * limit)
        windows.append(window)
    return windows


def _tukey(t: Tensor, taper: float) -> Tensor:
    """1 in the middle, a cosine over the outer ``taper``, 0 beyond |t| = 1."""
    edge = ((t.abs() - (1 - taper)) / taper).clamp(0, 1)
    return 0.5 * (1 + torch.cos(torch.pi * edge)) * (t.abs() <= 1)


def _weighted(kspace: Tensor, windows: list[Tensor]) -> Tensor:
    kspace *= windows[0][:, None, None] * windows[1][None, :, None]
    return kspace.mul_(windows[2])


def _to_image(kspace: Tensor, protocol: Protocol) -> Tensor:
    """Slices of a 2D sequence are in image space already."""
    dims = (0, 1) if protocol.two_dimensional else (0, 1, 2)
    return torch.fft.ifftn(kspace, dim=dims, norm="forward")


def _noise(shape: torch.Size, seed: int, device: torch.device) -> Tensor:
    """Complex noise of unit deviation per channel; drawn on the CPU, so that every device sees the same."""
    generator = torch.Generator().manual_seed(seed)
    return torch.view_as_complex(torch.randn((*shape, 2), generator=generator)).to(device)


def _move(kspace: Tensor, fine: FineSignal) -> None:
    """Rigid shifts between blocks of phase-encoding lines, with a jump of the phase, in place.

    Rotations are left out: they need another render of the head.
    """
    nx, ny, nz = fine.protocol.matrix
    dx, dy, dz = fine.protocol.spacing_mm
    order = torch.fft.fftfreq(nx, 1 / nx, device=kspace.device)
    kx = order / (nx * dx)
    ky = torch.fft.fftfreq(ny, dy, device=kspace.device)
    kz = torch.fft.fftfreq(nz, dz, device=kspace.device)
    if fine.protocol.two_dimensional:
        kz = torch.zeros_like(kz)  # a shift along the slices takes other tissue, not a phase ramp
    position = order / nx + 0.5
    for share, shift_mm, jump in fine.settings.motion:
        # The middle of k-space decides where things appear: what was acquired before or after it moves, so
        # that labels stay true.
        lines, sign = (position >= share, 1.0) if share > 0.5 else (position < share, -1.0)
        turn = kx[lines][:, None, None] * shift_mm[0] + (ky * shift_mm[1])[:, None] + kz * shift_mm[2]
        phase = sign * (jump - 2 * torch.pi * turn)
        kspace[lines] *= torch.polar(torch.ones_like(phase), phase)


def _g_map(shape: torch.Size, device: torch.device) -> Tensor:
    """0 at the rim of the field of view, 1 in its middle."""
    x, y = (torch.linspace(-1, 1, n, device=device) for n in shape[:2])
    return torch.exp(-2.5 * (x[:, None] ** 2 + y[None, :] ** 2))[..., None]


def _add_ghosts(image: Tensor, fine: FineSignal) -> None:
    """Copies of pulsating vessels along the phase-encoding axis, in place."""
    vessel = image * fine.flow
    n = image.shape[0]
    for order, share in ((1, 1.0), (-1, 1.0), (2, 0.5)):
        shift = int(order * n / 5.3)
        image += torch.roll(vessel, shift, 0) * (fine.settings.ghost * share)


def _singularities(fine: FineSignal, seed: int) -> Tensor:
    """Open-ended fringe lines: pairs of opposite phase vortices that drift from slice to slice.

    Two thirds of scans with a failed coil combination have them, and most make dots in an SWI of the homodyne
    kind (Li N et al.).
    """
    turn = torch.zeros(fine.protocol.matrix, device=fine.signal.device)
    x = torch.arange(turn.shape[0], device=turn.device)[:, None]
    y = torch.arange(turn.shape[1], device=turn.device)[None, :]
    for slices, ends in vortex_paths(fine, seed):
        for z, (a, b) in zip(slices, ends, strict=True):
            turn[:, :, z] += torch.atan2(y - float(a[1]), x - float(a[0]))
            turn[:, :, z] -= torch.atan2(y - float(b[1]), x - float(b[0]))
    return torch.polar(torch.ones_like(turn), turn)


def vortex_paths(fine: FineSignal, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Slices [n] and vortex pairs [n, 2, 2] (in-plane voxels) of each fringe line of this scan."""
    rng = np.random.default_rng([seed, 1])
    nx, ny, nz = fine.protocol.matrix
    millimetre = 1 / np.asarray(fine.protocol.spacing_mm[:2])
    paths = []
    for _ in range(fine.settings.singularities):
        length = int(min(nz, max(2, rng.uniform(6, 30) / fine.protocol.spacing_mm[2])))
        slices = int(rng.integers(0, nz - length + 1)) + np.arange(length)
        start = np.array([nx, ny]) * (0.5 + rng.uniform(-0.25, 0.25, 2))
        other = start + rng.normal(0, 15, 2) * millimetre
        drift = rng.normal(0, 1.0, (2, 2)) * millimetre
        steps = np.arange(length)[:, None, None]
        paths.append((slices, np.stack([start, other])[None] + drift[None] * steps + 0.37))
    return paths
