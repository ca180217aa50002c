"""This head in outline, from three sides, with the findings on it: silhouettes of brain, cerebellum and nuclei.

All lengths are mm; a view is cut to the brain's box and shown as :mod:`microbleeds.report.planes` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.regions import REGIONS, VENTRICLE
from microbleeds.report.contours import outline_path
from microbleeds.report.overview import BrainBox
from microbleeds.report.planes import PLANES, Plane, oriented, pixel_mm
from microbleeds.report.record import Finding

_DEEP_GREY = ("caudate", "lentiform", "thalamus")
_LABEL_MM = (7.0, 5.0)  # room of a number: width and height
_MARK_MM = 3.0


@dataclass(frozen=True)
class Shape:
    """A silhouette: what it is of, and its SVG path."""

    name: str
    path: str


@dataclass(frozen=True)
class Mark:
    """A finding on a view: its middle, and where its number stands (the middle of its base line)."""

    finding: Finding
    x: float
    y: float
    label_x: float
    label_y: float


@dataclass(frozen=True)
class OutlineView:
    """One view of the head, ``width`` by ``height`` mm."""

    plane: Plane
    width: float
    height: float
    shapes: list[Shape]
    marks: list[Mark]


def outlines(
    brain: NDArray[np.bool_], regions: NDArray[np.uint8] | None, part: BrainBox, findings: Sequence[Finding]
) -> list[OutlineView]:
    """Return the axial, coronal and sagittal view.

    Args:
        brain: [X, Y, Z] mask on the scan's grid.
        regions: [X, Y, Z] codes; without them only the brain's outline is drawn.
        part: the brain's box.
        findings: to be marked.
    """
    volumes = {"brain": brain[part.box]}
    if regions is not None:
        codes = regions[part.box]
        volumes |= {name: np.isin(codes, wanted) for name, wanted in _inner().items()}
    return [_view(volumes, plane, part, findings) for plane in PLANES]


def _inner() -> dict[str, list[int]]:
    """Return the codes of what is drawn within the outline."""
    return {
        "infratentorial": [code for code, region in REGIONS.items() if region.group == "infratentorial"],
        "ventricles": [VENTRICLE],
        "deep-grey": [code for code, region in REGIONS.items() if region.name in _DEEP_GREY],
    }


def _view(
    volumes: dict[str, NDArray[np.bool_]], plane: Plane, part: BrainBox, findings: Sequence[Finding]
) -> OutlineView:
    """Draw one view."""
    size = pixel_mm(plane, part.grid)
    width, height = part.grid.shape[plane.column] * size[0], part.grid.shape[plane.row] * size[1]
    shapes = [
        Shape(name, outline_path(oriented(np.asarray(volume.any(axis=plane.across))), size))
        for name, volume in volumes.items()
    ]
    places = [part.place(plane, finding.position_ras_mm) for finding in findings]
    points = [(left * width, top * height) for left, top in places]
    labels = label_places(points)
    marks = [
        Mark(finding, *(round(v, 1) for v in (*point, *label)))
        for finding, point, label in zip(findings, points, labels, strict=True)
    ]
    return OutlineView(plane, round(width, 1), round(height, 1), [s for s in shapes if s.path], marks)


def label_places(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return where the number of each mark stands, beside it where the least lies in the way.

    Args:
        points: middles of the marks in mm, x rightwards and y downwards.
    """
    beside = _MARK_MM / 2 + _LABEL_MM[0] / 2 + 0.8
    above = _MARK_MM / 2 + _LABEL_MM[1] / 2 + 0.8
    choices = ((beside, 0.0), (-beside, 0.0), (0.0, -above), (0.0, above), (beside, -above), (-beside, above))
    placed: list[tuple[float, float]] = []
    for x, y in points:
        spots = [(x + dx, y + dy) for dx, dy in choices]
        placed.append(min(spots, key=lambda spot: _crowding(spot, placed, points)))
    return [(x, y + _LABEL_MM[1] * 0.35) for x, y in placed]


def _crowding(
    spot: tuple[float, float], labels: Sequence[tuple[float, float]], points: Sequence[tuple[float, float]]
) -> float:
    """Return how much of a number at ``spot`` other numbers and marks would cover."""
    width, height = _LABEL_MM
    others = [(*label, width, height) for label in labels]
    others += [(*point, (width + _MARK_MM) / 2, (height + _MARK_MM) / 2) for point in points]
    return sum(max(0.0, 1 - abs(spot[0] - x) / w) * max(0.0, 1 - abs(spot[1] - y) / h) for x, y, w, h in others)
