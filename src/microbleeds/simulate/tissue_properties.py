"""Susceptibility, relaxation and proton density of each tissue, drawn per subject.

Numbers: susceptibility from the QSM challenge phantom with the age trends of Treit 2021 and Li 2021; T1 after
Wright 2008; R2* after Peters 2006 and Li 2009 (about linear in B0); venous susceptibility
Hct x 4 pi x 0.27 ppm x (1 - Y) (Spees 2001, Jain 2012). Relative to water, SI ppm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.simulate.protocol import Protocol
from microbleeds.tissues import Tissue

N_TISSUES = 1 + max(Tissue)


@dataclass(frozen=True)
class _Tissue:
    """Means: susceptibility of the young and the old (ppm), T1 (s) and R2* (1/s) at 3 T and 1.5 T, density."""

    chi: tuple[float, float]
    t1: tuple[float, float]
    r2star: tuple[float, float]
    density: float


_WATER = _Tissue((0.0, 0.0), (4.2, 4.0), (1.5, 1.5), 1.0)
_CORTEX = _Tissue((0.016, 0.020), (1.35, 1.05), (16.5, 11.5), 0.83)
_SOFT = _Tissue((0.0, 0.0), (0.60, 0.45), (45.0, 30.0), 0.62)
_BONE = _Tissue((0.0, 0.0), (0.40, 0.35), (300.0, 250.0), 0.12)
_TABLE: dict[str, _Tissue] = {
    "SCALP": _SOFT,
    "SKULL": _BONE,
    "EYE": _WATER,
    "CSF": _WATER,
    "VENTRICLE": _WATER,
    "CORTEX": _CORTEX,
    "WHITE": _Tissue((-0.030, -0.030), (0.85, 0.62), (20.5, 14.5), 0.70),
    "CAUDATE": _Tissue((0.038, 0.055), (1.25, 1.05), (21.0, 14.5), 0.80),
    "PUTAMEN": _Tissue((0.035, 0.085), (1.15, 1.05), (26.0, 17.0), 0.80),
    "PALLIDUM": _Tissue((0.115, 0.135), (0.95, 0.75), (38.0, 22.0), 0.76),
    "ACCUMBENS": _Tissue((0.025, 0.035), (1.25, 1.05), (20.0, 14.0), 0.80),
    "THALAMUS": _Tissue((0.016, 0.004), (1.10, 0.90), (20.5, 14.5), 0.78),
    "HIPPOCAMPUS": _CORTEX,
    "AMYGDALA": _CORTEX,
    "VENTRAL_DC": _Tissue((0.005, 0.005), (1.00, 0.78), (22.0, 15.0), 0.75),
    "BRAINSTEM": _Tissue((-0.018, -0.018), (0.98, 0.72), (20.0, 14.0), 0.74),
    "CEREBELLAR_CORTEX": _Tissue((0.014, 0.016), (1.30, 1.00), (17.0, 12.0), 0.83),
    "CEREBELLAR_WHITE": _Tissue((-0.025, -0.025), (0.90, 0.65), (20.0, 14.0), 0.72),
    "RED_NUCLEUS": _Tissue((0.085, 0.125), (1.00, 0.80), (34.0, 20.0), 0.76),
    "SUBSTANTIA_NIGRA": _Tissue((0.110, 0.145), (1.00, 0.80), (34.0, 20.0), 0.76),
    "DENTATE": _Tissue((0.095, 0.150), (1.05, 0.82), (32.0, 19.0), 0.76),
    "CHOROID_PLEXUS": _Tissue((0.0, 0.0), (1.80, 1.50), (14.0, 10.0), 0.90),
}
IRON_NUCLEI = ("CAUDATE", "PUTAMEN", "PALLIDUM", "RED_NUCLEUS", "SUBSTANTIA_NIGRA", "DENTATE")


@dataclass(frozen=True, eq=False)
class TissueDraw:
    """One subject's tissues.

    Args:
        age: 0 (young) to 1 (old).
        susceptibility_ppm: [N_TISSUES] per label code.
        t1_scale, r2star_scale, density_scale: [N_TISSUES] subject's factors on the table.
        venous_ppm: susceptibility of venous blood.
        arterial_gain: brightness of arteries over white matter (inflow).
        seed: of the texture.
    """

    age: float
    susceptibility_ppm: NDArray[np.float32]
    t1_scale: NDArray[np.float32]
    r2star_scale: NDArray[np.float32]
    density_scale: NDArray[np.float32]
    venous_ppm: float
    arterial_gain: float
    seed: int


def draw_tissues(generator: np.random.Generator) -> TissueDraw:
    """Draw one subject's tissue properties."""
    rng = generator
    age = float(rng.uniform(0, 1) ** 0.7)  # cohorts with microbleeds are old
    subject = rng.normal(1, 0.12)
    chi = np.zeros(N_TISSUES, dtype=np.float32)
    for tissue in Tissue:
        young, old = _row(tissue).chi
        mean = young + (old - young) * age
        if _name(tissue) in IRON_NUCLEI:
            mean *= subject * rng.normal(1, 0.08)
        elif mean:
            mean += rng.normal(0, 0.004)
        chi[tissue] = mean
    haematocrit, oxygenation = rng.uniform(0.38, 0.46), rng.uniform(0.55, 0.75)
    return TissueDraw(
        age=age,
        susceptibility_ppm=chi,
        t1_scale=rng.normal(1, 0.04, N_TISSUES).astype(np.float32),
        r2star_scale=rng.normal(1, 0.05, N_TISSUES).astype(np.float32),
        density_scale=rng.normal(1, 0.015, N_TISSUES).astype(np.float32),
        venous_ppm=float(haematocrit * 4 * np.pi * 0.27 * (1 - oxygenation) - 0.02),
        arterial_gain=float(rng.uniform(1.4, 2.2)),
        seed=int(rng.integers(2**31)),
    )


