"""What travels between the parts: a scan, and a candidate found on it.

All arrays of a :class:`Scan` lie on its canonical grid (axes closest to R, A, S, see
:func:`microbleeds.geometry.canonical`); ``source_grid`` is the grid of the file, on which results are
written.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from datetime import date
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.geometry import Grid

Volume = NDArray[np.float32]
PhaseSign = Literal["paramagnetic-bright", "paramagnetic-dark"]
ScanKind = Literal["swi", "t2star"]
NO_PHASE = "No phase image was given, so calcifications can't be told from microbleeds by their sign."
T2STAR_ONLY = "Only a T2*-weighted magnitude was given; fewer microbleeds show on it than on SWI."


@dataclass(frozen=True)
class SequenceFacts:
    """Acquisition facts from a sidecar or header; ``None`` where nothing says."""

    field_strength_t: float | None = None
    echo_time_ms: float | None = None
    repetition_time_ms: float | None = None
    flip_angle_deg: float | None = None
    manufacturer: str | None = None


def _is_positive(value: object) -> bool:
    """Whether a value is a positive number."""
    return isinstance(value, Real) and 0 < float(value) < math.inf


def checked_facts(facts: SequenceFacts | None) -> SequenceFacts:
    """Return acquisition facts that a caller gave, none if ``None``.

    Raises:
        InputError: if they are none, or hold what is no positive number or no text.
    """
    if facts is None:
        return SequenceFacts()
    if not isinstance(facts, SequenceFacts):
        raise InputError(f"The facts of a sequence are a SequenceFacts, not a {type(facts).__name__}.")
    for name, value in asdict(facts).items():
        fitting = isinstance(value, str) if name == "manufacturer" else _is_positive(value)
        if value is not None and not fitting:
            raise InputError(f"{name} of the sequence is {value!r}; leave it out where it is not known.")
    return facts


@dataclass(frozen=True)
class PhaseFacts:
    """How the phase image was understood; each ``*_source`` is a short clause that tells why.

    Args:
        scale: ``radians``, ``milliradians``, ``degrees``, ``0..4095``, ``-2048..2047``, ``-4096..4095`` or
            ``arbitrary``.
        sign: whether veins and bleeds (paramagnetic) were bright or dark in the file.
        high_pass_filtered: whether the file's phase was already high-pass filtered.
    """

    scale: str
    scale_source: str
    sign: PhaseSign
    sign_source: str
    high_pass_filtered: bool
    high_pass_source: str


@dataclass(frozen=True)
class SourceImages:
    """DICOM images that a scan was read from, as an archive numbers them.

    Args:
        series: Series Number.
        numbers: Instance Number (or number of the frame) of each slice along the third axis of ``source_grid``.
        frames: whether they are frames of a multi-frame image.
    """

    series: int
    numbers: tuple[int, ...]
    frames: bool


@dataclass(frozen=True, eq=False)
class Scan:
    """One SWI (or T2*-weighted GRE) acquisition, ready for the detector.

    Args:
        kind: ``swi``, or ``t2star`` when only a T2*-weighted magnitude was given (weaker).
        grid: canonical grid of all arrays below.
        source_grid: grid of the input file.
        swi: [X, Y, Z] susceptibility-weighted image in arbitrary units (for ``t2star`` the magnitude).
        magnitude: [X, Y, Z] magnitude before weighting, if given.
        phase_rad: [X, Y, Z] high-pass-filtered phase in radians, paramagnetic tissue **positive**, if given.
        files: role (``swi``, ``magnitude``, ``phase``) to path as the user gave it.
        images: of the main image, if it was DICOM and they are numbered.
        warnings: sentences for the reader.
        day: of the acquisition, where a header or sidecar says. It is for the time between two visits alone and
            goes into no file.
    """

    kind: ScanKind
    grid: Grid
    source_grid: Grid
    swi: Volume
    magnitude: Volume | None = None
    phase_rad: Volume | None = None
    sequence: SequenceFacts = SequenceFacts()
    phase_facts: PhaseFacts | None = None
    files: dict[str, str] = field(default_factory=dict)
    images: SourceImages | None = None
    warnings: tuple[str, ...] = ()
    day: date | None = field(default=None, repr=False)

    @property
    def image_warnings(self) -> tuple[str, ...]:
        """The warnings that matter where microbleeds aren't searched: on the image and its geometry."""
        return tuple(sentence for sentence in self.warnings if sentence not in (NO_PHASE, T2STAR_ONLY))


@dataclass(frozen=True)
class Candidate:
    """A spot that the detector proposes.

    Args:
        position_ras_mm: (x, y, z) of the centre.
        score: 0..1, larger is surer.
        diameter_mm: apparent diameter on the image (full width at half depth), ``None`` if not measurable.
        score_range: lowest and highest score when it was looked at again, mirrored and shifted, ``score``
            included; ``None`` where that was not done.
    """

    position_ras_mm: tuple[float, float, float]
    score: float
    diameter_mm: float | None = None
    score_range: tuple[float, float] | None = None
