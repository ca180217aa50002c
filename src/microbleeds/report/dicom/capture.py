"""Secondary captures: the pages of the report as RGB images of the same patient and study."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from microbleeds.report.dicom import codes
from microbleeds.report.dicom.identifiers import Stamp
from microbleeds.report.dicom.pages import Page, draw_pages
from microbleeds.report.dicom.reading import Reading
from microbleeds.report.dicom.source import Source
from microbleeds.report.dicom.statements import notice
from microbleeds.report.record import Record
from microbleeds.report.thumbnails import Canvas


def secondary_captures(
    record: Record, source: Source, stamp: Stamp, reading: Reading, canvas: Canvas | None
) -> list[SCImage]:
    """Draw the report's pages and make one image of each; arguments as in `export.write_dicom`."""
    images = {finding.id: source.image_at(finding.position_lps_mm) for finding in record.kept}
    pages = draw_pages(record, reading, canvas, images)
    comment = notice(record)
    return [_capture(page, number, source, stamp, comment) for number, page in enumerate(pages, start=1)]


def _capture(page: Page, number: int, source: Source, stamp: Stamp, comment: str) -> SCImage:
    """Wrap one page."""
    series = stamp.series("report")
    image = SCImage.from_ref_dataset(
        ref_dataset=source.first,
        pixel_array=np.asarray(page.image),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        sop_instance_uid=stamp.uid("report", str(number)),
        instance_number=number,
        patient_orientation=("L", "P"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="Microbleeds: report pages",
        specific_character_set="ISO_IR 192",
        **series,
    )
    # A page has no direction in the patient; the attribute must be there and may be empty.
    image.PatientOrientation = []
    image.BodyPartExamined = "BRAIN"
    image.DateOfSecondaryCapture, image.TimeOfSecondaryCapture = series["content_date"], series["content_time"]
    image.BurnedInAnnotation = "NO"
    image.ImageComments = comment
    # The close-ups on the page went through JPEG.
    image.LossyImageCompression = "01"
    image.LossyImageCompressionRatio = "8"
    image.LossyImageCompressionMethod = "ISO_10918_1"
    image.SourceImageSequence = [_reference(header) for header in source.headers]
    return image


def _reference(header: Dataset) -> Dataset:
    """Refer to a searched image."""
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [codes.SOURCE_OF_PROCESSING]
    return item
