"""The pictures of `comparison.html`: drawn from the scans, or read back from the page for the signed one."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microbleeds.errors import InputError
from microbleeds.followup.pictures import CLOSE_UP_PLANES, FIELD_MM, Pair, checkerboards, close_ups
from microbleeds.followup.record import Comparison, LesionRecord
from microbleeds.followup.visit import Visit
from microbleeds.report.labels import DEFAULT_DIAMETER_MM
from microbleeds.report.overview import brain_box, overviews
from microbleeds.report.planes import PLANES
from microbleeds.report.thumbnails import Picture, canvas

#: A lesion's pictures take about 80 kB; with this limit a page stays below 6 MB whatever was found.
MAX_PICTURED = 60
_VIEWS = ("SWI", "phase")
_IMAGE = re.compile(
    r'<img data-picture="([^"]+)" src="(data:image/[a-z]+;base64,[\w+/=]+)" width="(\d+)" height="(\d+)"'
)
_FACTS = re.compile(r'<script type="application/json" id="drawn">([^<]*)</script>')


@dataclass(frozen=True)
class Overview:
    """A projection of the follow-up's brain; ``places`` holds lesions by id, at shares of 1 from left and top."""

    picture: Picture
    places: dict[int, tuple[float, float]]


@dataclass(frozen=True)
class CloseUps:
    """Pictures of one lesion at both visits by image; ``ring`` is the marker's radius in picture pixels."""

    views: dict[str, list[tuple[Picture, Picture]]]
    ring: float


@dataclass(frozen=True)
class Drawn:
    """All pictures of a page; ``lesions`` holds close-ups by the lesion's id."""

    overviews: list[Overview]
    boards: list[Picture]
    lesions: dict[int, CloseUps]

    def facts(self, comparison_sha256: str) -> dict[str, Any]:
        """Return what the page keeps beside the pictures, so that they can be read back."""
        return {
            "comparison_sha256": comparison_sha256,
            "places": [overview.places for overview in self.overviews],
            "rings": {number: drawn.ring for number, drawn in self.lesions.items()},
        }


def draw(comparison: Comparison, baseline: Visit, followup: Visit) -> Drawn:
    """Draw both visits and the first lesions of a comparison."""
    pair = Pair(
        canvas(baseline.scan, baseline.segmentation.brain),
        canvas(followup.scan, followup.segmentation.brain),
        np.array(comparison.registration.followup_from_baseline),
    )
    return Drawn(
        _overviews(pair, comparison.lesions) if comparison.registration.succeeded else [],
        checkerboards(pair),
        {lesion.id: _close_ups(pair, lesion) for lesion in comparison.lesions[:MAX_PICTURED]},
    )


def read_drawn(page: Path, comparison_sha256: str) -> Drawn:
    """Read the pictures of a page that this program wrote.

    Args:
        page: `comparison.html`.
        comparison_sha256: hash of the `comparison.json` that it must show.

    Raises:
        InputError: if the page can't be read or shows another comparison.
    """
    try:
        text = Path(page).read_text(encoding="utf-8")
        facts = json.loads(found.group(1) if (found := _FACTS.search(text)) else "{}")
        if facts.get("comparison_sha256") != comparison_sha256:
            raise InputError(
                f"The page {page} shows another comparison; make both again with `microbleeds compare`."
            )
        return _read_back(facts, {html.unescape(name): rest for name, *rest in _IMAGE.findall(text)})
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The page {page} can't be read; make it again with `microbleeds compare`.") from error


def _read_back(facts: dict[str, Any], images: dict[str, list[str]]) -> Drawn:
    """Put the pictures of a page together; the names are those of its template."""

    def picture(name: str, plane: Any) -> Picture:
        source, width, height = images[name]
        return Picture(source, int(width), int(height), plane)

    def pairs(number: str, view: str) -> list[tuple[Picture, Picture]]:
        names = [f"{number}-{view}-{plane.name}" for plane in CLOSE_UP_PLANES]
        return [
            (picture(f"{name}-baseline", plane), picture(f"{name}-follow-up", plane))
            for name, plane in zip(names, CLOSE_UP_PLANES, strict=True)
        ]

    return Drawn(
        [
            Overview(picture(f"overview-{plane.name}", plane), {int(n): (x, y) for n, (x, y) in places.items()})
            for plane, places in zip(PLANES, facts["places"], strict=True)
        ],
        [picture(f"board-{plane.name}", plane) for plane in PLANES],
        {
            int(n): CloseUps({v: pairs(n, v) for v in _VIEWS if f"{n}-{v}-axial-baseline" in images}, float(ring))
            for n, ring in facts["rings"].items()
        },
    )


def _overviews(pair: Pair, lesions: list[LesionRecord]) -> list[Overview]:
    """Draw the follow-up's three projections and place the lesions on them."""
    part = brain_box(pair.followup)
    return [
        Overview(picture, {n.id: part.place(plane, n.followup.position_ras_mm) for n in lesions})
        for plane, picture in zip(PLANES, overviews(pair.followup, part), strict=True)
    ]


def _close_ups(pair: Pair, lesion: LesionRecord) -> CloseUps:
    """Draw one lesion in the planes of the scan in which it counts; the ring stands 3 mm off it."""
    of_baseline = lesion.baseline.counted
    seen = lesion.baseline if of_baseline else lesion.followup
    views = close_ups(pair, np.array(seen.position_ras_mm), of_baseline=of_baseline)
    radius_mm = (seen.diameter_mm or DEFAULT_DIAMETER_MM) / 2 + 3
    width = views["SWI"][0][0].width
    return CloseUps(views, round(radius_mm * width / FIELD_MM, 1))
