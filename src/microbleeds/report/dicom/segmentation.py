"""DICOM SEG: findings and regions as segments on the pixels of the images that were searched.

Findings: one segment each, so that a reader can show them one by one; a segment and the SR's measurement group
of the same finding share their tracking identifier. Regions: one segment per fine region of `regions.py` in
which a microbleed counts. All are ``BINARY``, which every viewer with segmentations reads.

Frames are filled by position (`source.on_frames`), never by turning or flipping arrays.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from highdicom import (
    AlgorithmIdentificationSequence,
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
)
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as public

from microbleeds.geometry import Grid
from microbleeds.read.dicom.values import numbers
from microbleeds.regions import REGIONS
from microbleeds.report.dicom import codes
from microbleeds.report.dicom.identifiers import MODEL_NAME, Stamp, tracking_id
from microbleeds.report.dicom.reading import Reading
from microbleeds.report.dicom.source import Source, on_frames
from microbleeds.report.palette import ON_DARK
from microbleeds.report.record import Finding, Record
from microbleeds.report.words import describe_place


def findings_segmentation(
    record: Record, labels: NDArray[np.uint16], grid: Grid, source: Source, stamp: Stamp, reading: Reading
) -> Segmentation | None:
    """Build the SEG of the findings.

    Args:
        record: what was found.
        labels: [X, Y, Z] label volume: ids of the findings that count (`report.labels`).
        grid: its grid, RAS mm.
        source: images that lie on the same voxels.
        stamp: identifiers and time.
        reading: tells which findings the reader added.

    Returns:
        ``None`` where there is nothing to draw: a SEG without a segment is none.

    Raises:
        InputError: if the images don't lie on the grid.
    """
    present = set(np.unique(labels).tolist())
    drawn = [finding for finding in record.kept if finding.id in present]
    if not drawn:
        return None
    number_of = np.zeros(int(labels.max()) + 1, dtype=np.uint16)
    number_of[[finding.id for finding in drawn]] = np.arange(1, len(drawn) + 1)
    algorithm = _algorithm(record)
    segments = [
        _finding_segment(n, f, stamp, None if reading.added(f) else algorithm)
        for n, f in enumerate(drawn, start=1)
    ]
    frames = on_frames(number_of[labels], grid, source)
    return _segmentation("seg", "Microbleeds: findings", "MICROBLEEDS", frames, segments, source, stamp)


def regions_segmentation(
    record: Record, regions: NDArray[np.uint8], grid: Grid, source: Source, stamp: Stamp
) -> Segmentation | None:
    """Build the SEG of the fine regions; ``regions`` is [X, Y, Z] with the codes of `regions.py`.

    Regions in which no microbleed counts (fluid, outside) are left out. The rest as for
    :func:`findings_segmentation`.
    """
    present = set(np.unique(regions).tolist())
    drawn = [code for code in codes.counting_regions() if code in present]
    if not drawn:
        return None
    number_of = np.zeros(256, dtype=np.uint8)
    number_of[drawn] = np.arange(1, len(drawn) + 1)
    algorithm = _algorithm(record)
    segments = [_region_segment(n, code, algorithm) for n, code in enumerate(drawn, start=1)]
    frames = on_frames(number_of[regions], grid, source)
    return _segmentation("regions", "Microbleeds: regions", "REGIONS", frames, segments, source, stamp)


def _algorithm(record: Record) -> AlgorithmIdentificationSequence:
    return AlgorithmIdentificationSequence(
        name=MODEL_NAME,
        family=public.cid7162.ArtificialIntelligence,
        version=record.program_version,
        source="microbleeds (open source)",
        parameters={"weights": record.model.name, "weights_sha256": record.model.sha256[:12]},
    )


def _finding_segment(
    number: int, finding: Finding, stamp: Stamp, algorithm: AlgorithmIdentificationSequence | None
) -> SegmentDescription:
    """Describe a finding: what it is, where, and how the SR calls it; without algorithm it is a reader's."""
    kind = SegmentAlgorithmTypeValues.MANUAL if algorithm is None else SegmentAlgorithmTypeValues.AUTOMATIC
    segment = SegmentDescription(
        segment_number=number,
        segment_label=tracking_id(finding),
        segmented_property_category=codes.ABNORMAL,
        segmented_property_type=codes.MICROBLEED,
        algorithm_type=kind,
        algorithm_identification=algorithm,
        tracking_uid=stamp.tracking_uid(finding),
        tracking_id=tracking_id(finding),
        display_color=CIELabColor.from_rgb(*ON_DARK[finding.group]),
    )
    score = "added by the reader" if algorithm is None else f"score {finding.score:.2f}"
    segment.SegmentDescription = f"{describe_place(finding)}, {score}"
    segment.AnatomicRegionSequence = [codes.anatomic_region(codes.site_of(finding.region, finding.side))]
    return segment


