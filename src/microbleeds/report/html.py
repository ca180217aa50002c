"""`report.html`: one page that a reader opens from disk; no network, no framework, every picture inside.

The page is built from the record, which holds all words and numbers, and the scan, which gives the pictures.
Templates escape whatever comes from files (names and headers may hold HTML).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray

from microbleeds.report.labels import DEFAULT_DIAMETER_MM
from microbleeds.report.outline import outlines
from microbleeds.report.overlay import RegionSlice, region_slices
from microbleeds.report.overview import BrainBox, brain_box, overviews
from microbleeds.report.planes import PLANES
from microbleeds.report.record import Finding, Record
from microbleeds.report.region_table import legend
from microbleeds.report.run_record import RunOrigin, package_versions
from microbleeds.report.templating import asset, templates_of
from microbleeds.report.thumbnails import (
    FIELD_MM,
    PIXELS,
    SLAB_MM,
    Canvas,
    Picture,
    canvas,
    close_ups,
    whole_slice,
)
from microbleeds.report.words import (
    UNREAD,
    describe_image,
    describe_margin,
    describe_place,
    describe_region,
    describe_row,
    describe_slice,
    describe_source,
    describe_trust,
    methods,
)
from microbleeds.scan import Scan

#: A finding's pictures take about 120 kB; with both limits a page stays below 10 MB whatever was found.
MAX_PICTURED = 60
MAX_REMOVED_PICTURED = 10


@dataclass(frozen=True)
class Dot:
    """A finding on an overview, at shares of 1 from left and top."""

    finding: Finding
    left: float
    top: float


@dataclass(frozen=True)
class Overview:
    """A projection of the brain and the findings on it."""

    picture: Picture
    dots: list[Dot]


@dataclass(frozen=True)
class Card:
    """A finding with its pictures; ``ring`` is the marker's radius in picture pixels, ``image`` may be empty."""

    finding: Finding
    place: str
    slice_words: str
    image: str
    views: dict[str, list[Picture]]
    slice: Picture
    left: float
    top: float
    ring: float


def write_html(
    record: Record,
    scan: Scan,
    brain: NDArray[np.bool_],
    path: Path,
    regions: NDArray[np.uint8] | None = None,
    origin: RunOrigin | None = None,
) -> None:
    """Write the page.

    Args:
        record: what was found.
        scan: the scan that was searched.
        brain: [X, Y, Z] mask on ``scan.grid``; it sets grey windows and the overview.
        path: file to write.
        regions: [X, Y, Z] codes on ``scan.grid``; without them, or where all are zero, none are shown.
        origin: when it was searched and in what files, if known.
    """
    Path(path).write_text(render_html(record, scan, brain, regions, origin=origin), encoding="utf-8")


def render_html(
    record: Record,
    scan: Scan,
    brain: NDArray[np.bool_],
    regions: NDArray[np.uint8] | None = None,
    reading: str = UNREAD,
    origin: RunOrigin | None = None,
) -> str:
    """Return the page as text, see :func:`write_html`; ``reading`` says who confirmed the findings."""
    drawn = canvas(scan, brain)
    known = regions if regions is not None and regions.any() else None
    part = brain_box(drawn)
    removed = {by: [f for f in record.findings if f.removed_by == by] for by in ("anatomy", "reader", "score")}

    def cards(findings: Sequence[Finding], most: int) -> list[Card]:
        return [_card(drawn, finding, record) for finding in findings[:most]]

    return (
        environment()
        .get_template("report.html.j2")
        .render(
            record=record,
            style=asset("report.css"),
            script=asset("tally.js") + asset("report.js"),
            # Where the brain is all that has signal, its silhouette is a box.
            outlines=[] if record.regions_unknown else outlines(brain, known, part, record.kept),
            overviews=_overviews(drawn, part, record.kept),
            region_slices=[] if known is None else _rows(region_slices(drawn, known, part)),
            legend=legend(),
            cards=cards(record.kept, MAX_PICTURED),
            pictured={finding.id for finding in record.kept[:MAX_PICTURED]},
            unpictured=max(0, len(record.kept) - MAX_PICTURED),
            rejected_cards=cards(removed["reader"], MAX_REMOVED_PICTURED),
            rejected=removed["reader"],
            removed_cards=cards(removed["anatomy"], MAX_REMOVED_PICTURED),
            removed=removed["anatomy"],
            below=removed["score"],
            # Who has read stands beside the counts; it is nothing to be warned of.
            warnings=[sentence for sentence in record.warnings if sentence != reading],
            reading=reading,
            methods=methods(record, reading),
            unread=reading == UNREAD,
            origin=origin,
            searched={} if origin is None else _searched(origin.inputs_sha256),
            versions=package_versions(),
            pixels=PIXELS,
            field_mm=FIELD_MM,
            slab_mm=SLAB_MM,
        )
    )


def _searched(inputs_sha256: Mapping[str, str]) -> dict[str, str]:
    """Return role to hash of what was searched; a projection that came along is not looked at."""
    return {role: sha256 for role, sha256 in inputs_sha256.items() if role != "mip"}


def _rows(slices: list[list[RegionSlice]]) -> list[list[RegionSlice]]:
    """Lay the slices out in two rows: axial ones, and all others."""
    axial, *others = slices
    return [axial, [one for row in others for one in row]]


def environment() -> Environment:
    """Return our templates with the filters that they use."""
    made = templates_of("microbleeds.report")
    made.filters["place"] = describe_place
    made.filters["region"] = describe_region
    made.filters["row_name"] = describe_row
    made.filters["image"] = describe_image
    made.filters["margin"] = describe_margin
    made.filters["trust"] = describe_trust
    made.filters["slice_words"] = describe_slice
    made.filters["source"] = describe_source
    return made


def _overviews(drawn: Canvas, part: BrainBox, findings: Sequence[Finding]) -> list[Overview]:
    """Draw the three projections and place the findings on them."""
    return [
        Overview(picture, [Dot(f, *part.place(plane, f.position_ras_mm)) for f in findings])
        for plane, picture in zip(PLANES, overviews(drawn, part), strict=True)
    ]


def _card(drawn: Canvas, finding: Finding, record: Record) -> Card:
    """Draw one finding; its ring stands 3 mm off the bleed, so that it covers nothing."""
    axial, left, top = whole_slice(drawn, finding.position_ras_mm)
    radius_mm = (finding.diameter_mm or DEFAULT_DIAMETER_MM) / 2 + 3
    return Card(
        finding=finding,
        place=describe_place(finding),
        slice_words=describe_slice(finding, record.scan),
        image=describe_source(finding, record.scan),
        views=close_ups(drawn, finding.position_ras_mm),
        slice=axial,
        left=left,
        top=top,
        ring=round(radius_mm * PIXELS / FIELD_MM, 1),
    )
