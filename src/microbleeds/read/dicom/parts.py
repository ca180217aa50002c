"""The chosen volumes of a study become parts of a scan: SWI, magnitude and phase."""

from __future__ import annotations

from dataclasses import replace

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.read.dicom.choice import same_grid, titled
from microbleeds.read.dicom.complex_image import magnitude_and_phase
from microbleeds.read.dicom.phase_unit import stated_unit
from microbleeds.read.dicom.series import DicomSeries, DicomStudy, Role
from microbleeds.read.dicom.voxels import read_voxels
from microbleeds.read.part import Part, StatedUnit, upright, voxels_sha256
from microbleeds.scan import Volume


def parts_of(study: DicomStudy) -> dict[str, Part]:
    """Read the voxels of the chosen volumes.

    Returns:
        Role (``swi``, ``magnitude``, ``phase``) to part; a complex image gives magnitude and phase.

    Raises:
        InputError: if the voxels of one can't be read.
    """
    parts: dict[str, Part] = {}
    if "real" in study.chosen and "imaginary" in study.chosen:
        parts |= _complex_parts(study)
    roles: tuple[Role, ...] = ("swi", "magnitude", "phase")
    for role in roles:
        if role in study.chosen:
            parts[role] = part_of(study.chosen[role], role, study.title)
    return parts


def part_of(volume: DicomSeries, role: Role, title: str) -> Part:
    """Read one volume.

    Args:
        volume: with a grid.
        role: what it is used as.
        title: of the study, as it may be shown.

    Raises:
        InputError: if its voxels can't be read.
    """
    voxels = read_voxels(volume)
    unit = stated_unit(voxels.scaling, volume.facts.manufacturer) if volume.role == "phase" else None
    part = _part(voxels.values, volume, _name(title, volume), unit)
    return replace(part, voxels_sha256={role: voxels_sha256(part.image)})


def _name(title: str, *volumes: DicomSeries) -> str:
    return f"{title}, series {' and '.join(titled(volume) for volume in volumes)}"


def _grid(volume: DicomSeries) -> Grid:
    if volume.grid is None:
        raise InputError(f"Series {titled(volume)} can't be used: {volume.defect}.")
    return volume.grid


def _part(values: Volume, volume: DicomSeries, name: str, unit: StatedUnit | None) -> Part:
    source_grid = _grid(volume)
    image, grid = upright(values, source_grid)
    return Part(
        name=name,
        image=image,
        grid=grid,
        source_grid=source_grid,
        facts=volume.facts,
        stated_unit=unit,
    )


def _complex_parts(study: DicomStudy) -> dict[str, Part]:
    real, imaginary = study.chosen["real"], study.chosen["imaginary"]
    if not same_grid(real, imaginary):
        raise InputError(
            f"The real image (series {titled(real)}) and the imaginary one (series {titled(imaginary)}) lie on "
            "different grids; give a pair."
        )
    one, other = read_voxels(real).values, read_voxels(imaginary).values
    hashes = {
        "real": voxels_sha256(upright(one, _grid(real))[0]),
        "imaginary": voxels_sha256(upright(other, _grid(imaginary))[0]),
    }
    magnitude, phase_rad, alternates = magnitude_and_phase(one, other)
    name = _name(study.title, real, imaginary)
    told = "the angle of real and imaginary image"
    if alternates:
        told += ", whose every other slice was turned over"
    unit = StatedUnit("radians", told, 0.0, 1.0)
    parts = {
        "magnitude": _part(magnitude, real, name, None),
        "phase": _part(phase_rad, real, name, unit),
    }
    return {role: replace(part, voxels_sha256=hashes) for role, part in parts.items()}
