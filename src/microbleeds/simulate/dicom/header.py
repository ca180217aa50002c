"""What all files of a simulated study share: patient, study, series, scanner and pixel format.

Nobody stands behind the patient; identifiers follow from the subject's name and the convention alone, so that the
same data set always gives the same files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_ROOT_UID, UID, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.geometry import Grid
from microbleeds.simulate.dataset import NOTICE
from microbleeds.simulate.dicom.conventions import Layer, Series
from microbleeds.simulate.dicom.images import SubjectImages

_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
_DATE, _TIME = "20240102", "101500"


def uid(*words: object) -> UID:
    """Return the identifier that belongs to these words."""
    return generate_uid(PYDICOM_ROOT_UID, entropy_srcs=["microbleeds simulate", *map(str, words)])


def decimal(value: float) -> str:
    """Return a number as a decimal string of at most 16 characters."""
    return format_number_as_ds(float(value))


def file_dataset(
    images: SubjectImages, series: Series, sop_class: str, convention: str, *words: object
) -> Dataset:
    """Return the part of a file that doesn't depend on its pixels.

    Args:
        words: what tells this file from others of the series.
    """
    study = (images.subject, convention)
    instance = uid(*study, series.number, *words)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = instance
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, instance
    dataset.PatientName, dataset.PatientID = f"{images.subject}^Simulated", f"SIM-{images.subject}"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyInstanceUID = uid(*study)
    dataset.SeriesInstanceUID = uid(*study, series.number)
    dataset.FrameOfReferenceUID = uid(*study, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "1", "", ""
    for name in ("Study", "Series", "Content", "Acquisition"):
        setattr(dataset, f"{name}Date", _DATE)
        setattr(dataset, f"{name}Time", _TIME)
    dataset.Modality, dataset.BodyPartExamined, dataset.PatientPosition = "MR", "HEAD", "HFS"
    dataset.SeriesNumber, dataset.SeriesDescription = series.number, series.description
    dataset.Manufacturer, dataset.ManufacturerModelName = series.manufacturer, series.model
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "0", f"microbleeds {__version__}"
    dataset.InstanceNumber = 1
    dataset.ImageComments = NOTICE
    dataset.MagneticFieldStrength = images.field_strength_t
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Columns, dataset.Rows = images.grid.shape[:2]
    return dataset


def set_pixels(dataset: Dataset, layers: tuple[Layer, ...], stored: np.ndarray) -> None:
    """Set the pixel format and the pixels.

    Args:
        stored: int16 [frames, rows, columns].
    """
    signed = any(layer.signed for layer in layers)
    bits = 16 if signed else 12
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = np.ascontiguousarray(stored, dtype="<i2").tobytes()
    dataset["PixelData"].VR = "OW"


def orientation(grid: Grid) -> list[str]:
    """Return Image Orientation (Patient)."""
    axes = grid.affine[:3, :2] / grid.spacing_mm[:2] * _RAS_TO_LPS[:, None]
    return [decimal(v) for v in (*axes[:, 0], *axes[:, 1])]


def position(grid: Grid, k: int) -> list[str]:
    """Return Image Position (Patient) of slice ``k``."""
    return [decimal(v) for v in grid.to_mm((0, 0, k)) * _RAS_TO_LPS]


def pixel_spacing(grid: Grid) -> list[str]:
    """Return Pixel Spacing: between rows, then between columns."""
    return [decimal(grid.spacing_mm[1]), decimal(grid.spacing_mm[0])]


def save(dataset: Dataset, path: Path) -> None:
    """Write a file whole or not at all."""
    with atomic_file(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
