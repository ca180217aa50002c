"""Frames of a study become stacks: images of one series, one kind, one echo and one orientation.

What a series mixes is told apart by what its headers say: kind of image (magnitude, phase, real, imaginary), image
type, echo time, size, pixel spacing and orientation; and, where places still repeat, by time point, by acquisition
or, if nothing else tells, by the order of the images at each place.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pydicom

from microbleeds.read.dicom.geometry import (
    ORIENTATION_TOLERANCE,
    SAME_PLACE_MM,
    has_geometry,
    normal_of,
    place_of,
)
from microbleeds.read.dicom.headers import Frame

# Beyond this many doubled places it is a time series, and its pixels aren't compared.
_MOST_COMPARED = 200


@dataclass(frozen=True, eq=False)
class Stack:
    """Images of one kind, sorted along their normal.

    Args:
        frames: in slice order; as stored where they state no place.
        notes: what was done, in short clauses.
        sure: whether something other than their order tells these images from others at the same places.
    """

    frames: tuple[Frame, ...]
    notes: tuple[str, ...] = ()
    sure: bool = True


def stacks_of(frames: Sequence[Frame]) -> list[Stack]:
    """Split the frames of one series into stacks; the order is that of the first frame of each."""
    groups: dict[tuple, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[_kind(frame)].append(frame)
    found = []
    for group in groups.values():
        for same in _by_orientation(group):
            found += _by_place(same)
    return found


def _kind(frame: Frame) -> tuple:
    echo = None if frame.echo_time_ms is None else round(frame.echo_time_ms, 2)
    spacing = None if frame.spacing_mm is None else tuple(round(s, 3) for s in frame.spacing_mm)
    size = (frame.header.rows, frame.header.columns)
    return frame.component, frame.image_type, echo, spacing, size, has_geometry(frame)


def _by_orientation(frames: list[Frame]) -> list[list[Frame]]:
    """Localisers hold three planes in one series."""
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            one, other = group[0].orientation, frame.orientation
            same = one is not None and other is not None and np.allclose(one, other, atol=ORIENTATION_TOLERANCE)
            if same or one is other is None:
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _by_place(frames: list[Frame]) -> list[Stack]:
    """Sort along the normal; take apart what lies at the same places."""
    orientation = frames[0].orientation
    if orientation is None or not has_geometry(frames[0]):
        return [Stack(tuple(frames))]
    normal = normal_of(orientation)
    ordered = sorted(frames, key=lambda frame: (place_of(frame, normal), frame.instance_number or 0))
    kept, notes = _without_copies(ordered, normal)
    if not _repeats(kept, normal):
        return [Stack(tuple(kept), notes)]
    keys: tuple[Callable[[Frame], object], ...] = (lambda f: f.time_point, lambda f: f.acquisition)
    for key in keys:
        parts: dict[object, list[Frame]] = defaultdict(list)
        for frame in kept:
            parts[key(frame)].append(frame)
        if len(parts) > 1 and not any(_repeats(part, normal) for part in parts.values()):
            return [Stack(tuple(part), notes) for part in parts.values()]
    return _by_order(kept, normal, notes)


def _by_order(ordered: list[Frame], normal: np.ndarray, notes: tuple[str, ...]) -> list[Stack]:
    """Make a stack of the first images at each place, one of the second ones, and so on (GE's field maps)."""
    parts: list[list[Frame]] = [[]]
    depth = 0
    for number, frame in enumerate(ordered):
        before = ordered[number - 1]
        again = number > 0 and place_of(frame, normal) - place_of(before, normal) < SAME_PLACE_MM
        depth = depth + 1 if again else 0
        if depth == len(parts):
            parts.append([])
        parts[depth].append(frame)
    if len({len(part) for part in parts}) > 1:
        return [Stack(tuple(ordered), notes)]
    told = (*notes, "nothing but their order tells its images from others at the same places")
    return [Stack(tuple(part), told, sure=False) for part in parts]


def _repeats(ordered: Sequence[Frame], normal: np.ndarray) -> bool:
    places = np.array([place_of(frame, normal) for frame in ordered])
    return bool((np.diff(places) < SAME_PLACE_MM).any())


def _without_copies(ordered: Sequence[Frame], normal: np.ndarray) -> tuple[list[Frame], tuple[str, ...]]:
    """Drop the second of two images that are the same image: one UID at one place, or the same pixels."""
    kept: list[Frame] = []
    doubled: list[tuple[Frame, Frame]] = []
    copies = 0
    for frame in ordered:
        before = kept[-1] if kept else None
        if before is None or place_of(frame, normal) - place_of(before, normal) >= SAME_PLACE_MM:
            kept.append(frame)
        elif _identity(before) == _identity(frame):
            copies += 1
        else:
            kept.append(frame)
            doubled.append((before, frame))
    if 0 < len(doubled) <= min(_MOST_COMPARED, len(kept) // 2):
        same = [later for earlier, later in doubled if _pixels(earlier) == _pixels(later)]
        kept = [frame for frame in kept if frame not in same]
        copies += len(same)
    return kept, (f"{copies} doubled images were left out",) if copies else ()


def _identity(frame: Frame) -> tuple[str, int | None]:
    return frame.header.sop_instance_uid, frame.number


def _pixels(frame: Frame) -> object:
    """Return a digest of a single-frame image's pixels; of others only their own identity."""
    if frame.number is not None:
        return _identity(frame)
    try:
        data = pydicom.dcmread(frame.header.path, specific_tags=["PixelData"], force=True).PixelData
        return hashlib.sha256(data).hexdigest()
    except Exception:
        # Damaged pixels are no copy of anything; reading them later says what is wrong.
        return _identity(frame)
