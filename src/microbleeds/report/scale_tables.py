"""Findings counted by the rating scales: MARS, BOMBS and Kim, all from the fine region of each finding.

Conventions:
    * Only findings that are kept count.
    * ``counts`` and ``form`` are by MARS, whose group and row each finding carries; BOMBS and Kim are derived from
      its fine region through :data:`microbleeds.regions.SCALES`.
    * BOMBS says *certain* and *uncertain* for definite and possible, and parts sizes at 5 mm and 10 mm.
    * A finding whose place the segmentation can't be trusted with counts in the group that it seems to be in, and
      the counts say that they are uncertain; so they do where such a segmentation leaves nothing to count. A place
      that a reader gave hangs on no segmentation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from microbleeds.evaluate.patient import burden_class, is_strictly_lobar
from microbleeds.regions import BOMBS, KIM, MARS, REGIONS, SCALES, Group, Region, Scale
from microbleeds.report.record import BombsRow, Counts, Finding, Record, ScaleCounts, ScaleRow

_SMALL_BELOW_MM, _LARGEST_MM = 5.0, 10.0
_COLUMNS = ("definite_right", "definite_left", "possible_right", "possible_left")
_BY_NAME: dict[str, Region] = {region.name: region for region in REGIONS.values()}


def count(findings: Sequence[Finding], places_doubtful: bool) -> Counts:
    """Count the findings that are kept, by MARS.

    Args:
        findings: of one scan.
        places_doubtful: whether its segmentation looks wrong.
    """
    kept = [finding for finding in findings if finding.kept]
    groups = Counter(finding.group for finding in kept)
    rows = Counter(finding.row for finding in kept)
    definite = sum(finding.certainty == "definite" for finding in kept)
    return Counts(
        total=len(kept),
        lobar=groups["lobar"],
        deep=groups["deep"],
        infratentorial=groups["infratentorial"],
        unplaced=groups["none"],
        definite=definite,
        possible=len(kept) - definite,
        regions={row: rows[row] for row in MARS.groups},
        burden_class=burden_class(len(kept)),  # type: ignore[arg-type]
        strictly_lobar=_strictly_lobar(kept, places_doubtful),
        groups_uncertain=any(_doubted(f, places_doubtful) for f in kept) if kept else places_doubtful,
    )


def _strictly_lobar(kept: Sequence[Finding], places_doubtful: bool) -> bool | None:
    """Whether findings are strictly lobar; ``None`` where it hangs on one whose place isn't sure."""
    if places_doubtful and not kept:
        return None
    sure = [
        f.group != "none" and f.place_confidence != "border" and not _doubted(f, places_doubtful) for f in kept
    ]
    return is_strictly_lobar([f.group for f in kept], [f.region for f in kept], sure)


def _doubted(finding: Finding, places_doubtful: bool) -> bool:
    """Whether a finding's place is the word of a segmentation that looks wrong."""
    confidence = finding.place_confidence
    return confidence == "uncertain" or (places_doubtful and confidence != "reader")


def form(findings: Sequence[Finding]) -> list[ScaleRow]:
    """Fill in the MARS form; findings of no row or no side stand in the counts only."""
    cells = Counter((f.row, f"{f.certainty}_{f.side}") for f in findings if f.kept)
    return [
        ScaleRow(group=group, row=row, **{column: cells[row, column] for column in _COLUMNS})
        for row, group in MARS.groups.items()
    ]


def place_on(scale: Scale, region_name: str | None) -> tuple[Group, str | None]:
    """Return the group and the row of a fine region on a scale; ``none`` and ``None`` where it is unknown."""
    region = _BY_NAME.get(region_name or "")
    return ("none", None) if region is None else (scale.group_of(region), scale.row_of(region))


def other_places(region_name: str | None) -> dict[str, str | None]:
    """Return what a finding says of its place on BOMBS and Kim."""
    bombs_group, bombs_row = place_on(BOMBS, region_name)
    return {"bombs_group": bombs_group, "bombs_row": bombs_row, "kim_group": place_on(KIM, region_name)[0]}


def scale_counts(findings: Sequence[Finding]) -> list[ScaleCounts]:
    """Count the findings that are kept by each scale."""
    kept = [finding for finding in findings if finding.kept]
    return [_counts_on(scale, kept) for scale in SCALES.values()]


def _counts_on(scale: Scale, kept: Sequence[Finding]) -> ScaleCounts:
    """Count by one scale."""
    places = [place_on(scale, finding.region) for finding in kept]
    groups, rows = Counter(group for group, _ in places), Counter(row for _, row in places)
    return ScaleCounts(
        name=scale.name,
        source=scale.source,
        lobar=groups["lobar"],
        deep=groups["deep"],
        infratentorial=groups["infratentorial"],
        unplaced=groups["none"],
        rows={row: rows[row] for row in scale.groups},
    )


def bombs_form(findings: Sequence[Finding]) -> list[BombsRow]:
    """Fill in the BOMBS form; findings of no row or no side stand in the counts only."""
    placed = [(place_on(BOMBS, f.region)[1], f) for f in findings if f.kept and f.side != "none"]
    cells = Counter((row, bombs_column(finding)) for row, finding in placed)
    totals = Counter(row for row, _ in placed)
    columns = [name for name in BombsRow.model_fields if name not in ("group", "row", "total")]
    return [
        BombsRow(group=group, row=row, total=totals[row], **{column: cells[row, column] for column in columns})
        for row, group in BOMBS.groups.items()
    ]


def bombs_column(finding: Finding) -> str:
    """Return the column of the BOMBS form that a finding with a side counts in."""
    if finding.diameter_mm is None or finding.diameter_mm > _LARGEST_MM:
        return "without_size"
    certainty = "certain" if finding.certainty == "definite" else "uncertain"
    size = "below_5mm" if finding.diameter_mm < _SMALL_BELOW_MM else "5_to_10mm"
    return f"{certainty}_{finding.side}_{size}"


def recounted(record: Record, findings: Sequence[Finding]) -> Record:
    """Return the record with other findings and all that is counted from them (after a reader, say)."""
    placed = [finding.model_copy(update=other_places(finding.region)) for finding in findings]
    return record.model_copy(
        update={
            "findings": placed,
            "counts": count(findings, record.places_doubtful),
            "form": form(findings),
            "scales": scale_counts(findings),
            "bombs": bombs_form(findings),
        }
    )