def _region_segment(number: int, code: int, algorithm: AlgorithmIdentificationSequence) -> SegmentDescription:
    """Describe a fine region; side and part are modifiers of its type."""
    region = REGIONS[code]
    site = codes.site_of(region.name, region.side)
    side = "" if region.side == "none" else f"{region.side.capitalize()} "
    segment = SegmentDescription(
        segment_number=number,
        segment_label=f"{side}{region.name.replace('_', ' ')}",
        segmented_property_category=codes.ANATOMY,
        segmented_property_type=site.structure,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        display_color=CIELabColor.from_rgb(*_shade(region.group, number)),
    )
    modifiers = [part for part in (site.modifier, site.side) if part is not None]
    if modifiers:
        # A copy: the concepts of `codes` are shared, and the side of one region is not that of the next.
        kind = copy.deepcopy(site.structure)
        kind.SegmentedPropertyTypeModifierCodeSequence = modifiers
        segment.SegmentedPropertyTypeCodeSequence = [kind]
    return segment


def _shade(group: str, number: int) -> tuple[int, int, int]:
    """Return the group's colour, lighter and darker from region to region so that neighbours differ."""
    factor = 0.55 + 0.15 * (number % 4)
    red, green, blue = (min(255, round(factor * value)) for value in ON_DARK[group])
    return red, green, blue


def _segmentation(
    kind: str,
    description: str,
    label: str,
    frames: NDArray,
    segments: Sequence[SegmentDescription],
    source: Source,
    stamp: Stamp,
) -> Segmentation:
    """Assemble the object and make what highdicom draws at random follow from the stamp."""
    result = Segmentation(
        source_images=[source.first] if source.multi_frame else list(source.headers),
        further_source_images=list(source.headers[1:]) if source.multi_frame else None,
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=list(segments),
        sop_instance_uid=stamp.uid(kind),
        instance_number=1,
        content_label=label,
        content_description=description,
        series_description=description,
        **_planes(source),
        **stamp.series(kind),
    )
    _fix_dimension_uid(result, str(stamp.uid(kind, "dimensions")))
    return result


def _planes(source: Source) -> dict[str, Any]:
    """Return the geometry of the frames; a multi-frame file may hold others beside those of the volume."""
    first = source.frames[0]
    return {
        "plane_positions": [
            PlanePositionSequence("PATIENT", [round(float(v), 6) for v in frame.position_lps_mm])
            for frame in source.frames
        ],
        "plane_orientation": PlaneOrientationSequence("PATIENT", [*first.along_row, *first.along_column]),
        "pixel_measures": _measures(source),
    }


def _measures(source: Source) -> PixelMeasuresSequence:
    """Return pixel spacing and slice thickness as the source states them."""
    first = source.frames[0]
    stated = numbers(source.first, "SliceThickness", 1)
    return PixelMeasuresSequence(
        pixel_spacing=(first.row_spacing_mm, first.column_spacing_mm),
        slice_thickness=stated[0] if stated else _distance_mm(source),
        spacing_between_slices=_distance_mm(source),
    )


def _distance_mm(source: Source) -> float:
    """Return the distance between the first two planes; 1 mm for a single one, which has none."""
    if len(source.frames) < 2:
        return 1.0
    first, second = source.frames[:2]
    normal = np.cross(first.along_row, first.along_column)
    return round(abs(float(normal @ (second.position_lps_mm - first.position_lps_mm))), 6) or 1.0


def _fix_dimension_uid(result: Dataset, uid: str) -> None:
    """Name the dimension organisation by the result, so that the same result gives the same bytes."""
    for item in (*result.DimensionOrganizationSequence, *result.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
