"""Files of one acquisition become a :class:`microbleeds.scan.Scan`: reading and susceptibility together.

What may be given: SWI and phase; magnitude and phase (SWI is then made here); SWI alone; magnitude alone
(taken as a T2*-weighted gradient echo); SWI, magnitude and phase. Each is a NIfTI file, or a folder, zip or file
of DICOM; a DICOM study given as SWI brings its magnitude and phase along.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.given import PathText, path_of, texts_of
from microbleeds.read.dicom.parts import part_of, parts_of
from microbleeds.read.dicom.series import DicomSeries, DicomStudy, Role
from microbleeds.read.dicom.study import is_study, open_study, open_volume
from microbleeds.read.part import Part, array_part, nifti_part
from microbleeds.read.sidecar import merged
from microbleeds.scan import NO_PHASE, T2STAR_ONLY, PhaseFacts, Scan, SequenceFacts, Volume, checked_facts
from microbleeds.susceptibility.foreground import head_core
from microbleeds.susceptibility.highpass import decide_high_pass, homodyne
from microbleeds.susceptibility.scale import PhaseScale, find_scale, to_radians
from microbleeds.susceptibility.sign import SignDecision, find_sign
from microbleeds.susceptibility.swi import susceptibility_weighted

SignChoice = Literal["auto", "paramagnetic-bright", "paramagnetic-dark"]
_ROLES: tuple[Role, ...] = ("swi", "magnitude", "phase")
# Phase is nearly unrelated to magnitude; a magnitude given as phase is not.
_MAGNITUDE_AS_PHASE = 0.8
# Interpolation and rounding carry values a little past the end of a scale.
_STATED_OVERSHOOT = 1.05


@dataclass(frozen=True, eq=False)
class Study:
    """A scan and where it came from.

    Args:
        scan: ready for the detector.
        dicom: the DICOM volumes that it was read from, their main one on ``scan.source_grid``; ``None`` if the SWI
            (or the magnitude in its stead) was a NIfTI file.
        given: role to the path that the user gave, without what identifies the patient.
        voxels_sha256: role to :func:`microbleeds.read.part.voxels_sha256` of each volume that was read from DICOM.
    """

    scan: Scan
    dicom: DicomStudy | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    voxels_sha256: Mapping[str, str] = field(default_factory=dict)


def load_study(
    swi: PathText | None = None,
    magnitude: PathText | None = None,
    phase: PathText | None = None,
    *,
    phase_sign: SignChoice = "auto",
) -> Scan:
    """Read the files of one acquisition.

    Args:
        swi: susceptibility-weighted image.
        magnitude: magnitude before weighting, or a T2*-weighted gradient echo.
        phase: phase image in any known scale, raw or high-pass filtered.
        phase_sign: whether veins are bright or dark in the phase file; ``auto`` derives it from the scan.

    Raises:
        InputError: if a file can't be used, the files lie on different grids, or neither SWI nor magnitude is
            given.
    """
    with open_scan(swi, magnitude, phase, phase_sign=phase_sign) as study:
        return study.scan


@contextmanager
def open_scan(
    swi: PathText | None = None,
    magnitude: PathText | None = None,
    phase: PathText | None = None,
    *,
    phase_sign: SignChoice = "auto",
    series: Sequence[str] = (),
) -> Iterator[Study]:
    """Read the files of one acquisition; those of an unpacked zip exist until the block ends.

    Args:
        swi: susceptibility-weighted image, or a DICOM study.
        magnitude: as in :func:`load_study`.
        phase: as in :func:`load_study`.
        phase_sign: as in :func:`load_study`.
        series: which series of the DICOM study to use, see :func:`microbleeds.read.dicom.wishes.granted`.

    Raises:
        InputError: as :func:`load_study`, and if the DICOM study can't be used.
    """
    given = {role: path_of(p) for role, p in zip(_ROLES, (swi, magnitude, phase), strict=True) if p is not None}
    _refuse_phase_alone(given)
    refuse_unknown_sign(phase_sign)
    series = texts_of(series)
    if series and not ("swi" in given and is_study(given["swi"])):
        raise InputError(
            "Series can be named for a DICOM study only; give its folder or zip as the first argument."
        )
    with ExitStack() as files:
        parts, dicom, titles = _read(given, series, files)
        _refuse_different_grids(parts)
        _refuse_negative(parts)
        notes = dicom.notes if dicom is not None else ()
        hashes = {role: sha256 for part in parts.values() for role, sha256 in part.voxels_sha256.items()}
        scan = _assembled(parts, phase_sign, notes)
        yield Study(scan if dicom is None else replace(scan, images=dicom.main.images), dicom, titles, hashes)


def scan_of(
    affine: ArrayLike,
    *,
    swi: ArrayLike | None = None,
    magnitude: ArrayLike | None = None,
    phase: ArrayLike | None = None,
    phase_sign: SignChoice = "auto",
    phase_units: str | None = None,
    sequence: SequenceFacts | None = None,
) -> Scan:
    """Take the images of one acquisition that are in memory, copied and understood as files would be.

    Args:
        affine: [4, 4] matrix from voxel to RAS mm, of every image.
        swi: [I, J, K] susceptibility-weighted image.
        magnitude: [I, J, K], as in :func:`load_study`.
        phase: [I, J, K] in any known scale, raw or high-pass filtered.
        phase_sign: as in :func:`load_study`.
        phase_units: BIDS ``Units`` of the phase (``rad`` or ``arbitrary``), if known.
        sequence: facts of the acquisition, if known.

    Raises:
        InputError: as :func:`load_study`.
    """
    images = {
        role: image for role, image in zip(_ROLES, (swi, magnitude, phase), strict=True) if image is not None
    }
    _refuse_phase_alone(images)
    refuse_unknown_sign(phase_sign)
    facts = checked_facts(sequence)
    if phase_units is not None and not isinstance(phase_units, str):
        raise InputError(f"The units of the phase are a word such as rad, not {phase_units!r}.")
    parts: dict[str, Part] = {
        role: array_part(f"{role} array", image, affine, facts, phase_units if role == "phase" else None)
        for role, image in images.items()
    }
    _refuse_different_grids(parts)
    _refuse_negative(parts)
    return _assembled(parts, phase_sign)


def refuse_unknown_sign(phase_sign: str) -> None:
    """Refuse what is no :data:`SignChoice`.

    Raises:
        InputError: if it is none.
    """
    if phase_sign not in ("auto", "paramagnetic-bright", "paramagnetic-dark"):
        raise InputError(
            f"The phase sign {phase_sign!r} is unknown; use auto, paramagnetic-bright or paramagnetic-dark."
        )


def _read(
    given: dict[Role, Path], series: Sequence[str], files: ExitStack
) -> tuple[dict[str, Part], DicomStudy | None, dict[str, str]]:
    """Read every path that was given; what a DICOM study brings along gives way to what was given by itself."""
    parts: dict[str, Part] = {}
    volumes: dict[Role, DicomSeries] = {}
    titles: dict[str, str] = {role: str(path) for role, path in given.items()}
    study: DicomStudy | None = None
    for role, path in given.items():
        if not is_study(path):
            parts[role] = nifti_part(path)
        elif role == "swi":
            study = _without(files.enter_context(open_study(path, series)), set(given) - {"swi"})
            titles[role] = study.title
            parts |= parts_of(study)
        else:
            volumes[role], titles[role] = files.enter_context(open_volume(path, role))
            parts[role] = part_of(replace(volumes[role], role=role), role, titles[role])
    return {role: parts[role] for role in _ROLES if role in parts}, _sources(study, volumes, parts), titles


def _without(study: DicomStudy, roles: set[Role]) -> DicomStudy:
    return replace(study, chosen={role: v for role, v in study.chosen.items() if role not in roles})


def _sources(
    study: DicomStudy | None, volumes: dict[Role, DicomSeries], parts: dict[str, Part]
) -> DicomStudy | None:
    """Return the DICOM study with what was given beside it; ``None`` where the main image is no DICOM."""
    if study is not None:
        _refuse_other_studies({**study.chosen, **volumes})
        return replace(study, chosen={**study.chosen, **volumes})
    if "swi" in parts or "magnitude" not in volumes:
        return None
    _refuse_other_studies(volumes)
    reasons = {role: f"The {role} was given by itself." for role in volumes}
    return DicomStudy(volumes, reasons, tuple(volumes.values()))


def _refuse_other_studies(volumes: Mapping[Role, DicomSeries]) -> None:
    if len({volume.study_uid for volume in volumes.values()}) > 1:
        raise InputError("The images are of different studies; give images of one acquisition.")


def _refuse_phase_alone(given: Collection[Role]) -> None:
    if "swi" not in given and "magnitude" not in given:
        raise InputError("Neither an SWI nor a magnitude image was given; phase alone is not enough.")


def _refuse_different_grids(parts: dict[str, Part]) -> None:
    """The same voxels in the world are needed; the order in which the files store them is free."""
    (role, first), *others = parts.items()
    for name, part in others:
        if not part.grid.same_as(first.grid):
            raise InputError(
                f"The {role} ({_described(first)}) and the {name} ({_described(part)}) lie on different "
                "grids; give images of one acquisition."
            )


def _described(part: Part) -> str:
    grid = part.source_grid
    shape = " x ".join(str(n) for n in grid.shape)
    spacing = " x ".join(f"{s:.3g}" for s in grid.spacing_mm)
    centre = ", ".join(f"{c:.1f}" for c in grid.centre_mm)
    return f"{shape} voxels of {spacing} mm centred at {centre}"


def _refuse_negative(parts: dict[str, Part]) -> None:
    """Magnitude and SWI can't be much below zero; a phase image given in their place is."""
    for role in ("swi", "magnitude"):
        if role in parts:
            image = parts[role].image
            if float(image.min()) < -0.1 * float(image.max()):
                raise InputError(
                    f"The {role} {parts[role].name} has strongly negative values; it may be a phase image."
                )


