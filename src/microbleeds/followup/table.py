"""`comparison.tsv`: one row a lesion, for spreadsheets and statistics; `n/a` where unknown (as in BIDS)."""

from __future__ import annotations

from pathlib import Path

from microbleeds import tab_separated
from microbleeds.followup.record import Comparison, LesionRecord, Sighting

_VISIT = ("id", "x_mm", "y_mm", "z_mm", "score", "counted", "diameter_mm", "darkness")
COLUMNS = (
    "id", "state", "group", "region", "side", "distance_mm",
    *(f"baseline_{name}" for name in _VISIT), *(f"followup_{name}" for name in _VISIT), "note",
)  # fmt: skip


def write_table(comparison: Comparison, path: Path) -> None:
    """Write all lesions; positions are RAS mm, each in the world of its own scan."""
    tab_separated.write_table(COLUMNS, (_row(lesion) for lesion in comparison.lesions), path)


def _row(lesion: LesionRecord) -> list[object]:
    """Return one row in the order of :data:`COLUMNS`."""
    return [
        lesion.id, lesion.state, lesion.group, lesion.region, lesion.side, lesion.distance_mm,
        *_cells(lesion.baseline), *_cells(lesion.followup), lesion.note,
    ]  # fmt: skip


def _cells(sighting: Sighting) -> list[object]:
    """Return the columns of one visit."""
    return [
        sighting.finding_id,
        *sighting.position_ras_mm,
        sighting.score,
        sighting.counted,
        sighting.diameter_mm,
        sighting.darkness,
    ]
