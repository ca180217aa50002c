"""Every stack of a survey becomes a :class:`.series.DicomSeries`: its role, its grid, or what is wrong with it."""

from __future__ import annotations

from collections import defaultdict

from microbleeds.geometry import Grid
from microbleeds.read.dicom.geometry import UnusableError, grid_of, has_geometry, refuse_size
from microbleeds.read.dicom.headers import Frame
from microbleeds.read.dicom.roles import judge, mosaic
from microbleeds.read.dicom.series import DicomSeries, SourceInstance
from microbleeds.read.dicom.stacks import Stack, stacks_of
from microbleeds.read.dicom.survey import Survey
from microbleeds.scan import SequenceFacts


def volumes_of(found: Survey) -> list[DicomSeries]:
    """Return every volume of a survey, by series number and the order in it."""
    by_series: dict[str, list[Frame]] = defaultdict(list)
    for frame in found.frames:
        by_series[frame.header.series_uid].append(frame)
    volumes = []
    for frames in by_series.values():
        frames.sort(key=lambda frame: (frame.instance_number or 0, str(frame.header.path)))
        stacks = sorted(stacks_of(frames), key=lambda s: (s.frames[0].echo_time_ms or 0.0, _first_image(s)))
        parts = range(1, len(stacks) + 1) if len(stacks) > 1 else [None]
        volumes += [_volume(stack, part, len(frames), found) for stack, part in zip(stacks, parts, strict=True)]
    return sorted(volumes, key=lambda v: (v.number is None, v.number or 0, v.uid, v.part or 0))


def _first_image(stack: Stack) -> int:
    return min(frame.instance_number or 0 for frame in stack.frames)


def _volume(stack: Stack, part: int | None, in_series: int, found: Survey) -> DicomSeries:
    first = stack.frames[0]
    header = first.header
    judged = judge(first)
    grid, defect = _geometry(stack)
    return DicomSeries(
        uid=header.series_uid,
        number=header.number,
        description=found.discreet(header.label),
        role=judged.role,
        why=judged.why,
        sure=judged.sure and stack.sure,
        original=first.image_type[:1] != ("DERIVED",),
        instances=tuple(
            SourceInstance(
                f.header.path, f.header.sop_class_uid, f.header.sop_instance_uid, f.number, f.instance_number
            )
            for f in stack.frames
        ),
        study_uid=header.study_uid,
        frame_of_reference_uid=header.frame_of_reference_uid,
        grid=grid,
        defect=defect,
        part=part,
        facts=_facts(first),
        notes=(*stack.notes, *_incomplete(first, in_series), *_lossy(first)),
    )


def _geometry(stack: Stack) -> tuple[Grid | None, str | None]:
    first = stack.frames[0]
    if mosaic(first):
        return None, "it is a mosaic, many slices side by side in one image; export it as single slices"
    if first.header.samples != 1:
        return None, "it holds colours, not intensities"
    if not has_geometry(first):
        return None, "its images state no usable position, orientation or pixel spacing"
    try:
        grid = grid_of(stack.frames)
    except UnusableError as error:
        return None, str(error)
    try:
        refuse_size(grid)
    except UnusableError as error:
        return grid, str(error)
    return grid, None


def _facts(frame: Frame) -> SequenceFacts:
    def within(value: float | None, low: float, high: float) -> float | None:
        return value if value is not None and low <= value <= high else None

    return SequenceFacts(
        field_strength_t=within(frame.header.field_strength_t, 0.05, 25.0),
        echo_time_ms=within(frame.echo_time_ms, 0.1, 200.0),
        repetition_time_ms=within(frame.repetition_time_ms, 1.0, 20000.0),
        flip_angle_deg=within(frame.flip_angle_deg, 0.5, 180.0),
        manufacturer=frame.header.manufacturer[:80] or None,
    )


def _lossy(frame: Frame) -> tuple[str, ...]:
    told = "its images were compressed with loss, which blurs or invents small spots"
    return (told,) if frame.header.lossy else ()


def _incomplete(frame: Frame, in_series: int) -> tuple[str, ...]:
    """Slices that are missing at an end leave no gap; only the scanner's own count tells."""
    expected = frame.header.images_expected
    if expected is None or in_series >= expected or frame.number is not None:
        return ()
    return (f"the scanner announced {expected} images and {in_series} are here",)
