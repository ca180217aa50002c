"""One image of an acquisition, from whatever kind of file: its voxels, its place and what is known of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from microbleeds.geometry import Grid, canonical
from microbleeds.read.nifti import checked_array, geometry_warnings, read_nifti
from microbleeds.read.scans_table import day_in_scans_table
from microbleeds.read.sidecar import read_sidecar
from microbleeds.scan import SequenceFacts, Volume


@dataclass(frozen=True)
class StatedUnit:
    """The unit of a phase image as its headers settle it: ``(value - centre) * radians_per_unit``.

    Args:
        name: as in :class:`microbleeds.scan.PhaseFacts`.
        source: a short clause that tells which header says so.
        centre: value of zero phase.
        radians_per_unit: radians for one unit.
    """

    name: str
    source: str
    centre: float
    radians_per_unit: float


@dataclass(frozen=True, eq=False)
class Part:
    """One image.

    Args:
        name: its path, or study and series, as it may be shown and stored.
        image: [X, Y, Z] values on the canonical grid.
        grid: the canonical grid.
        source_grid: the grid as stored.
        facts: of the acquisition.
        phase_units: BIDS ``Units`` of a sidecar.
        stated_unit: unit of a phase image by its headers.
        warnings: sentences for the reader.
        voxels_sha256: of an image from DICOM, role to :func:`voxels_sha256` of each volume that it was read from
            (``real`` and ``imaginary`` where magnitude and phase were made of those).
        day: of the acquisition, see :mod:`microbleeds.read.day`.
    """

    name: str
    image: Volume
    grid: Grid
    source_grid: Grid
    facts: SequenceFacts
    phase_units: str | None = None
    stated_unit: StatedUnit | None = None
    warnings: tuple[str, ...] = ()
    voxels_sha256: Mapping[str, str] = field(default_factory=dict)
    day: date | None = field(default=None, repr=False)


def upright(stored: Volume, source_grid: Grid) -> tuple[Volume, Grid]:
    """Return an array on its canonical grid, contiguous, and that grid."""
    turned, grid = canonical(stored, source_grid)
    return np.ascontiguousarray(turned), grid


def voxels_sha256(values: Volume) -> str:
    """Return the sha256 of values [X, Y, Z] on their canonical grid, in hexadecimal.

    Two heads never have the same. It tells whether a DICOM study is the one that was searched even where its files
    or identifiers have changed since, as on the way through an archive or by de-identification. Of values as they
    were read: what is computed of them differs in its last bits between machines.
    """
    return hashlib.sha256(np.ascontiguousarray(values, dtype=np.float32).data).hexdigest()


def nifti_part(path: Path) -> Part:
    """Read a NIfTI image and its sidecar.

    Raises:
        InputError: if the file can't be used.
    """
    stored, source_grid = read_nifti(path)
    image, grid = upright(stored, source_grid)
    sidecar = read_sidecar(path)
    return Part(
        name=str(path),
        image=image,
        grid=grid,
        source_grid=source_grid,
        facts=sidecar.facts,
        phase_units=sidecar.phase_units,
        warnings=(*geometry_warnings(path), *sidecar.warnings),
        day=sidecar.day or day_in_scans_table(path),
    )


def array_part(
    name: str, values: ArrayLike, affine: ArrayLike, facts: SequenceFacts, phase_units: str | None = None
) -> Part:
    """Take an image that is in memory, [I, J, K] on the grid of ``affine``; it is copied.

    Raises:
        InputError: if it can't be used.
    """
    stored, source_grid = checked_array(name, values, affine)
    image, grid = upright(stored, source_grid)
    return Part(name, image, grid, source_grid, facts, phase_units)
