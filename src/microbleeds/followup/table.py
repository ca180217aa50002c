"""`comparison.tsv`: one row a lesion, for spreadsheets and statistics; `n/a` where unknown (as in BIDS)."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from microbleeds.followup.record import Comparison, LesionRecord, Sighting

_VISIT = (
    "id", "x_mm", "y_mm", "z_mm", "score", "counted", "diameter_mm", "darkness", "certainty", "score_spread",
    "score_note", "place_confidence",
)  # fmt: skip
COLUMNS = (
    "id", "state", "group", "region", "side", "distance_mm",
    *(f"baseline_{name}" for name in _VISIT), *(f"followup_{name}" for name in _VISIT), "note",
)  # fmt: skip


def write_table(comparison: Comparison, path: Path) -> None:
    """Write all lesions; positions are RAS mm, each in the world of its own scan."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\")
    writer.writerow(COLUMNS)
    writer.writerows(_row(lesion) for lesion in comparison.lesions)
    Path(path).write_text(text.getvalue(), encoding="utf-8")


def _row(lesion: LesionRecord) -> list[str]:
    """Return one row in the order of :data:`COLUMNS`."""
    values: list[object] = [
        lesion.id, lesion.state, lesion.group, lesion.region, lesion.side, lesion.distance_mm,
        *_cells(lesion.baseline), *_cells(lesion.followup), lesion.note,
    ]  # fmt: skip
    return ["n/a" if value is None else " ".join(str(value).split()) for value in values]


def _cells(sighting: Sighting) -> list[object]:
    """Return the columns of one visit."""
    counted = int(sighting.counted)
    return [
        sighting.finding_id,
        *sighting.position_ras_mm,
        sighting.score,
        counted,
        sighting.diameter_mm,
        sighting.darkness,
        sighting.certainty,
        sighting.score_spread,
        sighting.score_note,
        sighting.place_confidence,
    ]
