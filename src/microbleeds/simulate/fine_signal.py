"""The complex signal of a head on a grid finer than the image, before any microbleed or mimic is put in.

Properties are linear in the label probabilities, so smoothing the map of a property equals smoothing every label:
two volumes at 1 mm (susceptibility and magnitude at the echo) are brought to the fine grid, not thirty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from microbleeds.geometry import Grid
from microbleeds.simulate.background import upsample
from microbleeds.simulate.field import dipole_field
from microbleeds.simulate.head import Head
from microbleeds.simulate.protocol import Protocol, ScanSettings
from microbleeds.simulate.tissue_properties import blood_signal, signal_table
from microbleeds.simulate.vessels import is_venous, splat
from microbleeds.tissues import PARENCHYMA, VENTRICLES, Tissue, among

# Half of a voxel of the 1 mm labels as partial volume; more blurs the cortex, less shows the voxels.
EDGE_SIGMA_MM = 0.6
LOCAL_PADDING_MM = (24.0, 24.0, 24.0)


@dataclass(frozen=True, eq=False)
class FineSignal:
    """A head seen by one protocol in one pose.

    Args:
        signal: [X, Y, Z] complex64 on ``fine_grid``, coil included, without bodies.
        image_grid: grid of the image; ``fine_grid`` divides its voxels by the protocol's oversampling.
        flow: [X, Y, Z] share of each image voxel that pulsating blood fills.
        b0: direction of B0 in grid axes.
        white_signal: magnitude of white matter, the unit of SNR.
    """

    head: Head
    protocol: Protocol
    settings: ScanSettings
    signal: Tensor
    fine_grid: Grid
    image_grid: Grid
    flow: Tensor
    b0: tuple[float, float, float]
    white_signal: float


def image_grid(head: Head, protocol: Protocol, settings: ScanSettings) -> Grid:
    """The image grid: centred on the brain, tilted against the scanner's axes (B0 is the world's z)."""
    inside = np.argwhere(head.anatomy.brain)
    centre = head.anatomy.grid.to_mm((inside.min(0) + inside.max(0)) / 2)
    rotation = _rotation(np.deg2rad(settings.tilt_deg))
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.asarray(protocol.spacing_mm)
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.asarray(protocol.matrix) - 1) / 2)
    return Grid(protocol.matrix, affine)


def refined(grid: Grid, oversampling: tuple[int, int, int]) -> Grid:
    """Divide every voxel: fine voxel (i * n + (n - 1) / 2) lies on the centre of voxel i."""
    return grid.with_spacing(grid.spacing_mm / np.asarray(oversampling))


def render(
    head: Head, protocol: Protocol, settings: ScanSettings, seed: np.random.SeedSequence, device: torch.device
) -> FineSignal:
    """Compute the complex signal of a head for one protocol and pose."""
    coil_rng, splat_rng = (np.random.default_rng(s) for s in seed.spawn(2))
    grid = image_grid(head, protocol, settings)
    fine = refined(grid, protocol.oversampling)
    table = signal_table(head.tissues, protocol, settings.flip_angle_deg, settings.repetition_time_ms)
    chi, magnitude = _sampled_properties(head, table, fine, device)
    flow = _add_vessels(head, protocol, settings, table, fine, chi, magnitude, splat_rng)
    rotation = grid.affine[:3, :3] / grid.spacing_mm
    b0 = rotation.T @ np.array([0.0, 0.0, 1.0])
    direction = (float(b0[0]), float(b0[1]), float(b0[2]))
    spacing = fine.spacing_mm
    field = dipole_field(chi, (spacing[0], spacing[1], spacing[2]), direction, LOCAL_PADDING_MM)
    del chi
    field += upsample(head.background_ppm, head.background_grid, fine, device)
    phase = field.mul_(protocol.phase_rad_per_ppm)
    _apply_coil(magnitude, phase, coil_rng)
    signal = torch.polar(magnitude, phase)
    return FineSignal(
        head,
        protocol,
        settings,
        signal,
        fine,
        grid,
        flow,
        direction,
        _white(table),
    )


def _sampled_properties(
    head: Head, table: NDArray[np.float32], fine: Grid, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Susceptibility and magnitude on the fine grid, with partial volume and texture."""
    draw, labels = head.tissues, head.anatomy.labels
    index = torch.as_tensor(labels, device=device).long()
    brain = torch.as_tensor(among(labels, *PARENCHYMA, *VENTRICLES), device=device)
    chi = torch.as_tensor(draw.susceptibility_ppm, device=device)[index]
    magnitude = torch.as_tensor(table, device=device)[index]
    del index
    iron = torch.as_tensor(among(labels, Tissue.PUTAMEN_LEFT, Tissue.PUTAMEN_RIGHT), device=device)
    solid = torch.as_tensor(among(labels, *PARENCHYMA), device=device)
    coarse, fine_texture, mottle = _texture(draw.seed, labels.shape, device)
    chi = chi * (1 + 0.25 * iron * coarse) + solid * (0.005 * fine_texture + 0.006 * coarse) * 0.8
    magnitude = magnitude * (1 + 0.02 * solid * fine_texture + 0.025 * mottle)
    chi = chi * brain
    pair = torch.stack([_smooth(chi, EDGE_SIGMA_MM), _smooth(magnitude, EDGE_SIGMA_MM)])
    return _sample(pair, head.anatomy.grid, fine)


