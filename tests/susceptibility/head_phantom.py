"""A small physical head: tissue with veins, one bleed and one calcification, in a background field.

The field is the convolution of the susceptibility with the dipole, so that phase outside, across and along a vein
is right. World axes are RAS and the field runs along z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

RADIANS_PER_PPM = 16.05
BACKGROUND_RAD = 3.0


@dataclass(frozen=True, eq=False)
class Phantom:
    """Magnitude, wrapped raw phase (paramagnetic positive along the field) and what is in it."""

    magnitude: NDArray[np.float32]
    raw_phase_rad: NDArray[np.float32]
    local_phase_rad: NDArray[np.float32]
    spacing_mm: tuple[float, float, float]
    brain: NDArray[np.bool_]
    veins: NDArray[np.bool_]
    bleed: tuple[int, int, int]
    affine: NDArray[np.float64]


def head_phantom(
    shape: tuple[int, int, int] = (128, 144, 40),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 2.0),
    seed: int = 0,
    noise: float = 0.03,
) -> Phantom:
    rng = np.random.default_rng(seed)
    field_of_view = np.array(shape) * spacing_mm
    position = [
        ((np.arange(n) - (n - 1) / 2) * d).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, d) in enumerate(zip(shape, spacing_mm, strict=True))
    ]
    x, y, z = (p.astype(np.float32) for p in position)
    half = field_of_view * [0.42, 0.44, 0.6]
    radius = np.sqrt((x / half[0]) ** 2 + (y / half[1]) ** 2 + (z / half[2]) ** 2)
    head, brain = radius < 1, radius < 0.8
    share = _veins(shape, spacing_mm, brain, rng)
    chi = 0.4 * share + np.where(brain, 0.01 * _texture(shape, spacing_mm, rng), 0)
    bleed = tuple(int(n * f) for n, f in zip(shape, (0.35, 0.55, 0.5), strict=True))
    chalk = tuple(int(n * f) for n, f in zip(shape, (0.62, 0.6, 0.5), strict=True))
    for centre, ppm in ((bleed, 1.0), (chalk, -1.0)):
        offset = [p - p.ravel()[c] for p, c in zip((x, y, z), centre, strict=True)]
        chi = chi + ppm * (sum(o**2 for o in offset) < 1.8**2)
    local = RADIANS_PER_PPM * _dipole_field(chi.astype(np.float32), spacing_mm)
    u, v, w = x / half[0], y / half[1], z / half[2]
    background = BACKGROUND_RAD * (0.8 * u**2 - v + 0.7 * w + 0.9 * u * w + 0.5 * v**2 + 0.3)
    signal = np.where(head, np.where(radius > 0.9, 0.5, 1.0), 0) * (1 - 0.25 * (u + v))
    signal = signal * (1 - 0.6 * share) * np.where(brain, 1 + 0.02 * _texture(shape, spacing_mm, rng), 1)
    complex_image = signal * np.exp(1j * (local + background))
    complex_image += noise * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -field_of_view / 2 + [3.0, -5.0, 7.0]
    return Phantom(
        np.abs(complex_image).astype(np.float32),
        np.angle(complex_image).astype(np.float32),
        local.astype(np.float32),
        spacing_mm,
        brain,
        share > 0.5,
        bleed,  # type: ignore[arg-type]
        affine,
    )


def stored(phase_rad: NDArray[np.float32], scale: str) -> NDArray[np.float32]:
    """Write radians as a vendor would."""
    if scale == "milliradians":
        return np.round(phase_rad * 1000)
    if scale == "0..4095":
        return np.clip(np.round(phase_rad / np.pi * 2048 + 2048), 0, 4095)
    if scale == "-4096..4095":
        return np.clip(np.round(phase_rad / np.pi * 4096), -4096, 4095)
    if scale == "degrees":
        return np.round(np.rad2deg(phase_rad))
    return phase_rad


def _veins(shape, spacing_mm, brain, rng) -> NDArray[np.float32]:
    """Share of venous blood: straight tubes of 0.8 to 1.4 mm radius in all directions."""
    share = np.zeros(shape, dtype=np.float32)
    inside = np.argwhere(brain)
    for _ in range(60):
        start = inside[rng.integers(len(inside))] * spacing_mm
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        points = start + np.linspace(0, 40, 400)[:, None] * direction
        jitter = rng.uniform(-1, 1, (400, 3)) * rng.uniform(0.6, 1.0)
        ijk = np.round((points + jitter) / spacing_mm).astype(int)
        ijk = ijk[np.all((ijk >= 0) & (ijk < shape), axis=1)]
        share[tuple(ijk.T)] = rng.uniform(0.5, 1.0)
    return share * brain


def _texture(shape, spacing_mm, rng) -> NDArray[np.float32]:
    noise = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), [3 / s for s in spacing_mm])
    return noise / noise.std()


def _dipole_field(chi: NDArray[np.float32], spacing_mm) -> NDArray[np.float32]:
    k = np.meshgrid(*[np.fft.fftfreq(n, d) for n, d in zip(chi.shape, spacing_mm, strict=True)], indexing="ij")
    squared = k[0] ** 2 + k[1] ** 2 + k[2] ** 2
    squared[0, 0, 0] = 1
    kernel = 1 / 3 - k[2] ** 2 / squared
    kernel[0, 0, 0] = 0
    return np.fft.ifftn(np.fft.fftn(chi) * kernel).real
