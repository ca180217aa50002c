"""One row a scan: counts by group, row and region, burden, flags, outliers; failed scans with their sentence.

Conventions:
    * ``n/a`` where nothing is known, as in BIDS; truth is 1 or 0; flags and outliers are words joined by ``;``.
    * Outliers are taken on the square root of numbers, which evens out their spread, and on the brain's volume.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from microbleeds import tab_separated
from microbleeds.atomic import atomic_file
from microbleeds.cohort.outliers import OUTLIER_Z, robust_z
from microbleeds.cohort.task import Outcome
from microbleeds.errors import InputError
from microbleeds.regions import REGIONS, SCALES
from microbleeds.report.record import Record, read_record

Row = dict[str, Any]
_GROUPS = ("lobar", "deep", "infratentorial", "unplaced")
_MARS_ROWS = tuple(SCALES["MARS"].groups)
_REGIONS = tuple(dict.fromkeys(region.name for region in REGIONS.values() if region.group != "none"))
#: Column to how its outliers are measured.
_WATCHED = {"microbleeds": math.sqrt, "ruled_out": math.sqrt, "candidates": math.sqrt, "parenchyma_ml": float}
FLAGS: Mapping[str, str] = {
    "no_phase": "no phase image: calcifications can't be told by their sign",
    "t2star_only": "a T2*-weighted magnitude was searched, which shows fewer microbleeds than SWI",
    "regions_unknown": "the scan shows too little of the head to tell regions",
    "segmentation_doubtful": "the automatic segmentation looks wrong",
    "echo_time_unknown": "nothing states the echo time",
    "field_strength_unknown": "nothing states the field strength",
}
_DESCRIBED: Mapping[str, str] = {
    "participant_id": "Subject.",
    "session_id": "Session.",
    "scan": "Name of the scan; its result lies in the folder of this name.",
    "state": "done, failed or absent (no SWI and no T2*-weighted image).",
    "message": "Why there is no result, or no follow-up.",
    "kind": "swi, or t2star where only a T2*-weighted magnitude was searched.",
    "phase": "Whether a phase image was used (1) or not (0).",
    "manufacturer": "Of the scanner.",
    "field_strength_t": "Field strength in tesla.",
    "echo_time_ms": "Echo time in milliseconds.",
    "voxel_mm3": "Volume of a voxel in cubic millimetres.",
    "microbleeds": "Findings that count.",
    "definite": "Definite ones of them.",
    "possible": "Possible ones of them.",
    "lobar": "In cortex or subcortical white matter (MARS).",
    "deep": "In deep structures (MARS).",
    "infratentorial": "In brainstem or cerebellum (MARS).",
    "unplaced": "Of no known group.",
    "burden_class": "0, 1, 2-4, 5-9 or >=10; n/a where the scan shows too little of the head, as are places.",
    "strictly_lobar": "At least one lobar and none deep or in the brainstem (Boston criteria v2.0); 1 or 0, "
    "n/a where that hangs on a finding near another group.",
    "groups_uncertain": "Whether groups must not be trusted (1) or may (0).",
    **{f"mars_{name.replace(' ', '_')}": f"Findings on the MARS row '{name}'." for name in _MARS_ROWS},
    **{f"region_{name}": f"Findings in the fine region '{name}', both sides." for name in _REGIONS},
    "ruled_out": "Candidates above the operating point that their place ruled out.",
    "candidates": "All candidates of the search.",
    "parenchyma_ml": "Volume of the brain without ventricles and other fluid, in millilitres; n/a if unknown.",
    "warnings": "Number of warnings in the report.",
    "flags": "Quality flags: " + "; ".join(f"{name} ({text})" for name, text in FLAGS.items()) + ".",
    "outliers": f"Measures whose robust z is beyond {OUTLIER_Z}, with that z.",
    "new": "Microbleeds that no earlier session showed; n/a where none could be aligned.",
    "new_so_far": "Microbleeds that were new at this or an earlier session.",
    "aria_h": "ARIA-H class of new_so_far; no diagnosis.",
    "program_version": "Version of microbleeds.",
    "weights_sha256": "Hash of the detector's weights.",
}
COLUMNS = tuple(_DESCRIBED)


@dataclass(frozen=True)
class Entry:
    """A scan of the table: what became of it, and what its follow-up adds (columns of the table)."""

    outcome: Outcome
    record: Record | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def entry_of(outcome: Outcome, result: Path, more: Mapping[str, Any] | None = None) -> Entry:
    """Read the result behind an outcome; one that can't be read any more becomes a failed row.

    Args:
        outcome: of a scan.
        result: folder of its result.
        more: columns that its follow-up adds.
    """
    if not outcome.succeeded:
        return Entry(outcome, None, more or {})
    try:
        return Entry(outcome, read_record(result / "findings.json"), more or {})
    except InputError as error:
        return Entry(outcome.model_copy(update={"state": "failed", "sentence": str(error)}), None, more or {})


def table_rows(entries: Sequence[Entry]) -> list[Row]:
    """Return the rows, with outliers among all of them."""
    rows = [_row(entry) for entry in entries]
    for column, measure in _WATCHED.items():
        scores = robust_z([None if row.get(column) is None else measure(row[column]) for row in rows])
        for row, z in zip(rows, scores, strict=True):
            if z is not None and abs(z) > OUTLIER_Z:
                row["outliers"] = ";".join(filter(None, [row.get("outliers"), f"{column}={z:+g}"]))
    return rows


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write the table (``path`` ends in ``.tsv``) and its data dictionary beside it (``.json``)."""
    tab_separated.write_table(COLUMNS, ([row.get(name) for name in COLUMNS] for row in rows), path)
    described = {name: {"Description": text} for name, text in _DESCRIBED.items()}
    with atomic_file(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _row(entry: Entry) -> Row:
    outcome, record = entry.outcome, entry.record
    row: Row = {
        "participant_id": None if outcome.subject is None else f"sub-{outcome.subject}",
        "session_id": None if outcome.session is None else f"ses-{outcome.session}",
        "scan": outcome.name,
        "state": "done" if outcome.succeeded else outcome.state,
        "message": outcome.sentence,
        **entry.more,
    }
    return row if record is None else row | _scan(record) | _counts(record)


def _scan(record: Record) -> Row:
    """Return what a record says about its scan and the search."""
    scan, found, cut = record.scan, record.segmentation, record.model.operating_point.cut
    return {
        "kind": scan.kind,
        "phase": scan.phase is not None,
        "manufacturer": scan.sequence.manufacturer,
        "field_strength_t": scan.sequence.field_strength_t,
        "echo_time_ms": scan.sequence.echo_time_ms,
        "voxel_mm3": round(math.prod(scan.spacing_mm), 3),
        "ruled_out": sum(f.removed_by == "anatomy" and f.score >= cut for f in record.findings),
        "candidates": len(record.findings),
        "parenchyma_ml": None if found is None else found.parenchyma_ml,
        "warnings": len(record.warnings),
        "flags": ";".join(_flags(record)),
        "program_version": record.program_version,
        "weights_sha256": record.model.sha256,
        "disclaimer": record.disclaimer,  # for the page; it is no column
    }


def _counts(record: Record) -> Row:
    """Return a record's numbers; those by place are ``None`` where the scan shows too little of the head."""
    counts = record.counts
    regions = Counter(finding.region for finding in record.kept)
    by_place: Row = {
        **{name: getattr(counts, name) for name in _GROUPS},
        **{f"mars_{name.replace(' ', '_')}": counts.regions.get(name, 0) for name in _MARS_ROWS},
        **{f"region_{name}": regions[name] for name in _REGIONS},
    }
    return {
        "microbleeds": counts.total,
        "definite": counts.definite,
        "possible": counts.possible,
        **(dict.fromkeys(by_place) if record.places_unknown else by_place),
        "burden_class": None if record.regions_unknown else counts.burden_class,
        "strictly_lobar": counts.strictly_lobar,
        "groups_uncertain": counts.groups_uncertain,
    }


def _flags(record: Record) -> list[str]:
    """Return the names of :data:`FLAGS` that hold."""
    found, sequence = record.segmentation, record.scan.sequence
    holds = {
        "no_phase": record.scan.phase is None,
        "t2star_only": record.scan.kind == "t2star",
        "regions_unknown": found is not None and not found.located,
        "segmentation_doubtful": record.places_doubtful,
        "echo_time_unknown": sequence.echo_time_ms is None,
        "field_strength_unknown": sequence.field_strength_t is None,
    }
    return [name for name in FLAGS if holds[name]]
