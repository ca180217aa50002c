"""What each vendor stores of an SWI acquisition, and how its numbers count.

* ``siemens``: four series (``Mag_Images``, ``Pha_Images``, ``mIP_Images(SW)``, ``SWI_Images``) of the sequence
  ``*swi3d1r``; phase 0..4095 without rescale values.
* ``siemens-enhanced``: the same as multi-frame files; phase 0..4095 with slope 2 and intercept -4096.
* ``philips``: magnitude and phase in one series; phase in milliradians (slope 1.5345, intercept -3142), magnitude
  with a private scale slope; the derived SWIp in a series of its own.
* ``philips-enhanced``: the same as multi-frame files, with real-world values.
* ``ge``: SWAN, its minimum projection, and a series with real and imaginary images, told apart in (0043,102F);
  phase of the opposite sign, every other slice negated.
* ``ge-phase``: SWAN with its filtered phase (``FILT_PHA``) instead, in milliradians and of the opposite sign too.
* ``canon``: FSBB with magnitude and phase series; the phase in -2048..2047 without a unit. Of Canon's files only
  names are public, so this one tests a phase that nothing but its values explains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microbleeds.simulate.dicom.images import SubjectImages

Convention = Literal["siemens", "siemens-enhanced", "philips", "philips-enhanced", "ge", "ge-phase", "canon"]
PhysicalComponent = Literal["MAGNITUDE", "PHASE", "REAL", "IMAGINARY"]
# Philips' own: a circle of +-pi in 4096 steps of a milliradian scale.
PHILIPS_PHASE_SLOPE, PHILIPS_PHASE_INTERCEPT = 6284 / 4095, -3142.0
_PHILIPS_SCALE_SLOPE, _PHILIPS_MAGNITUDE_SLOPE = 0.00283, 1.7


@dataclass(frozen=True, eq=False)
class Layer:
    """One volume of a series.

    Args:
        stored: int16 [x, y, z] numbers as they are written.
        image_type: value of Image Type.
        rescale: slope, intercept and type; ``None`` where the vendor writes none.
        signed: whether numbers are written as signed 16 bits; else as unsigned 12 bits.
        ge_code: of (0043,102F).
        philips_scale_slope: of (2005,100E).
        real_world_milliradians: whether a real-world mapping with the same slope is written.
    """

    stored: NDArray[np.int16]
    image_type: tuple[str, ...]
    component: PhysicalComponent = "MAGNITUDE"
    rescale: tuple[float, float, str] | None = None
    signed: bool = False
    ge_code: int | None = None
    philips_scale_slope: float | None = None
    real_world_milliradians: bool = False


@dataclass(frozen=True, eq=False)
class Series:
    """One series: its number, its name and its volumes."""

    number: int
    description: str
    layers: tuple[Layer, ...]
    manufacturer: str
    model: str
    sequence_name: str
    enhanced: bool = False


def series_of(images: SubjectImages, convention: Convention) -> list[Series]:
    """Return the series that a scanner would store."""
    if convention in ("siemens", "siemens-enhanced"):
        return _siemens(images, enhanced=convention == "siemens-enhanced")
    if convention in ("philips", "philips-enhanced"):
        return _philips(images, enhanced=convention == "philips-enhanced")
    if convention == "canon":
        return _canon(images)
    return _ge(images, filtered=convention == "ge-phase")


def _siemens(images: SubjectImages, *, enhanced: bool) -> list[Series]:
    phase = np.round(images.phase_rad * (2048 / np.pi) + 2048).clip(0, 4095).astype(np.int16)
    phase_layer = Layer(
        phase,
        ("ORIGINAL", "PRIMARY", "P", "ND"),
        "PHASE",
        rescale=(2.0, -4096.0, "US") if enhanced else None,
    )
    layers = [
        ("Mag_Images", Layer(images.magnitude, ("ORIGINAL", "PRIMARY", "M", "ND", "NORM"))),
        ("Pha_Images", phase_layer),
        ("mIP_Images(SW)", Layer(images.minimum_projection, ("ORIGINAL", "PRIMARY", "MNIP", "ND", "NORM"))),
        ("SWI_Images", Layer(images.swi, ("ORIGINAL", "PRIMARY", "M", "SWI", "NORM", "DIS2D"))),
    ]
    model = "MAGNETOM Vida" if enhanced else "Prisma"
    return [
        Series(number, name, (layer,), "SIEMENS", model, "*swi3d1r", enhanced)
        for number, (name, layer) in enumerate(layers, start=5)
    ]


def _philips(images: SubjectImages, *, enhanced: bool) -> list[Series]:
    phase = np.round((images.phase_rad * 1000 - PHILIPS_PHASE_INTERCEPT) / PHILIPS_PHASE_SLOPE)
    scaled = (_PHILIPS_MAGNITUDE_SLOPE, 0.0, "normalized")
    source = (
        Layer(
            images.magnitude,
            ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"),
            rescale=scaled,
            philips_scale_slope=_PHILIPS_SCALE_SLOPE,
        ),
        Layer(
            phase.clip(0, 4095).astype(np.int16),
            ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"),
            "PHASE",
            rescale=(PHILIPS_PHASE_SLOPE, PHILIPS_PHASE_INTERCEPT, "milliradials"),
            real_world_milliradians=enhanced,
        ),
    )
    swi = Layer(images.swi, ("DERIVED", "PRIMARY", "M_FFE", "M", "FFE"), rescale=scaled)
    projection = Layer(images.minimum_projection, ("DERIVED", "SECONDARY", "MIN IP", "M", "FFE"), rescale=scaled)
    maker = ("Philips Medical Systems", "Ingenia Elition X", "FFE", enhanced)
    return [
        Series(701, "sSWIp", source, *maker),
        Series(702, "sSWIp SWI", (swi,), *maker),
        Series(703, "sSWIp mIP", (projection,), *maker),
    ]


def _canon(images: SubjectImages) -> list[Series]:
    phase = np.round(images.phase_rad * (2048 / np.pi)).clip(-2048, 2047).astype(np.int16)
    kind = ("ORIGINAL", "PRIMARY", "OTHER")
    layers = [
        ("FSBB Magnitude", Layer(images.magnitude, kind, signed=True)),
        ("FSBB Phase", Layer(phase, kind, "PHASE", signed=True)),
        ("FSBB", Layer(images.swi, ("DERIVED", "SECONDARY", "OTHER"), signed=True)),
        ("FSBB MinIP", Layer(images.minimum_projection, ("DERIVED", "SECONDARY", "MINIP"), signed=True)),
    ]
    return [
        Series(1000 * number, name, (layer,), "CANON_MEC", "Galan", "FE3D_FSBB")
        for number, (name, layer) in enumerate(layers, start=4)
    ]


def _ge(images: SubjectImages, *, filtered: bool) -> list[Series]:
    signal = images.magnitude * np.exp(-1j * images.phase_rad)
    signal[:, :, 1::2] *= -1
    kind = ("ORIGINAL", "PRIMARY", "OTHER")
    real, imaginary = (np.round(part).astype(np.int16) for part in (signal.real, signal.imag))
    complex_layers = (
        Layer(real, kind, "REAL", signed=True, ge_code=2),
        Layer(imaginary, kind, "IMAGINARY", signed=True, ge_code=3),
    )
    milliradians = np.round(-1000 * images.phase_rad).astype(np.int16)
    maker = ("GE MEDICAL SYSTEMS", "SIGNA Premier", "SWAN")
    beside = (
        Series(9, "FILT_PHA: Ax SWAN", (Layer(milliradians, kind, "PHASE", signed=True, ge_code=1),), *maker)
        if filtered
        else Series(9, "ORIG: Ax SWAN", complex_layers, *maker)
    )
    return [
        Series(8, "Ax SWAN", (Layer(images.swi, kind, signed=True, ge_code=0),), *maker),
        beside,
        Series(
            800,
            "Min IP: Ax SWAN",
            (
                Layer(
                    images.minimum_projection,
                    ("DERIVED", "SECONDARY", "REFORMATTED", "MIN IP"),
                    signed=True,
                    ge_code=0,
                ),
            ),
            *maker,
        ),
    ]
