"""The voxels of a volume, in the unit that its headers state.

Conventions:
    * float32 [column, row, slice], in Fortran order as from a NIfTI file.
    * Rescale Slope and Intercept are applied. Philips' stored values become comparable between series only after
      its private scale slope (Chenevert et al., Transl Oncol 2014;7:65: value = (stored x slope + intercept) /
      (slope x scale slope)); phase has no such slope worth applying: its rescaled values are milliradians.
    * A real-world mapping in radians or milliradians goes before the rescale values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset

from microbleeds.errors import InputError
from microbleeds.read.dicom.choice import titled
from microbleeds.read.dicom.gdcm_process import GdcmProcess
from microbleeds.read.dicom.headers import group_of
from microbleeds.read.dicom.pixels import UnreadablePixelsError, stored_frames
from microbleeds.read.dicom.series import DicomSeries
from microbleeds.read.dicom.values import integer, item, items, number, private_number, quiet, text
from microbleeds.read.nifti import MOST_VOXELS
from microbleeds.scan import Volume

_PHILIPS_CREATOR = "Philips MR Imaging DD 001"
_PHILIPS_NESTED = "Philips MR Imaging DD 005"


@dataclass(frozen=True)
class Scaling:
    """How stored numbers become values: ``stored * slope + intercept``.

    Args:
        low: value of the smallest number that can be stored.
        high: value of the largest one.
        unit: of the values, lower case, where a header states it.
    """

    slope: float
    intercept: float
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Voxels:
    """A volume's values and the scaling of its first slice (all slices of a phase image have one)."""

    values: Volume
    scaling: Scaling


def read_voxels(volume: DicomSeries) -> Voxels:
    """Read the voxels of a volume that has a grid.

    Raises:
        InputError: if a file is truncated, damaged or in a transfer syntax that can't be decoded, or the volume
            holds one value only.
    """
    if volume.grid is None:
        raise InputError(f"Series {titled(volume)} can't be used: {volume.defect}.")
    if np.prod([float(n) for n in volume.grid.shape]) > MOST_VOXELS:
        raise InputError(f"Series {titled(volume)} claims more voxels than any scan has; its headers are damaged.")
    out = np.empty(volume.grid.shape, dtype=np.float32, order="F")
    first: Scaling | None = None
    with quiet(), GdcmProcess() as gdcm:
        for path, slices in _slices_of(volume).items():
            dataset = _read(path, volume)
            stored = _stored(dataset, path, gdcm, volume)
            for k, frame in slices:
                scaling = scaling_of(dataset, frame, phase=volume.role == "phase")
                first = first or scaling
                out[:, :, k] = _frame(stored, frame, volume).T
                out[:, :, k] *= np.float32(scaling.slope)
                out[:, :, k] += np.float32(scaling.intercept)
    if first is None or out.min() == out.max() or not np.isfinite(out).all():
        raise InputError(f"Series {titled(volume)} holds no image: its voxels are all the same or not finite.")
    return Voxels(out, first)


def scaling_of(dataset: Dataset, frame: int | None, *, phase: bool) -> Scaling:
    """Return how the stored numbers of a frame become values."""
    shared, own = _groups(dataset, frame)
    mapped = _real_world(shared, own) if phase else None
    if mapped is not None:
        return _with_range(dataset, *mapped)
    rescale = dataset if frame is None else group_of("PixelValueTransformationSequence", shared, own)
    slope = number(rescale, "RescaleSlope") or 1.0
    intercept = number(rescale, "RescaleIntercept") or 0.0
    unit = text(rescale, "RescaleType")
    if phase:
        return _with_range(dataset, slope, intercept, unit)
    exact = _philips_slope(dataset if frame is None else own)
    return (
        _with_range(dataset, 1 / exact, intercept / (slope * exact))
        if exact
        else _with_range(dataset, slope, intercept, unit)
    )


def _slices_of(volume: DicomSeries) -> dict[Path, list[tuple[int, int | None]]]:
    """Return file to the slices that it holds, so that a multi-frame file is decoded once."""
    found: dict[Path, list[tuple[int, int | None]]] = {}
    for k, instance in enumerate(volume.instances):
        found.setdefault(instance.path, []).append((k, instance.frame))
    return found


def _read(path: Path, volume: DicomSeries) -> Dataset:
    try:
        return pydicom.dcmread(path, force=True)
    except Exception as error:
        # pydicom raises nearly anything on damaged bytes.
        raise InputError(
            f"A file of series {titled(volume)} is damaged or truncated ({type(error).__name__}); copy it again."
        ) from error


def _stored(dataset: Dataset, path: Path, gdcm: GdcmProcess, volume: DicomSeries) -> NDArray:
    try:
        return stored_frames(dataset, path, gdcm)
    except UnreadablePixelsError as error:
        raise InputError(f"Series {titled(volume)} can't be read: {error}.") from error


def _frame(stored: NDArray, frame: int | None, volume: DicomSeries) -> NDArray:
    """Return one frame [rows, columns]."""
    if volume.grid is None or stored.shape[1:] != (volume.grid.shape[1], volume.grid.shape[0]):
        raise InputError(
            f"The pixels of series {titled(volume)} have another size than its headers say; it's damaged."
        )
    index = (frame or 1) - 1
    if index >= stored.shape[0]:
        raise InputError(f"Series {titled(volume)} has fewer frames than its headers say; it's truncated.")
    return stored[index]


def _groups(dataset: Dataset, frame: int | None) -> tuple[Dataset, Dataset]:
    if frame is None:
        return dataset, dataset
    own = items(dataset, "PerFrameFunctionalGroupsSequence")
    return item(dataset, "SharedFunctionalGroupsSequence"), own[frame - 1] if frame <= len(own) else Dataset()


def _real_world(shared: Dataset, own: Dataset) -> tuple[float, float, str] | None:
    """Return slope, intercept and unit of a real-world mapping to an angle."""
    mapping = group_of("RealWorldValueMappingSequence", shared, own)
    unit = text(item(mapping, "MeasurementUnitsCodeSequence"), "CodeValue").lower()
    slope = number(mapping, "RealWorldValueSlope")
    if slope is None or slope == 0 or unit not in ("rad", "mrad"):
        return None
    return slope, number(mapping, "RealWorldValueIntercept") or 0.0, unit


def _philips_slope(dataset: Dataset) -> float | None:
    """Return Philips' scale slope; enhanced files keep it in a private sequence of each frame."""
    found = private_number(dataset, 0x2005, 0x0E, _PHILIPS_CREATOR)
    try:
        nested = dataset.private_block(0x2005, _PHILIPS_NESTED)[0x0F].value[0]
    except Exception:
        # Absent, or bytes whose representation the file doesn't tell.
        nested = Dataset()
    if found is None and isinstance(nested, Dataset):
        found = private_number(nested, 0x2005, 0x0E, _PHILIPS_CREATOR)
    return found or None


def _with_range(dataset: Dataset, slope: float, intercept: float, unit: str = "") -> Scaling:
    """Work out which values the stored numbers can reach."""
    bits = min(32, integer(dataset, "BitsStored") or 16)
    signed = integer(dataset, "PixelRepresentation") == 1
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    ends = sorted((least * slope + intercept, most * slope + intercept))
    return Scaling(slope, intercept, ends[0], ends[1], unit.lower())