def _texture(seed: int, shape: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Smooth noise of unit variance at 3.5 mm, 1.3 mm and 3.5 mm (drawn at half resolution: cheap)."""
    generator = torch.Generator().manual_seed(seed)
    half = [(n + 1) // 2 for n in shape]
    maps = []
    for sigma_mm, base in ((3.5, half), (1.3, list(shape)), (3.5, half)):
        scale = 2 if base is half else 1
        noise = torch.randn(base, generator=generator).to(device)
        noise = _smooth(noise, sigma_mm / scale)
        noise = noise / float(noise.double().std())  # summed in double: the same for any number of threads
        if scale == 2:
            noise = F.interpolate(noise[None, None], size=shape, mode="trilinear", align_corners=False)[0, 0]
        maps.append(noise)
    return maps[0], maps[1], maps[2]


def _smooth(volume: Tensor, sigma: float) -> Tensor:
    """Gaussian smoothing along the three axes, sigma in voxels."""
    reach = max(1, int(np.ceil(3 * sigma)))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in range(3):
        n = volume.shape[axis]
        total = volume * taps[reach]
        for k in range(1, reach + 1):
            total.narrow(axis, k, n - k).add_(volume.narrow(axis, 0, n - k), alpha=float(taps[reach + k]))
            total.narrow(axis, 0, n - k).add_(volume.narrow(axis, k, n - k), alpha=float(taps[reach - k]))
        volume = total
    return volume


def _sample(volumes: Tensor, source: Grid, target: Grid) -> tuple[Tensor, Tensor]:
    """Trilinear samples of two volumes [2, X, Y, Z] on ``target``, slab by slab to hold the memory down."""
    step = torch.as_tensor(
        np.linalg.inv(source.affine) @ target.affine, dtype=torch.float32, device=volumes.device
    )
    nx, ny, nz = target.shape
    size = torch.tensor(volumes.shape[1:], device=volumes.device, dtype=torch.float32)
    j = torch.arange(ny, device=volumes.device, dtype=torch.float32)
    k = torch.arange(nz, device=volumes.device, dtype=torch.float32)
    plane = j[:, None, None] * step[:3, 1] + k[None, :, None] * step[:3, 2] + step[:3, 3]
    out = torch.empty((2, nx, ny, nz), device=volumes.device)
    for a in range(0, nx, 16):
        i = torch.arange(a, min(a + 16, nx), device=volumes.device, dtype=torch.float32)
        points = plane[None] + i[:, None, None, None] * step[:3, 0]
        # grid_sample wants the last axis first, scaled so that -1 and 1 are the outer voxel faces.
        scaled = ((2 * points + 1) / size - 1).flip(-1)
        out[:, a : a + len(i)] = F.grid_sample(volumes[None], scaled[None], align_corners=False)[0]
    return out[0], out[1]


def _add_vessels(
    head: Head,
    protocol: Protocol,
    settings: ScanSettings,
    table: NDArray[np.float32],
    fine: Grid,
    chi: Tensor,
    magnitude: Tensor,
    rng: np.random.Generator,
) -> Tensor:
    """Blend veins, arteries and perivascular spaces into both maps; return the flow share per image voxel."""
    device = chi.device
    kinds = (
        (
            [v for v in head.vessels if is_venous(v.kind)],
            head.tissues.venous_ppm,
            blood_signal(protocol, settings.flip_angle_deg, settings.repetition_time_ms),
        ),
        ([v for v in head.vessels if v.kind == "artery"], -0.01, head.tissues.arterial_gain * _white(table)),
        ([v for v in head.vessels if v.kind == "perivascular-space"], 0.0, float(table[Tissue.CSF])),
    )
    pulsating = torch.zeros((), device=device)
    for index, (vessels, ppm, signal) in enumerate(kinds):
        if not vessels:
            continue
        share = torch.as_tensor(splat(vessels, fine, rng), device=device)
        chi.mul_(1 - share).add_(share, alpha=float(ppm))
        magnitude.mul_(1 - share).add_(share, alpha=float(signal))
        if index < 2:
            pulsating = pulsating + F.avg_pool3d(share[None, None], protocol.oversampling)[0, 0]
    return pulsating.expand(protocol.matrix)


def _white(table: NDArray[np.float32]) -> float:
    """Magnitude of white matter, mean of both sides."""
    return float(table[[Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT]].mean())


def _apply_coil(magnitude: Tensor, phase: Tensor, rng: np.random.Generator) -> None:
    """Smooth receive sensitivity and phase, in place: separable quadratics over the field of view."""
    for axis, n in enumerate(magnitude.shape):
        t = torch.linspace(-1, 1, n, device=magnitude.device)
        gain = 1 + float(rng.normal(0, 0.08)) * t + float(rng.uniform(0.0, 0.30)) * t**2
        turn = float(rng.normal(0, 1.0)) * t + float(rng.normal(0, 0.8)) * t**2
        view = [1, 1, 1]
        view[axis] = n
        magnitude.mul_(gain.reshape(view))
        phase.add_(turn.reshape(view))
    phase.add_(float(rng.uniform(-np.pi, np.pi)))


def _rotation(angles_rad: NDArray) -> NDArray[np.float64]:
    """Rotation about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles_rad), np.sin(angles_rad)
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return rz @ ry @ rx
