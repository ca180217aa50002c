"""The images that were searched, as the objects that refer to them need them: who, and where each slice lies.

Conventions:
    * Positions and directions are DICOM's (LPS mm); only :func:`on_frames` turns to the RAS mm of a grid.
    * A frame is one slice: a single-frame file, or a frame of a multi-frame one.
    * Text leaves here in Unicode (``ISO_IR 192``), whatever character sets the source used, so that names of
      every script survive.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import DA, TM

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.read.dicom.series import DicomSeries
from microbleeds.read.dicom.values import numbers
from microbleeds.report.words import name_image

#: Corners of a slice may miss the voxels' centres by this much, in voxels: headers are rounded.
TOLERANCE_VOXELS = 0.25
_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
_REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Rows", "Columns")
# Type 2 of the patient and study modules: they must be there, empty if nothing is known.
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice of the source.

    Args:
        header: which of the source's headers holds it.
        number: of the frame in a multi-frame file, from 1; ``None`` in a single-frame one.
        position_lps_mm: centre of its first pixel, [3].
        along_row: unit vector towards increasing columns, [3].
        along_column: unit vector towards increasing rows, [3].
        row_spacing_mm: between the centres of two rows.
        column_spacing_mm: between the centres of two columns.
    """

    header: int
    number: int | None
    position_lps_mm: NDArray[np.float64]
    along_row: NDArray[np.float64]
    along_column: NDArray[np.float64]
    row_spacing_mm: float
    column_spacing_mm: float

    def distance_mm(self, position_lps_mm: Sequence[float]) -> float:
        """Return how far a position lies off this slice's plane."""
        normal = np.cross(self.along_row, self.along_column)
        return abs(float(normal @ (np.asarray(position_lps_mm) - self.position_lps_mm)))


@dataclass(frozen=True, eq=False)
class Source:
    """The searched images.

    Args:
        headers: their headers without pixels; patient and study of the first are cleaned for copying.
        frames: the slices, in the order of the volume.
    """

    headers: tuple[Dataset, ...]
    frames: tuple[Frame, ...]

    @property
    def first(self) -> Dataset:
        """The header from which patient and study are copied."""
        return self.headers[0]

    @property
    def multi_frame(self) -> bool:
        """Whether the files hold more than one slice each."""
        return self.frames[0].number is not None

    @property
    def frame_of_reference_uid(self) -> str:
        """In which the positions are meant."""
        return str(self.first.FrameOfReferenceUID)

    def image_at(self, position_lps_mm: Sequence[float]) -> str:
        """Return what an archive calls the image nearest to a position; empty where it has no number."""
        off = [frame.distance_mm(position_lps_mm) for frame in self.frames]
        frame = self.frames[int(np.argmin(off))]
        series, instance = self.first.get("SeriesNumber"), self.headers[frame.header].get("InstanceNumber")
        number = instance if frame.number is None else frame.number
        if series is None or number is None:
            return ""
        return name_image(int(series), int(number), frame=frame.number is not None)

    @property
    def series_number(self) -> int:
        """Series Number; 0 where the source has none."""
        value = self.first.get("SeriesNumber")
        return 0 if value is None else max(0, int(value))


def source_of(headers: Sequence[Dataset], slices: Sequence[tuple[int, int | None]] | None = None) -> Source:
    """Describe the source of a result.

    Args:
        headers: of one series, in slice order; pixels aren't looked at.
        slices: index into ``headers`` and number of the frame (from 1; ``None`` in a single-frame file) of each
            slice of the volume, for multi-frame files that hold other frames too; everything if ``None``.

    Raises:
        InputError: if what must be referred to is missing, or headers of two patients or series are mixed.
    """
    _refuse_unusable(headers)
    headers = [_without_odd_thickness(header) for header in headers]
    cleaned = (_cleaned(headers[0]), *headers[1:])
    wanted = _all_slices(cleaned) if slices is None else slices
    return Source(cleaned, tuple(_slice(cleaned[index], index, number) for index, number in wanted))


def source_of_volume(volume: DicomSeries) -> Source:
    """Describe a volume that was read from DICOM as the source of a result; it reads its headers again.

    Raises:
        InputError: as :func:`source_of`.
    """
    order = {path: n for n, path in enumerate(dict.fromkeys(volume.files))}
    return source_of(volume.datasets(), [(order[part.path], part.frame) for part in volume.instances])


def _all_slices(headers: Sequence[Dataset]) -> list[tuple[int, int | None]]:
    """Return every slice of the files."""
    slices: list[tuple[int, int | None]] = []
    for index, header in enumerate(headers):
        frames = header.get("PerFrameFunctionalGroupsSequence")
        slices += [(index, None)] if not frames else [(index, n) for n in range(1, len(frames) + 1)]
    return slices


def _slice(header: Dataset, index: int, number: int | None) -> Frame:
    """Read the geometry of one slice."""
    return _frame(index, None, header, header, header) if number is None else _frame_of_many(header, index, number)