def signal_table(
    draw: TissueDraw, protocol: Protocol, flip_angle_deg: float, repetition_time_ms: float
) -> NDArray[np.float32]:
    """Magnitude of each tissue at the echo, [N_TISSUES], by the spoiled gradient echo equation.

    S = PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE R2*). Dephasing by the field is not in R2*: it comes from
    the oversampled grid.
    """
    at_15 = protocol.field_strength_t < 2.2
    signal = np.zeros(N_TISSUES, dtype=np.float32)
    for tissue in Tissue:
        if tissue in (Tissue.AIR, Tissue.SINUS_AIR):
            continue
        row = _row(tissue)
        r2star = row.r2star[at_15]
        if _name(tissue) == "PUTAMEN":
            r2star *= 1 + 0.15 * draw.age
        signal[tissue] = (
            row.density
            * draw.density_scale[tissue]
            * _spoiled(row.t1[at_15] * draw.t1_scale[tissue], flip_angle_deg, repetition_time_ms)
            * np.exp(-protocol.echo_time_ms * 1e-3 * r2star * draw.r2star_scale[tissue])
        )
    return signal


def blood_signal(protocol: Protocol, flip_angle_deg: float, repetition_time_ms: float) -> float:
    """Magnitude of venous blood at the echo (R2* 45 1/s at 3 T, 20 1/s at 1.5 T)."""
    at_15 = protocol.field_strength_t < 2.2
    steady = _spoiled((1.65, 1.40)[at_15], flip_angle_deg, repetition_time_ms)
    # Slow inflow of fresh spins makes veins brighter than the steady state.
    return float(0.85 * 1.3 * steady * np.exp(-protocol.echo_time_ms * 1e-3 * (45.0, 20.0)[at_15]))


def _spoiled(t1_s: float, flip_angle_deg: float, repetition_time_ms: float) -> float:
    angle = np.deg2rad(flip_angle_deg)
    e1 = np.exp(-repetition_time_ms * 1e-3 / t1_s)
    return float(np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1))


def _name(tissue: Tissue) -> str:
    name = tissue.name
    for suffix in ("_LEFT", "_RIGHT", "_THIRD", "_FOURTH"):
        name = name.removesuffix(suffix)
    return name


def _row(tissue: Tissue) -> _Tissue:
    return _TABLE.get(_name(tissue), _WATER)
