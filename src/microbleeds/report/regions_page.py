"""`regions.html`: one page to check a segmentation: regions over the scan in three planes, and their volumes."""

from __future__ import annotations

from pathlib import Path

from microbleeds import __version__
from microbleeds.report.html import environment
from microbleeds.report.outline import outlines
from microbleeds.report.overlay import Cuts, region_slices
from microbleeds.report.overview import brain_box
from microbleeds.report.planes import AXIAL, CORONAL, SAGITTAL
from microbleeds.report.record import DISCLAIMER
from microbleeds.report.region_table import legend
from microbleeds.report.regions_image import Segmented, region_warnings, segmentation_record
from microbleeds.report.templating import asset
from microbleeds.report.thumbnails import canvas
from microbleeds.scan import Scan

_CUTS: Cuts = (
    (AXIAL, (0.16, 0.28, 0.4, 0.52, 0.64, 0.76)),
    (CORONAL, (0.2, 0.35, 0.5, 0.65, 0.8)),
    (SAGITTAL, (0.2, 0.35, 0.5, 0.65, 0.8)),
)


def write_regions_page(segmentation: Segmented, scan: Scan, path: Path) -> None:
    """Write the page; where the regions are unknown it says so and shows no outline."""
    drawn = canvas(scan, segmentation.brain)
    part = brain_box(drawn)
    known = segmentation.regions if segmentation.located else None
    text = (
        environment()
        .get_template("regions.html.j2")
        .render(
            files={"scan": next(iter(scan.files.values()))} if len(scan.files) == 1 else scan.files,
            segmentation=segmentation_record(segmentation),
            warnings=region_warnings(segmentation, scan),
            outlines=[] if known is None else outlines(segmentation.brain, known, part, []),
            region_slices=[] if known is None else region_slices(drawn, known, part, _CUTS),
            legend=legend(),
            style=asset("report.css"),
            disclaimer=DISCLAIMER,
            version=__version__,
        )
    )
    Path(path).write_text(text, encoding="utf-8")
