"""`findings.tsv`: one row a finding, for spreadsheets and statistics; `n/a` where unknown (as in BIDS).

Certainty is that of findings that count, so that whoever counts the words gets the numbers of the result. The
voxel ``i j k`` of the input file counts from 0.
"""

from __future__ import annotations

from pathlib import Path

from microbleeds import tab_separated
from microbleeds.report.record import Finding, Record

COLUMNS = (
    "id",
    "x_mm",
    "y_mm",
    "z_mm",
    "i",
    "j",
    "k",
    "score",
    "score_spread",
    "score_note",
    "certainty",
    "certainty_reason",
    "diameter_mm",
    "roundness",
    "group",
    "region",
    "row",
    "side",
    "place_confidence",
    "margin_mm",
    "mineralisation_note",
    "bombs_group",
    "bombs_row",
    "kim_group",
    "kept",
    "removed_by",
    "reason",
)


def write_tsv(record: Record, path: Path) -> None:
    """Write all findings, removed ones too (``kept`` is 0 there); positions are RAS mm."""
    tab_separated.write_table(COLUMNS, (_row(finding) for finding in record.findings), path)


def _row(finding: Finding) -> list[object]:
    """Return one row in the order of :data:`COLUMNS`."""
    values: dict[str, object] = dict(zip(("x_mm", "y_mm", "z_mm"), finding.position_ras_mm, strict=True))
    values |= dict(zip("ijk", finding.position_ijk, strict=True))
    values |= finding.model_dump()
    if not finding.kept:
        values |= {"certainty": None, "certainty_reason": None}
    return [values[name] for name in COLUMNS]
