"""`review.html`: one page to read a scan in, from disk, without a network; NiiVue and the volumes are inside.

The page is a template, a style and scripts of ours, NiiVue's bundle, a JSON block (the record and what the page
needs to know) and the volumes of :mod:`microbleeds.report.review.volumes`. A Content-Security-Policy names the
hashes of the two scripts and of the style, and forbids every connection; nothing else can run or reach out.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from microbleeds.regions import MARS, REGIONS
from microbleeds.report.html import MAX_PICTURED
from microbleeds.report.record import Finding, Record
from microbleeds.report.review.volumes import BRAIN, Embedded, Volumes, embed
from microbleeds.report.templating import asset, templates_of
from microbleeds.report.thumbnails import Canvas, canvas, close_ups
from microbleeds.report.words import describe_place, describe_region, describe_row
from microbleeds.scan import Scan

_OURS = "microbleeds.report.review"
# In this order they share one function's scope, so that nothing of ours is global.
SCRIPTS = (
    "page.js",
    "volumes.js",
    "places.js",
    "work.js",
    "counts.js",
    "shader.js",
    "viewer.js",
    "findings.js",
    "placing.js",
    "form.js",
    "adding.js",
    "tools.js",
    "keys.js",
    "main.js",
)


def write_review(
    record: Record,
    scan: Scan,
    brain: NDArray[np.bool_],
    regions: NDArray[np.uint8] | None,
    path: Path,
    *,
    findings_sha256: str | None = None,
) -> None:
    """Write the page.

    Args:
        record: what was found.
        scan: the scan that was searched.
        brain: [X, Y, Z] mask on ``scan.grid``.
        regions: [X, Y, Z] codes of :mod:`microbleeds.regions` on ``scan.grid``; ``None`` if unknown.
        path: file to write.
        findings_sha256: hash of `findings.json`, to which verdicts are bound; that of the file which
            ``write_record`` makes of ``record`` if ``None``.
    """
    text = render_review(record, scan, brain, regions, findings_sha256=findings_sha256)
    # The hashes in the policy are those of the text with plain line ends.
    Path(path).write_text(text, encoding="utf-8", newline="\n")


def render_review(
    record: Record,
    scan: Scan,
    brain: NDArray[np.bool_],
    regions: NDArray[np.uint8] | None,
    *,
    findings_sha256: str | None = None,
) -> str:
    """Return the page as text; arguments as for :func:`write_review`."""
    volumes = embed(scan, brain, regions)
    style, viewer = asset("review.css", _OURS, "assets"), asset("niivue.umd.js", _OURS, "vendor/niivue")
    parts = "\n".join([asset("tally.js"), *(asset(name, _OURS, "assets") for name in SCRIPTS)])
    script = Markup(f'"use strict";\n(() => {{\n{parts}\n}})();\n')
    page = templates_of(_OURS, "assets").get_template("review.html.j2")
    return page.render(
        policy=_policy(style, viewer, script),
        style=style,
        viewer=viewer,
        script=script,
        record=record,
        facts=_facts(record, volumes, _thumbnails(record, canvas(scan, brain)), findings_sha256 or hash_of(record))
        | {"slices": _slices(record, scan)},
        volumes=volumes,
        licences=[asset(name, _OURS, "vendor/niivue") for name in ("LICENSE", "THIRD-PARTY-LICENSES")],
        name=Path(next(iter(record.scan.files.values()), "scan")).name,
    )


def hash_of(record: Record) -> str:
    """Return the sha256 of the `findings.json` that ``write_record`` makes of a record."""
    return hashlib.sha256((record.model_dump_json(indent=2) + "\n").encode()).hexdigest()


def _policy(style: str, *scripts: str) -> str:
    """Return the Content-Security-Policy: what is in the page, by hash, and nothing from anywhere else."""
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'sha256-{_digest(style)}'; "
        "img-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    """Return a policy's hash of an inline text."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _facts(record: Record, volumes: Volumes, thumbnails: dict[int, Any], findings_sha256: str) -> dict[str, Any]:
    """Return what the scripts need to know, ready for JSON."""
    return {
        "findings_sha256": findings_sha256,
        "program_version": record.program_version,
        "findings": [_finding(f) | {"thumbnails": thumbnails.get(f.id, [])} for f in record.findings],
        "rows": [{"row": row, "group": group, "words": describe_row(row)} for row, group in MARS.groups.items()],
        "places": _places(),
        "brain_code": BRAIN,
        "located": volumes.located,
        "confident": not record.places_doubtful,
        "partial": record.regions_unknown,
        "shape": volumes.grid.shape,
        "affine": volumes.grid.affine.tolist(),
        "spacing_mm": volumes.grid.spacing_mm.tolist(),
        "swi": _window(volumes.swi),
        "phase": None if volumes.phase is None else _window(volumes.phase),
    }


def _slices(record: Record, scan: Scan) -> dict[str, Any]:
    """Return how to number the slices of the input file: the page's volumes are cut and turned.

    ``weights`` times (x, y, z, 1) in mm is the number of the slice, counted from 0.
    """
    axis, grid = record.scan.slice_axis, scan.source_grid
    images = record.scan.images
    return {
        "count": grid.shape[axis],
        "weights": np.linalg.inv(grid.affine)[axis].tolist(),
        "images": None if images is None else images.model_dump(),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    """Return a finding with its place in words."""
    return finding.model_dump(mode="json") | {"words": describe_place(finding)}


def _window(part: Embedded) -> dict[str, float]:
    """Return black and white of a volume's first view."""
    return {"low": part.window.low, "high": part.window.high}


def _places() -> dict[int, dict[str, str | None]]:
    """Return code to place for every region of the parenchyma."""
    return {
        code: {
            "region": region.name,
            "side": region.side,
            "group": region.group,
            "row": MARS.rows.get(region.name),
            "words": _region_words(region.name),
        }
        for code, region in REGIONS.items()
        if region.group != "none"
    }


def _region_words(name: str) -> str:
    """Return a region in the words of the report."""
    return describe_region(Finding.model_construct(region=name))


def _thumbnails(record: Record, drawn: Canvas) -> dict[int, list[dict[str, str]]]:
    """Return pictures for the list, and for readers whose browser can't show volumes: five of each finding."""
    made = {}
    for finding in record.kept[:MAX_PICTURED]:
        views = close_ups(drawn, finding.position_ras_mm)
        shown = [(name, pictures[0]) for name, pictures in views.items()]
        shown += [("SWI", picture) for picture in views["SWI"][1:]]
        made[finding.id] = [{"name": f"{name}, {p.plane.name}", "source": p.source} for name, p in shown]
    return made
