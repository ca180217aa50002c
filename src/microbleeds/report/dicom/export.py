"""A result as DICOM objects in a folder: report, segmentations and pages; as it is made.

`sr.dcm` the structured report, `seg.dcm` the findings, `regions.dcm` the regions, `report.dcm` and
`report-2.dcm` ... the pages. What has nothing to hold isn't written (no finding: no `seg.dcm`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, TM

from microbleeds.geometry import Grid, from_canonical
from microbleeds.read.dicom.series import DicomSeries
from microbleeds.report.dicom.capture import secondary_captures
from microbleeds.report.dicom.identifiers import Stamp, stamp_of
from microbleeds.report.dicom.reading import Reading
from microbleeds.report.dicom.segmentation import findings_segmentation, regions_segmentation
from microbleeds.report.dicom.source import Source, source_of_volume
from microbleeds.report.dicom.structured_report import structured_report
from microbleeds.report.labels import label_volume
from microbleeds.report.record import Record
from microbleeds.report.regions_image import Segmented
from microbleeds.report.thumbnails import Canvas, canvas
from microbleeds.scan import Scan


@dataclass(frozen=True, eq=False)
class Volumes:
    """What can be drawn beside the record, all on the grid of the input.

    Args:
        grid: RAS mm; the source's images lie on its voxels.
        regions: [X, Y, Z] codes of `regions.py`; without them no segmentation of regions is written.
        canvas: the scan with its grey windows; without it the pages have no pictures.
    """

    grid: Grid
    regions: NDArray[np.uint8] | None = None
    canvas: Canvas | None = None


def write_dicom(
    record: Record,
    source: Source,
    volumes: Volumes,
    folder: Path,
    *,
    created: datetime | None = None,
    reading: Reading | None = None,
) -> list[Path]:
    """Write the objects of one result.

    Args:
        record: what was found, after the reading if there was one.
        source: the images that were searched.
        volumes: grid, regions and scan.
        folder: it is made if need be; a caller that needs all or nothing gives a temporary one.
        created: when the result was made; now if ``None``. The same moment gives the same objects again.
        reading: the reader's verdicts.

    Returns:
        The files, report first.

    Raises:
        InputError: if the images aren't those that were searched, or can't be referred to.
    """
    reading = reading or Reading()
    created = created or datetime.now(timezone.utc)
    stamp = stamp_of(record, str(source.first.SeriesInstanceUID), source.series_number, created, reading)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with warnings.catch_warnings():
        # highdicom warns with the text of a name that it finds odd; a patient's name belongs in no log.
        warnings.simplefilter("ignore")
        for name, dataset in _objects(record, source, volumes, stamp, reading):
            _date(dataset, stamp.created)
            dataset.save_as(folder / name, enforce_file_format=True)
            paths.append(folder / name)
    return paths


def write_result(
    record: Record,
    scan: Scan,
    segmentation: Segmented,
    volume: DicomSeries,
    folder: Path,
    *,
    created: datetime,
    reading: Reading | None = None,
) -> list[Path]:
    """Write the objects of a result that was found on a scan read from DICOM.

    Args:
        record: what was found.
        scan: what was searched.
        segmentation: brain and regions on the scan's grid.
        volume: the DICOM volume on ``scan.source_grid`` to which the objects refer.
        folder: as in :func:`write_dicom`, which says the rest.
        created: when the result was made.
        reading: the reader's verdicts.

    Raises:
        InputError: as :func:`write_dicom`.
    """
    regions = from_canonical(segmentation.regions, scan.source_grid) if segmentation.located else None
    volumes = Volumes(scan.source_grid, regions, canvas(scan, segmentation.brain))
    return write_dicom(record, source_of_volume(volume), volumes, folder, created=created, reading=reading)


def _date(dataset: Dataset, created: datetime) -> None:
    """Date the object, and highdicom's part in it, by the result rather than by the clock."""
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = DA(created.date()), TM(created.time())
    dataset.ContributingEquipmentSequence[-1].ContributionDateTime = DT(created)


def _objects(
    record: Record, source: Source, volumes: Volumes, stamp: Stamp, reading: Reading
) -> Iterator[tuple[str, Dataset]]:
    """Yield file name and object, one after the other, so that only one is in memory."""
    yield "sr.dcm", structured_report(record, source, stamp, reading)
    labels = label_volume(record.findings, volumes.grid)
    findings = findings_segmentation(record, labels, volumes.grid, source, stamp, reading)
    if findings is not None:
        yield "seg.dcm", findings
    if volumes.regions is not None:
        regions = regions_segmentation(record, volumes.regions, volumes.grid, source, stamp)
        if regions is not None:
            yield "regions.dcm", regions
    for number, page in enumerate(secondary_captures(record, source, stamp, reading, volumes.canvas), start=1):
        yield ("report.dcm" if number == 1 else f"report-{number}.dcm"), page