def _assembled(parts: dict[str, Part], choice: SignChoice, notes: Sequence[str] = ()) -> Scan:
    main = parts.get("swi") or parts["magnitude"]
    magnitude = parts["magnitude"].image if "magnitude" in parts else None
    warnings = [*notes, *(sentence for part in parts.values() for sentence in part.warnings)]
    phase_rad, facts = None, None
    if "phase" in parts:
        weight = magnitude if magnitude is not None else main.image
        swi = parts["swi"].image if "swi" in parts else None
        phase_rad, facts, told = _understood_phase(parts["phase"], weight, swi, choice)
        warnings += told
    else:
        warnings.append(NO_PHASE)
    image = main.image
    if "swi" not in parts and phase_rad is not None:
        image = susceptibility_weighted(main.image, phase_rad)
    elif "swi" not in parts:
        warnings.append(T2STAR_ONLY)
    return Scan(
        kind="t2star" if "swi" not in parts and phase_rad is None else "swi",
        grid=main.grid,
        source_grid=main.source_grid,
        swi=image,
        magnitude=magnitude,
        phase_rad=phase_rad,
        sequence=_sequence(parts),
        phase_facts=facts,
        files={role: part.name for role, part in parts.items()},
        warnings=tuple(dict.fromkeys(warnings)),
        day=next((part.day for part in parts.values() if part.day is not None), None),
    )


