"""A DICOM series as scanners write it, for any grid, single-frame or multi-frame."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from microbleeds.geometry import Grid

NAME, PATIENT_ID = "Doe^Janet", "PID-4711"
_TO_LPS = np.diag([-1.0, -1.0, 1.0])
_MR, _ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"


def common(sop_class: str, uid: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.PatientName, dataset.PatientID = NAME, PATIENT_ID
    dataset.PatientBirthDate, dataset.PatientSex = "19480229", "F"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4", "1.2.3.4.5"
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = "1.2.3.4.9", ""
    dataset.StudyDate, dataset.StudyTime = "20260102", "101112"
    dataset.SeriesDate, dataset.SeriesTime = "20260102", "101500"
    dataset.AccessionNumber, dataset.StudyID, dataset.ReferringPhysicianName = "ACC-77", "1", ""
    dataset.Modality, dataset.Manufacturer, dataset.SeriesNumber = "MR", "ACME", 7
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "SWI"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    return dataset


def directions(grid: Grid) -> tuple[list[float], list[float]]:
    """Orientation (LPS) and pixel spacing of slices with columns along i and rows along j."""
    axes = _TO_LPS @ grid.affine[:3, :2]
    spacing = np.linalg.norm(axes, axis=0)
    orientation = [*(axes[:, 0] / spacing[0]), *(axes[:, 1] / spacing[1])]
    return [round(float(v), 8) for v in orientation], [float(spacing[1]), float(spacing[0])]


def position(grid: Grid, k: int) -> list[float]:
    return [round(float(v), 5) for v in _TO_LPS @ grid.to_mm((0, 0, k))]


def series(grid: Grid) -> list[Dataset]:
    """Single-frame headers, one for each k, in this order."""
    orientation, spacing = directions(grid)
    headers = []
    for k in range(grid.shape[2]):
        header = common(_MR, f"1.2.3.4.5.{k + 1}")
        header.InstanceNumber = k + 1
        header.Rows, header.Columns = grid.shape[1], grid.shape[0]
        header.ImageOrientationPatient, header.PixelSpacing = orientation, spacing
        header.ImagePositionPatient = position(grid, k)
        header.SliceThickness = header.SpacingBetweenSlices = round(float(grid.spacing_mm[2]), 5)
        headers.append(header)
    return headers


def multi_frame(grid: Grid, others: int = 0) -> Dataset:
    """One multi-frame header; ``others`` frames of another kind come before each frame of the volume."""
    header = common(_ENHANCED_MR, "1.2.3.4.6.1")
    header.InstanceNumber = 1
    header.Rows, header.Columns = grid.shape[1], grid.shape[0]
    orientation, spacing = directions(grid)
    shared, plane, measures = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = orientation
    measures.PixelSpacing, measures.SliceThickness = spacing, float(grid.spacing_mm[2])
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [plane], [measures]
    header.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(grid.shape[2]):
        for _ in range(others + 1):
            frame, place = Dataset(), Dataset()
            place.ImagePositionPatient = position(grid, k)
            frame.PlanePositionSequence = [place]
            frames.append(frame)
    header.PerFrameFunctionalGroupsSequence = frames
    header.NumberOfFrames = len(frames)
    return header
