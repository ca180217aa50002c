"""What each file of a study says about its frames, without its pixels.

A single-frame file has one frame; an enhanced multi-frame file gives, for each frame, what its functional groups
say. Everything may be absent: a header is judged later, and only where it matters.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

import pydicom
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from microbleeds.errors import InputError
from microbleeds.read.day import KEYWORDS, first_day
from microbleeds.read.dicom.values import integer, item, items, number, numbers, private_number, text, texts

Component = Literal["magnitude", "phase", "real", "imaginary"]
# No header and no single-frame file is larger; a deflated one may claim to be.
LARGEST_INFLATED_BYTES = 2**31
ENHANCED = {"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"}
MR_IMAGES = {"1.2.840.10008.5.1.4.1.1.4", *ENHANCED}
_GE_CREATOR = "GEMS_PARM_01"
_GE_COMPONENTS: dict[float, Component] = {0: "magnitude", 1: "phase", 2: "real", 3: "imaginary"}
_COMPONENTS: dict[str, Component] = {
    "M": "magnitude",
    "M_FFE": "magnitude",
    "MAGNITUDE": "magnitude",
    "P": "phase",
    "PHASE": "phase",
    "PHASE MAP": "phase",
    "R": "real",
    "R_FFE": "real",
    "REAL": "real",
    "I": "imaginary",
    "I_FFE": "imaginary",
    "IMAGINARY": "imaginary",
}


class DamagedFileError(Exception):
    """A DICOM file that can't be parsed."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Who was scanned; used to tell patients apart and to keep their data out of every text."""

    identifier: str
    name: str
    birth_date: str

    def differs_from(self, other: Patient) -> bool:
        """Whether two headers can't be of one person; what one of them lacks says nothing."""
        pairs = [
            (self.identifier, other.identifier),
            (self.name, other.name) if not (self.identifier and other.identifier) else ("", ""),
            (self.birth_date, other.birth_date),
        ]
        return any(one and two and one != two for one, two in pairs)


@dataclass(frozen=True, slots=True)
class Header:
    """What the frames of one file share.

    Args:
        patient: never shown.
        label: Series Description, or Protocol Name where there is none.
        sequence: names of pulse sequence and protocol, for guessing what a series shows.
        techniques: ``GR``, ``SE``, ``EP``, ``IR``, ``RM``.
        images_expected: images that the scanner says the acquisition has.
        day: of the acquisition, see :mod:`microbleeds.read.day`.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    study_uid: str
    frame_of_reference_uid: str
    patient: Patient
    modality: str
    number: int | None
    label: str
    sequence: str
    techniques: frozenset[str]
    manufacturer: str
    field_strength_t: float | None
    rows: int
    columns: int
    samples: int
    images_expected: int | None
    lossy: bool
    day: date | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Frame:
    """One image.

    Args:
        number: of the frame in a multi-frame file, counted from 1; ``None`` in a single-frame one.
        image_type: values of Image Type or Frame Type, upper case.
        position_lps_mm: centre of the first voxel.
        orientation: direction of a row, then of a column.
        spacing_mm: between rows, then between columns (the order of Pixel Spacing).
    """

    header: Header
    number: int | None
    image_type: tuple[str, ...]
    component: Component | None
    position_lps_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing_mm: tuple[float, ...] | None
    echo_time_ms: float | None
    repetition_time_ms: float | None
    flip_angle_deg: float | None
    acquisition: int | None
    time_point: int | None
    instance_number: int | None


def is_dicom(path: Path) -> bool:
    """Whether a file looks like DICOM: the mark after the preamble, or without one a first element that fits."""
    try:
        with path.open("rb") as stream:
            return looks_like_dicom(stream.read(136))
    except OSError:
        return False


def looks_like_dicom(start: bytes) -> bool:
    """Whether the first bytes of a file are DICOM's; old files lack the preamble and begin with group 2 or 8."""
    if start[128:132] == b"DICM":
        return True
    return len(start) >= 8 and start[:2] in (b"\x02\x00", b"\x08\x00") and start[3] == 0 and start[2] <= 0x18


def read_header(path: Path) -> Dataset:
    """Read all elements before the pixels.

    Raises:
        DamagedFileError: if the file can't be parsed.
    """
    try:
        _refuse_inflation(path)
        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        if not sop_class_of(dataset):
            raise DamagedFileError("no SOP class")
    except (DamagedFileError, InputError):
        raise
    except Exception as error:
        # pydicom raises nearly anything on damaged bytes.
        raise DamagedFileError(type(error).__name__) from error
    return dataset


def sop_class_of(dataset: Dataset) -> str:
    """Return the kind of object; a DICOMDIR states it in its file meta information only."""
    meta = getattr(dataset, "file_meta", None)
    return text(dataset, "SOPClassUID") or ("" if meta is None else text(meta, "MediaStorageSOPClassUID"))


def patient_of(dataset: Dataset) -> Patient:
    """Return who was scanned."""
    return Patient(
        identifier=text(dataset, "PatientID").upper(),
        name=text(dataset, "PatientName").upper().rstrip("^ "),
        birth_date=text(dataset, "PatientBirthDate"),
    )


def frames_of(path: Path, dataset: Dataset) -> list[Frame]:
    """Return the frames of a file, in the order in which they are stored."""
    header = _header(path, dataset)
    if header.sop_class_uid not in ENHANCED:
        return [_frame(header, None, dataset, dataset, dataset)]
    shared = item(dataset, "SharedFunctionalGroupsSequence")
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    return [_frame(header, count, dataset, shared, own) for count, own in enumerate(groups, start=1)]


