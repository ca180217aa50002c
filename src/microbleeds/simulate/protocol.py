"""What the scanner is told: named protocols, and the settings that vary from scan to scan.

Sources of the numbers: 3T SWI 0.5 x 0.5 x 2 mm (Kim et al., arXiv 2306.13020, TE 20 ms, TR 27 ms, flip angle
15 degrees); UK Biobank swMRI (0.8 x 0.8 x 3 mm, TE 20 ms, TR 27 ms); 1.5T SWI (TE 40 ms, TR 49 ms, the same
phase evolution as 3T at 20 ms); 1.5T 2D gradient echo (Stehling 2008, TE 23 ms, flip angle 18 degrees).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from microbleeds.errors import InputError

PROTON_MHZ_PER_T = 42.577
Vendor = Literal["Siemens", "Philips", "GE"]
MaskKind = Literal["linear", "triangular", "tanh"]
PhaseUnit = Literal["radians", "milliradians", "0..4095", "-4096..4095"]


@dataclass(frozen=True)
class Protocol:
    """A pulse sequence on an image matrix.

    Args:
        matrix: voxels along x (left to right), y (posterior to anterior) and z (slices).
        spacing_mm: voxel size; the slice spacing includes any gap.
        oversampling: finer points per voxel and axis on which the signal is computed before k-space is cropped.
        two_dimensional: slices excited one by one instead of a phase-encoded slab.
    """

    name: str
    field_strength_t: float
    echo_time_ms: float
    repetition_time_ms: float
    flip_angle_deg: float
    matrix: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    oversampling: tuple[int, int, int]
    snr: tuple[float, float]
    two_dimensional: bool = False
    slice_gap_mm: float = 0.0

    @property
    def phase_rad_per_ppm(self) -> float:
        """Phase at the echo per ppm of field shift: 16.05 at 3 T and 20 ms."""
        return 2 * np.pi * PROTON_MHZ_PER_T * self.field_strength_t * self.echo_time_ms * 1e-3


PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("3t-0.5x0.5x2", 3.0, 20.0, 27.0, 15.0, (384, 448, 72), (0.5, 0.5, 2.0), (1, 1, 3), (14, 32)),
        Protocol("3t-0.8x0.8x2", 3.0, 20.0, 28.0, 15.0, (240, 280, 72), (0.8, 0.8, 2.0), (1, 1, 3), (22, 50)),
        Protocol("3t-0.8x0.8x3", 3.0, 20.0, 27.0, 15.0, (256, 288, 48), (0.8, 0.8, 3.0), (1, 1, 5), (25, 60)),
        Protocol("1.5t-0.8x0.8x2", 1.5, 40.0, 49.0, 15.0, (240, 280, 72), (0.8, 0.8, 2.0), (1, 1, 3), (14, 26)),
        Protocol(
            "1.5t-gre-0.9x0.9x5",
            1.5,
            23.0,
            663.0,
            18.0,
            (224, 256, 28),
            (0.9, 0.9, 5.0),
            (1, 1, 8),
            (30, 60),
            two_dimensional=True,
            slice_gap_mm=0.5,
        ),
        Protocol("3t-0.5x0.5x4", 3.0, 20.0, 27.0, 15.0, (384, 448, 36), (0.5, 0.5, 4.0), (1, 1, 6), (20, 45)),
    )
}
DEFAULT_PROTOCOL = "3t-0.5x0.5x2"  # the paper's
# Half of the mixed draws are the paper's own protocol; the weights are a choice, not a survey of hospitals. Slices
# of 4 mm are left out, so that the seeds of earlier data sets still give the same scans.
MIXED_SHARES = {
    "3t-0.5x0.5x2": 0.45,
    "3t-0.8x0.8x2": 0.15,
    "3t-0.8x0.8x3": 0.15,
    "1.5t-0.8x0.8x2": 0.15,
    "1.5t-gre-0.9x0.9x5": 0.10,
}


def named_protocol(name: str, generator: np.random.Generator) -> Protocol:
    """Return the protocol called ``name``; ``mixed`` draws one by :data:`MIXED_SHARES`.

    Raises:
        InputError: if there is no such protocol.
    """
    if name == "mixed":
        names = list(MIXED_SHARES)
        return PROTOCOLS[names[generator.choice(len(names), p=list(MIXED_SHARES.values()))]]
    if name not in PROTOCOLS:
        known = ", ".join([*PROTOCOLS, "mixed"])
        raise InputError(f"There is no protocol called {name!r}; choose one of {known}.")
    return PROTOCOLS[name]


@dataclass(frozen=True)
class ScanSettings:
    """What varies between two scans of one protocol.

    Args:
        snr: white matter signal over the noise standard deviation of one channel (real or imaginary), before the
            k-space filter, which lowers the noise by 10 to 30 %.
        tilt_deg: rotation of the slice stack about x, y, z against the scanner's axes (B0 is the world's z).
        phase_resolution: share of the phase-encoding lines that are acquired.
        partial_fourier: (axis, share, side): axis 0 is phase encoding, 2 the slice direction; side -1 or +1.
        taper: Tukey window width of the k-space filter, 0..1.
        homodyne_window: width of the Hann window of the high-pass filter, in k-space samples of the field of view.
        mask_kind: how phase becomes a mask of the SWI; ``mask_power`` is the number of multiplications.
        motion: list of (line share 0..1 at which the head moves, shift mm [3], phase jump rad).
        singularities: number of open-ended fringe line pairs of a failed coil combination.
        g_factor: how much parallel imaging raises the noise in the middle of the head (0: not at all).
        ghost: amplitude of the pulsation ghosts of large vessels, relative to the vessel.
        phase_filtered: whether the vendor's phase image is high-pass filtered.
        paramagnetic_bright: sign of the vendor's phase image.
    """

    snr: float
    tilt_deg: tuple[float, float, float]
    phase_resolution: float
    partial_fourier: tuple[int, float, int] | None
    taper: float
    homodyne_window: float
    mask_kind: MaskKind
    mask_power: float
    motion: tuple[tuple[float, tuple[float, float, float], float], ...]
    singularities: int
    g_factor: float
    ghost: float
    flip_angle_deg: float
    repetition_time_ms: float
    vendor: Vendor
    phase_unit: PhaseUnit
    phase_filtered: bool
    paramagnetic_bright: bool


def draw_settings(protocol: Protocol, generator: np.random.Generator) -> ScanSettings:
    """Draw the settings of one scan of ``protocol``."""
    rng = generator
    vendor: Vendor = ("Siemens", "Philips", "GE")[rng.choice(3, p=[0.5, 0.25, 0.25])]
    unit, filtered = _phase_format(vendor, rng)
    partial_fourier = None
    if rng.random() < 0.6:
        # Zero-filled partial Fourier leaks the sign of the susceptibility into the magnitude: either side.
        axis = 0 if protocol.two_dimensional or rng.random() < 0.4 else 2
        share = 0.75 if axis == 0 else 0.875
        partial_fourier = (axis, float(rng.uniform(share, 1.0)), int(rng.choice([-1, 1])))
    flip, repetition = protocol.flip_angle_deg, protocol.repetition_time_ms
    return ScanSettings(
        snr=float(rng.uniform(*protocol.snr)),
        tilt_deg=(float(rng.normal(-8, 7)), float(rng.normal(0, 3)), float(rng.normal(0, 2))),
        phase_resolution=float(rng.uniform(0.65, 1.0)),
        partial_fourier=partial_fourier,
        taper=float(rng.uniform(0.1, 0.4)),
        homodyne_window=float(rng.uniform(32, 96)),
        mask_kind=("linear", "triangular", "tanh")[rng.choice(3, p=[0.75, 0.1, 0.15])],
        mask_power=float(rng.choice([3, 4, 4, 5])),
        motion=_draw_motion(rng),
        singularities=int(rng.integers(1, 4)) if rng.random() < 0.3 else 0,
        g_factor=float(rng.uniform(0, 0.8)) if rng.random() < 0.6 else 0.0,
        ghost=float(rng.uniform(0.02, 0.12)) if rng.random() < 0.3 else 0.0,
        flip_angle_deg=float(rng.uniform(flip - 4, flip + 4)),
        repetition_time_ms=float(repetition * rng.uniform(0.95, 1.3)),
        vendor=vendor,
        phase_unit=unit,
        phase_filtered=filtered,
        paramagnetic_bright=bool(rng.random() < 0.5),
    )


def clean(settings: ScanSettings) -> ScanSettings:
    """The same scan without motion, singularities, ghosts, partial Fourier or extra noise (for physics checks)."""
    return replace(
        settings,
        motion=(),
        singularities=0,
        ghost=0.0,
        g_factor=0.0,
        partial_fourier=None,
        phase_resolution=1.0,
    )


def _phase_format(vendor: Vendor, rng: np.random.Generator) -> tuple[PhaseUnit, bool]:
    """Number format of the phase image and whether the scanner filters it (simulation design, 3.12)."""
    if vendor == "Siemens":
        unit: PhaseUnit = "0..4095" if rng.random() < 0.5 else "-4096..4095"
        return unit, bool(rng.random() < 0.8)
    if vendor == "Philips":
        return ("radians" if rng.random() < 0.5 else "milliradians"), False
    return "milliradians", bool(rng.random() < 0.3)


def _draw_motion(
    rng: np.random.Generator,
) -> tuple[tuple[float, tuple[float, float, float], float], ...]:
    """A third of the scans have one to three sudden shifts of 0.3 to 1.5 mm with a jump of the phase."""
    if rng.random() > 0.33:
        return ()
    events = []
    for _ in range(rng.integers(1, 4)):
        direction = rng.normal(size=3)
        shift = direction / np.linalg.norm(direction) * rng.uniform(0.3, 1.5)
        events.append(
            (
                float(rng.uniform(0.05, 0.95)),
                (float(shift[0]), float(shift[1]), float(shift[2])),
                float(rng.normal(0, 0.3)),
            )
        )
    return tuple(sorted(events))