def on_frames(volume: NDArray, grid: Grid, source: Source) -> NDArray:
    """Read a volume at the pixels of the source's frames, by their positions in the world.

    Args:
        volume: [X, Y, Z] on ``grid``; labels of any integer type.
        grid: where its voxels lie, RAS mm.
        source: frames that lie on the same voxels, in whatever order and orientation.

    Returns:
        [frames, rows, columns].

    Raises:
        InputError: if the frames don't lie on the grid's voxels or leave out labelled ones.
    """
    rows, columns = int(source.first.Rows), int(source.first.Columns)
    frames = np.empty((len(source.frames), rows, columns), dtype=volume.dtype)
    for n, frame in enumerate(source.frames):
        i, j, k = _voxels(frame, grid, rows, columns)
        frames[n] = volume[i, j, k]
    if np.count_nonzero(frames) != np.count_nonzero(volume):
        raise InputError(
            f"The {len(source.frames)} images of the series don't cover the result's {grid.shape[0]} x "
            f"{grid.shape[1]} x {grid.shape[2]} voxels; give the whole series that was searched."
        )
    return frames


def _voxels(frame: Frame, grid: Grid, rows: int, columns: int) -> NDArray[np.int64]:
    """Return the voxel of each pixel of a frame, [3, rows, columns]."""
    start = grid.to_ijk(frame.position_lps_mm * _LPS_TO_RAS)
    step = np.linalg.inv(grid.affine[:3, :3]) * _LPS_TO_RAS
    per_column = step @ (frame.along_row * frame.column_spacing_mm)
    per_row = step @ (frame.along_column * frame.row_spacing_mm)
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    exact = start[:, None, None] + per_column[:, None, None] * column + per_row[:, None, None] * row
    voxels = np.rint(exact).astype(np.int64)
    off = float(np.abs(exact - voxels)[:, :: max(1, rows - 1), :: max(1, columns - 1)].max())
    low, high = voxels.min(axis=(1, 2)), voxels.max(axis=(1, 2))
    if off > TOLERANCE_VOXELS or np.any(low < 0) or np.any(high >= np.asarray(grid.shape)):
        raise InputError(
            "The images of the series don't lie on the voxels of the result; give the series that was searched."
        )
    return voxels


def _refuse_unusable(headers: Sequence[Dataset]) -> None:
    if not headers:
        raise InputError("No DICOM image was given for the result to refer to; give the series that was searched.")
    for name in _REQUIRED:
        if any(name not in header for header in headers):
            raise InputError(f"A DICOM image of the series has no {name}; it can't be referred to.")
    if any(not header.get("FrameOfReferenceUID") for header in headers):
        raise InputError(
            "The DICOM images have no Frame of Reference UID, so no position in them can be named; "
            "DICOM results can't be written for them."
        )
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Rows", "Columns"):
        if len({str(header[name].value) for header in headers}) > 1:
            raise InputError(f"The DICOM images differ in their {name}; give the images of one series.")
    if len({str(header.get("PatientID", "")) for header in headers}) > 1:
        raise InputError("The DICOM images belong to more than one patient; give the images of one series.")


def _cleaned(header: Dataset) -> Dataset:
    """Return a copy whose text is Unicode and whose patient and study can be copied as they stand."""
    clean = copy.deepcopy(header)
    clean.decode()
    clean.SpecificCharacterSet = "ISO_IR 192"
    for name in _MAY_BE_EMPTY:
        if name not in clean:
            setattr(clean, name, None)
    if isinstance(clean.PatientName, MultiValue):  # a backslash in it; one patient has one name
        clean.PatientName = clean.PatientName[0]
    for name, kind in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
        if not _valid(clean.get(name), kind):
            setattr(clean, name, None)
    if clean.PatientSex not in ("M", "F", "O"):
        clean.PatientSex = None
    return clean


def _without_odd_thickness(header: Dataset) -> Dataset:
    """Return a header whose slice thickness is a number or empty; highdicom reads it of every image."""
    if "SliceThickness" not in header or numbers(header, "SliceThickness", 1):
        return header
    clean = copy.deepcopy(header)
    clean.SliceThickness = None
    return clean


def _valid(value: object, kind: type[DA] | type[TM]) -> bool:
    """Whether a date or time can be read."""
    try:
        kind(str(value or ""))
    except ValueError:
        return False
    return True


def _frame_of_many(header: Dataset, index: int, number: int) -> Frame:
    """Read a frame of a multi-frame image; each functional group is its own or shared by all."""
    shared = header.get("SharedFunctionalGroupsSequence") or [Dataset()]
    own = header.PerFrameFunctionalGroupsSequence[number - 1]

    def group(name: str) -> Dataset:
        found = own.get(name) or shared[0].get(name)
        if not found:
            raise InputError(f"The multi-frame DICOM image has no {name} for frame {number}; it can't be placed.")
        return found[0]

    return _frame(
        index,
        number,
        group("PlanePositionSequence"),
        group("PlaneOrientationSequence"),
        group("PixelMeasuresSequence"),
    )


def _frame(index: int, number: int | None, position: Dataset, orientation: Dataset, measures: Dataset) -> Frame:
    """Read the geometry of a frame from the parts of the header that hold it."""
    try:
        start = np.array(position.ImagePositionPatient, dtype=np.float64).reshape(3)
        directions = np.array(orientation.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
        row_spacing_mm, column_spacing_mm = (float(value) for value in measures.PixelSpacing)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            "A DICOM image of the series lacks its position, orientation or pixel spacing."
        ) from error
    return Frame(index, number, start, directions[0], directions[1], row_spacing_mm, column_spacing_mm)