def group_of(keyword: str, shared: Dataset, own: Dataset) -> Dataset:
    """Return a functional group of a frame: its own, else the one that all frames share."""
    return next(iter(items(own, keyword)), item(shared, keyword))


def _refuse_inflation(path: Path) -> None:
    """Deflated files are inflated whole by pydicom; look first how large that gets."""
    with path.open("rb") as stream:
        start = stream.read(4096)
        if DeflatedExplicitVRLittleEndian.encode() not in start:
            return
        if start[128:132] != b"DICM":
            raise DamagedFileError("deflated, but no preamble")
        meta = pydicom.filereader.read_file_meta_info(path)
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        total = 0
        # The group length element is 12 bytes long and counts from its own end.
        stream.seek(132 + 12 + int(meta[0x00020000].value))
        while block := stream.read(1 << 16):
            while block:
                total += len(inflate.decompress(block, 1 << 22))
                block = inflate.unconsumed_tail
                if total > LARGEST_INFLATED_BYTES:
                    raise InputError("A deflated DICOM file grows beyond 2 GiB; it was not opened.")


def _header(path: Path, dataset: Dataset) -> Header:
    return Header(
        path=path,
        sop_class_uid=sop_class_of(dataset),
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        patient=patient_of(dataset),
        modality=text(dataset, "Modality"),
        number=integer(dataset, "SeriesNumber"),
        label=text(dataset, "SeriesDescription") or text(dataset, "ProtocolName"),
        sequence=f"{text(dataset, 'SequenceName')} {text(dataset, 'PulseSequenceName')} "
        f"{text(dataset, 'ProtocolName')}",
        techniques=_techniques(dataset),
        manufacturer=text(dataset, "Manufacturer"),
        field_strength_t=number(dataset, "MagneticFieldStrength"),
        rows=integer(dataset, "Rows") or 0,
        columns=integer(dataset, "Columns") or 0,
        samples=integer(dataset, "SamplesPerPixel") or 1,
        images_expected=integer(dataset, "ImagesInAcquisition"),
        lossy=text(dataset, "LossyImageCompression") == "01",
        day=first_day(text(dataset, keyword) for keyword in KEYWORDS),
    )


def _techniques(dataset: Dataset) -> frozenset[str]:
    """Return what Scanning Sequence says, or what the attributes of enhanced objects amount to."""
    found = set(texts(dataset, "ScanningSequence"))
    if text(dataset, "EchoPulseSequence") == "GRADIENT":
        found.add("GR")
    if text(dataset, "EchoPulseSequence") == "SPIN":
        found.add("SE")
    if text(dataset, "EchoPlanarPulseSequence") == "YES":
        found.add("EP")
    if text(dataset, "InversionRecovery") == "YES":
        found.add("IR")
    return frozenset(found - {""})


def _frame(header: Header, count: int | None, dataset: Dataset, shared: Dataset, own: Dataset) -> Frame:
    """Read one frame; in a single-frame file ``dataset``, ``shared`` and ``own`` are the same data set."""
    single = count is None

    def group(keyword: str) -> Dataset:
        return own if single else group_of(keyword, shared, own)

    kind = group("MRImageFrameTypeSequence")
    image_type = tuple(v.upper() for v in texts(kind, "ImageType" if single else "FrameType"))
    timing, content = group("MRTimingAndRelatedParametersSequence"), group("FrameContentSequence")
    echo = number(group("MREchoSequence"), "EchoTime" if single else "EffectiveEchoTime")
    return Frame(
        header=header,
        number=count,
        image_type=image_type or tuple(v.upper() for v in texts(dataset, "ImageType")),
        component=_component(kind, image_type, dataset),
        position_lps_mm=numbers(group("PlanePositionSequence"), "ImagePositionPatient", 3),
        orientation=numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        spacing_mm=numbers(group("PixelMeasuresSequence"), "PixelSpacing", 2),
        echo_time_ms=echo,
        repetition_time_ms=number(timing, "RepetitionTime"),
        flip_angle_deg=number(timing, "FlipAngle"),
        acquisition=integer(dataset if single else content, _ACQUISITION[single]),
        time_point=integer(dataset if single else content, _TIME_POINT[single]),
        instance_number=integer(dataset, "InstanceNumber") if single else count,
    )


_ACQUISITION = {True: "AcquisitionNumber", False: "FrameAcquisitionNumber"}
_TIME_POINT = {True: "TemporalPositionIdentifier", False: "TemporalPositionIndex"}


def _component(kind: Dataset, image_type: tuple[str, ...], dataset: Dataset) -> Component | None:
    """Tell magnitude, phase, real and imaginary images apart; GE says it in a private element."""
    told = text(kind, "ComplexImageComponent") or text(dataset, "ComplexImageComponent")
    if told.upper() in _COMPONENTS:
        return _COMPONENTS[told.upper()]
    private = private_number(dataset, 0x0043, 0x2F, _GE_CREATOR)
    if private is not None and private in _GE_COMPONENTS:
        return _GE_COMPONENTS[private]
    # The first two values say original or derived, primary or secondary.
    found = [_COMPONENTS[value] for value in image_type[2:] if value in _COMPONENTS]
    return next((c for c in found if c != "magnitude"), found[0] if found else None)