def _sequence(parts: dict[str, Part]) -> SequenceFacts:
    facts = SequenceFacts()
    for role in _ROLES:
        if role in parts:
            facts = merged(facts, parts[role].facts)
    return facts


def _understood_phase(
    part: Part, weight: Volume, swi: Volume | None, choice: SignChoice
) -> tuple[Volume, PhaseFacts, list[str]]:
    """Bring the phase to radians, high-pass filtered, paramagnetic positive, and say how."""
    _refuse_magnitude_as_phase(part, weight)
    spacing_mm, axis = part.grid.spacing_mm, part.grid.slice_axis
    scale = _scale_of(part)
    phase = to_radians(part.image, scale)
    core = head_core(weight, spacing_mm)
    high_pass = decide_high_pass(phase, weight, core, spacing_mm, slice_axis=axis)
    if not high_pass.filtered:
        phase = homodyne(phase, weight, spacing_mm, slice_axis=axis)
    # Where a mask left nothing there is no phase either, whatever number stands in the file.
    phase[weight <= 0] = 0
    along_b0 = _b0_direction(part.grid)
    derived = find_sign(phase, weight, core, spacing_mm, along_b0, swi=swi, slice_axis=axis)
    sign = derived.sign if choice == "auto" else choice
    if sign == "paramagnetic-dark":
        np.negative(phase, out=phase)
    facts = PhaseFacts(
        scale=scale.name,
        scale_source=scale.source,
        sign=sign,
        sign_source=derived.source if choice == "auto" else f"given by the user (the scan: {derived.source})",
        high_pass_filtered=high_pass.filtered,
        high_pass_source=high_pass.source,
    )
    return phase, facts, _phase_warnings(scale, derived, choice)


def _scale_of(part: Part) -> PhaseScale:
    """Take the unit that the headers settle unless the values contradict it."""
    stated = part.stated_unit
    if stated is not None:
        ends = np.array([float(part.image.min()), float(part.image.max())])
        reach = float(np.abs((ends - stated.centre) * stated.radians_per_unit).max())
        if reach <= np.pi * _STATED_OVERSHOOT:
            return PhaseScale(stated.name, stated.source, stated.centre, stated.radians_per_unit)
    return find_scale(part.image, units=part.phase_units, manufacturer=part.facts.manufacturer)


def _b0_direction(grid: Grid) -> NDArray[np.float64]:
    """Return the main field along the array's axes: it is the scanner's, and the world's, z axis."""
    return (grid.affine[:3, :3] / grid.spacing_mm).T @ np.array([0.0, 0.0, 1.0])


def _phase_warnings(scale: PhaseScale, derived: SignDecision, choice: SignChoice) -> list[str]:
    warnings = []
    if scale.guessed:
        warnings.append(f"The scale of the phase is a guess ({scale.name}: {scale.source}).")
    if choice == "auto" and not derived.sure:
        warnings.append(
            f"The sign of the phase is unsure ({derived.sign}: {derived.source}); state it with --phase-sign."
        )
    if choice not in ("auto", derived.sign) and derived.sure:
        warnings.append(f"The phase sign given ({choice}) contradicts the scan's veins ({derived.source}).")
    return warnings


def _refuse_magnitude_as_phase(part: Part, weight: NDArray[np.float32]) -> None:
    step = max(1, weight.size // 200_000)
    phase, other = part.image.ravel()[::step], weight.ravel()[::step]
    # A mask sets both to zero outside the brain, which would correlate them.
    phase, other = phase[other > 0], other[other > 0]
    if (
        phase.size
        and phase.std() > 0
        and other.std() > 0
        and np.corrcoef(phase, other)[0, 1] > _MAGNITUDE_AS_PHASE
    ):
        raise InputError(f"The phase image {part.name} looks like a magnitude; give the phase of the same scan.")
