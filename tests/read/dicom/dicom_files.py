"""Little DICOM studies: a few slices of 20 x 16 pixels in any vendor's dress."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

ROWS, COLUMNS, SLICES = 16, 20, 10
SPACING_MM = (0.9, 0.8, 2.0)  # between rows, columns, slices
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
# JPEG 2000 halves an image several times.
LARGE_ENOUGH = np.random.default_rng(1).integers(0, 4096, (SLICES, 64, 72)).astype(np.uint16)
NAME, PATIENT, BIRTH = "Zylberstein^Ottilie", "QX-90417", "19370914"


def pixels(seed: int = 0) -> np.ndarray:
    """Numbers [slices, rows, columns] of 12 bits, all slices different."""
    return np.random.default_rng(seed).integers(0, 4096, (SLICES, ROWS, COLUMNS)).astype(np.uint16)


def base(sop_class: str, uid: str) -> Dataset:
    """What every object has."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, PATIENT, BIRTH
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = "1.2.3", "1.2.3.9"
    dataset.Modality = "MR"
    return dataset


def slices(
    number: int = 8,
    description: str = "SWI_Images",
    image_type: Sequence[str] = ("ORIGINAL", "PRIMARY", "M", "SWI", "NORM"),
    *,
    stored: np.ndarray | None = None,
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (-8.0, -7.2, -10.0),
    **changes: Any,
) -> list[Dataset]:
    """Single-frame images of one series, slice by slice along its normal."""
    stored = pixels(number) if stored is None else stored
    normal = np.cross(orientation[:3], orientation[3:])
    made = []
    for k, plane in enumerate(stored):
        image = base(MRImageStorage, f"1.2.3.{number}.{k + 1}")
        image.SeriesInstanceUID, image.SeriesNumber = f"1.2.3.{number}", number
        image.SeriesDescription, image.ImageType = description, list(image_type)
        image.Manufacturer, image.ScanningSequence, image.SequenceName = "SIEMENS", "GR", "*swi3d1r"
        image.EchoTime, image.RepetitionTime, image.FlipAngle = "20", "27", "15"
        image.MagneticFieldStrength, image.InstanceNumber, image.AcquisitionNumber = "3", k + 1, 1
        image.ImageOrientationPatient = [f"{v:.10g}" for v in orientation]
        image.ImagePositionPatient = [f"{v:.10g}" for v in np.asarray(origin) + k * SPACING_MM[2] * normal]
        image.PixelSpacing, image.SliceThickness = list(SPACING_MM[:2]), "1.5"
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.Rows, image.Columns = plane.shape
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
        image.PixelData = np.ascontiguousarray(plane).astype("<u2").tobytes()
        image["PixelData"].VR = "OW"
        for keyword, value in changes.items():
            setattr(image, keyword, value)
        made.append(image)
    return made


def multi_frame(number: int, description: str, kinds: Sequence[tuple[str, Sequence[str]]]) -> Dataset:
    """An enhanced file with a volume of each (complex component, frame type)."""
    file = base(EnhancedMRImageStorage, f"1.2.3.{number}.1")
    file.SeriesInstanceUID, file.SeriesNumber, file.SeriesDescription = f"1.2.3.{number}", number, description
    file.Manufacturer, file.EchoPulseSequence, file.MagneticFieldStrength = "SIEMENS", "GRADIENT", 3.0
    file.ImageType, file.InstanceNumber = ["ORIGINAL", "PRIMARY", "OTHER", "NONE"], 1
    shared = Dataset()
    shared.PixelMeasuresSequence = sequence(PixelSpacing=list(SPACING_MM[:2]), SliceThickness="1.5")
    shared.PlaneOrientationSequence = sequence(ImageOrientationPatient=list(AXIAL))
    shared.MRTimingAndRelatedParametersSequence = sequence(RepetitionTime=27.0, FlipAngle=15.0)
    file.SharedFunctionalGroupsSequence = DicomSequence([shared])
    frames = []
    for component, frame_type in kinds:
        for k in range(SLICES):
            frame = Dataset()
            place = [-8.0, -7.2, -10.0 + 2 * k]
            frame.MRImageFrameTypeSequence = sequence(FrameType=list(frame_type), ComplexImageComponent=component)
            frame.PlanePositionSequence = sequence(ImagePositionPatient=place)
            frame.FrameContentSequence = sequence(FrameAcquisitionNumber=1)
            frame.MREchoSequence = sequence(EffectiveEchoTime=20.0)
            frame.PixelValueTransformationSequence = sequence(RescaleSlope=1, RescaleIntercept=0, RescaleType="US")
            frames.append(frame)
    file.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    file.NumberOfFrames = len(frames)
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.Rows, file.Columns = ROWS, COLUMNS
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelData = np.concatenate([pixels(n) for n in range(len(kinds))]).astype("<u2").tobytes()
    file["PixelData"].VR = "OW"
    return file


def sequence(**values: Any) -> DicomSequence:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return DicomSequence([item])


def magnitude(number: int = 5, **changes: Any) -> list[Dataset]:
    return slices(number, "Mag_Images", ("ORIGINAL", "PRIMARY", "M", "ND", "NORM"), **changes)


def phase(number: int = 6, **changes: Any) -> list[Dataset]:
    return slices(number, "Pha_Images", ("ORIGINAL", "PRIMARY", "P", "ND"), **changes)


def localiser(number: int = 1) -> list[Dataset]:
    """Three planes in one series."""
    planes = (AXIAL, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), (1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    found = []
    for n, orientation in enumerate(planes):
        kind = ("ORIGINAL", "PRIMARY", "M", "NORM")
        found += slices(number, "localizer", kind, orientation=orientation, stored=pixels(n)[:3])
    for count, image in enumerate(found, 1):
        image.SOPInstanceUID = f"1.2.3.{number}.{count}"
        image.InstanceNumber = count
    return found


def report(number: int = 99) -> Dataset:
    """An object without pixels."""
    made = base("1.2.840.10008.5.1.4.1.1.88.11", f"1.2.3.{number}.1")
    made.SeriesInstanceUID, made.Modality = f"1.2.3.{number}", "SR"
    return made


def save(folder: Path, datasets: Iterable[Dataset], name: str = "IM") -> Path:
    """Write files in the reverse of their order, so that no reader can rely on names."""
    folder.mkdir(parents=True, exist_ok=True)
    for count, dataset in enumerate(datasets):
        series = dataset.get("SeriesNumber", 0)
        dataset.save_as(folder / f"{name}{series}_{999 - count:03d}", enforce_file_format=True)
    return folder
