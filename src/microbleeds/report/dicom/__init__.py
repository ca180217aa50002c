"""Results as DICOM: structured report, segmentations, secondary captures.

Write with ``from microbleeds.report.dicom import Reading, Volumes, source_of, write_dicom``.
"""

from __future__ import annotations

from microbleeds.report.dicom.export import Volumes, write_dicom, write_result
from microbleeds.report.dicom.reading import Reading, reading_of
from microbleeds.report.dicom.source import Source, source_of, source_of_volume

__all__ = [
    "Reading",
    "Source",
    "Volumes",
    "reading_of",
    "source_of",
    "source_of_volume",
    "write_dicom",
    "write_result",
]
