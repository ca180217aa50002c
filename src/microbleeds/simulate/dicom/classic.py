"""Single-frame files: one slice each, in the order in which scanners number them."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from microbleeds.simulate.dicom.conventions import Layer, Series
from microbleeds.simulate.dicom.header import (
    decimal,
    file_dataset,
    orientation,
    pixel_spacing,
    position,
    save,
    set_pixels,
)
from microbleeds.simulate.dicom.images import SubjectImages


def write_classic(folder: Path, images: SubjectImages, series: Series, convention: str) -> None:
    """Write a series of single-frame MR images, ``IM00001.dcm`` and on."""
    number = 0
    for k in range(images.grid.shape[2]):
        for layer in series.layers:
            number += 1
            dataset = file_dataset(images, series, MRImageStorage, convention, number)
            dataset.InstanceNumber, dataset.AcquisitionNumber = number, 1
            _describe(dataset, images, series, layer)
            _place(dataset, images, k)
            _scale(dataset, layer)
            set_pixels(dataset, (layer,), layer.stored[:, :, k].T)
            save(dataset, folder / f"IM{number:05d}.dcm")


def _describe(dataset: Dataset, images: SubjectImages, series: Series, layer: Layer) -> None:
    dataset.ImageType = list(layer.image_type)
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "GR", "SP", ""
    dataset.MRAcquisitionType = "2D" if images.two_dimensional else "3D"
    dataset.SequenceName = series.sequence_name
    dataset.EchoTime, dataset.EchoNumbers, dataset.EchoTrainLength = decimal(images.echo_time_ms), 1, 1
    dataset.RepetitionTime = decimal(images.repetition_time_ms)
    dataset.FlipAngle = decimal(images.flip_angle_deg)
    dataset.ImagesInAcquisition = images.grid.shape[2] * len(series.layers)
    if layer.ge_code is not None:
        block = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
        block.add_new(0x2F, "SS", layer.ge_code)


def _place(dataset: Dataset, images: SubjectImages, k: int) -> None:
    grid = images.grid
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = position(grid, k), orientation(grid)
    dataset.PixelSpacing = pixel_spacing(grid)
    dataset.SliceThickness = decimal(images.slice_thickness_mm)
    dataset.SpacingBetweenSlices = decimal(grid.spacing_mm[2])


def _scale(dataset: Dataset, layer: Layer) -> None:
    if layer.rescale is not None:
        slope, intercept, kind = layer.rescale
        dataset.RescaleSlope, dataset.RescaleIntercept = decimal(slope), decimal(intercept)
        dataset.RescaleType = kind
    if layer.philips_scale_slope is not None:
        block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", layer.philips_scale_slope)
