"""A result folder becomes BIDS derivatives of its session.

Large files are hard links to the result (copies where the file system has none), so that nothing is stored twice.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microbleeds.atomic import atomic_file
from microbleeds.bids.dictionaries import (
    FINDINGS,
    LABELS,
    REGION_TABLE,
    generated_by,
    write_dictionary,
    write_rows,
)
from microbleeds.bids.layout import Layout
from microbleeds.cohort.task import Outcome
from microbleeds.errors import InputError
from microbleeds.report.record import Record, read_record

PAGES = ("report", "review")


def publish_scan(outcome: Outcome, layout: Layout, raw: Path) -> None:
    """Write the derivatives of one scan; those of an earlier run give way.

    Args:
        outcome: with a result.
        layout: of the output.
        raw: root of the data set; sources are named relative to it.

    Raises:
        InputError: if the outcome has no result.
    """
    if outcome.subject is None or outcome.stem is None:
        raise InputError(f"{outcome.name} has no result; run the participant level again.")
    result = layout.results / outcome.name
    record = read_record(result / "findings.json")
    anat = layout.folder(outcome.subject, outcome.session, "anat")
    figures = layout.folder(outcome.subject, outcome.session, "figures")
    earlier = _earlier(outcome, layout)
    located = (result / "regions.nii.gz").is_file()
    pages = [page for page in PAGES if (result / f"{page}.html").is_file()]
    sources = source_uris(record.scan.files, raw)
    found = anat / f"{outcome.stem}_desc-microbleeds"
    placed(result / "findings.json", _ending(found, "_record.json"))
    placed(result / "findings.tsv", _ending(found, "_findings.tsv"))
    write_dictionary(FINDINGS, _ending(found, "_findings.json"), Sources=sources, GeneratedBy=generated_by())
    _write_labels(result, record, found, sources)
    if located:
        _write_regions(result, anat / f"{outcome.stem}_seg-fine", sources)
    for page in pages:
        placed(result / f"{page}.html", figures / f"{outcome.stem}_desc-microbleeds_{page}.html")
    # Last, so that a kill or a full disk leaves the earlier ones.
    present = (f"{outcome.stem}_desc-microbleeds_", *([f"{outcome.stem}_seg-fine_"] if located else ()))
    for path in earlier:
        page = path.name.rpartition("_")[2].removesuffix(".html")
        if not path.name.startswith(present) or (page in PAGES and page not in pages):
            path.unlink()


def withdraw_scan(outcome: Outcome, layout: Layout) -> None:
    """Remove the derivatives that an earlier run wrote of a scan that has no result any more."""
    for path in _earlier(outcome, layout):
        path.unlink()


def source_uris(files: Mapping[str, str], raw: Path) -> list[str]:
    """Return BIDS URIs of the files of a scan; ``raw`` is named in `dataset_description.json`."""
    uris = []
    for file in files.values():
        path = Path(file)
        inside = path.is_relative_to(raw)
        uris.append(f"bids:raw:{path.relative_to(raw).as_posix()}" if inside else path.name)
    return uris


def placed(source: Path, target: Path) -> None:
    """Put a file in its place as a hard link, or a copy where there are none."""
    with atomic_file(target) as partial:
        partial.unlink()
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)


def _write_labels(result: Path, record: Record, found: Path, sources: list[str]) -> None:
    """Place the image of the findings with its table."""
    placed(result / "labels.nii.gz", _ending(found, "_dseg.nii.gz"))
    rows = [
        {**finding.model_dump(), "index": finding.id, "name": f"microbleed_{finding.id}"}
        for finding in record.kept
    ]
    write_rows(["index", "name", *LABELS], rows, _ending(found, "_dseg.tsv"))
    write_dictionary(
        LABELS,
        _ending(found, "_dseg.json"),
        Description="Each finding that counts as a ball of its apparent diameter, numbered by id.",
        Manual=False,
        Sources=sources,
        SpatialReference=sources[0],
        GeneratedBy=generated_by(),
        Warnings=record.warnings,
    )


def _write_regions(result: Path, seg: Path, sources: list[str]) -> None:
    """Place the image of the fine regions with its table."""
    placed(result / "regions.nii.gz", _ending(seg, "_dseg.nii.gz"))
    placed(result / "regions.tsv", _ending(seg, "_dseg.tsv"))
    said: dict[str, Any] = json.loads((result / "regions.json").read_text(encoding="utf-8"))
    write_dictionary(
        REGION_TABLE, _ending(seg, "_dseg.json"), **(said | {"Sources": sources, "SpatialReference": sources[0]})
    )


def _earlier(outcome: Outcome, layout: Layout) -> set[Path]:
    """Derivatives of this session's scan that an earlier run wrote, under this or another choice."""
    folders = [layout.folder(str(outcome.subject), outcome.session, kind) for kind in ("anat", "figures")]
    start = f"sub-{outcome.subject}" + (f"_ses-{outcome.session}" if outcome.session is not None else "")
    kinds = ("_desc-microbleeds_", "_seg-fine_")
    return {path for folder in folders for kind in kinds for path in folder.glob(f"{start}*{kind}*")}


def _ending(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
