"""Label files of any form are read and given to the scans that they label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from microbleeds.annotations import name_words
from microbleeds.annotations.images import NamedFile, file_stem, named_file, visit_of, words_of
from microbleeds.annotations.matlab import MatFile, read_centres
from microbleeds.annotations.points import points_of_sheet
from microbleeds.annotations.scan_files import Refused, ScanFiles, scan_of_file, scan_of_name
from microbleeds.annotations.sheet import Points, Sheet
from microbleeds.annotations.statement import Statement, with_sidecar
from microbleeds.annotations.tables import read_sheet
from microbleeds.annotations.workbook import read_workbook
from microbleeds.errors import InputError

# What BIDS defines for other things.
_OTHER_TABLES = tuple(
    f"_{suffix}.tsv"
    for suffix in (
        "scans", "sessions", "dseg", "events", "physio", "stim", "timeseries", "aslcontext", "channels",
        "electrodes", "optodes", "motion", "blood", "beh",
    )
)  # fmt: skip


@dataclass(frozen=True)
class LabelFiles:
    """Files of a data set that hold labels, or may.

    Args:
        masks: NIfTI masks.
        tables: text tables.
        workbooks: Excel files.
        matlab: MATLAB files and what they hold.
    """

    masks: tuple[NamedFile, ...]
    tables: tuple[Path, ...]
    workbooks: tuple[Path, ...]
    matlab: Mapping[Path, MatFile] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Source:
    """Labels of one scan in one file.

    Args:
        path: the file.
        points: what it holds; ``None`` for a mask, which is read with its scan.
        statement: what is stated about this file.
        matlab: whether it is a MATLAB file.
        refused: why it can't be used, and so its scan can't either; empty if it can.
    """

    path: Path
    points: Points | None
    statement: Statement
    matlab: bool = False
    refused: str = ""


class _Matching:
    """Collects sources by scan, and what matched none."""

    def __init__(self, scans: Sequence[ScanFiles]) -> None:
        self.scans = scans
        self.sources: dict[str, list[Source]] = defaultdict(list)
        self.refused: list[Refused] = []
        self.notes: list[str] = []
        self._puzzles: list[tuple[Sequence[ScanFiles], Source, str]] = []

    def give(self, what: str, found: Sequence[ScanFiles], source: Source) -> None:
        """Give a source to the one scan that it belongs to."""
        if len(found) == 1:
            self.sources[found[0].name].append(source)
        else:
            self.refused.append(Refused(source.path.name, _unmatched(what, found, self.scans)))

    def puzzle(self, found: Sequence[ScanFiles], source: Source, note: str = "") -> None:
        """Keep a file that can't be used, the scans to which it seems to belong; a note if it may be no labels."""
        self._puzzles.append((found, source, note))

    def settle(self) -> None:
        """Give such a file to its scan if nothing else labels that, which would be a negative otherwise."""
        by_table = any(source.points is not None for found in self.sources.values() for source in found)
        for found, source, note in self._puzzles:
            # Programs leave tables of all kinds beside scans; where masks label the others, one is no riddle.
            meant = by_table or not note or _speaks_of_labels(source.path)
            if meant and len(found) == 1 and not self.sources[found[0].name]:
                self.sources[found[0].name].append(source)
            elif note:
                self.notes.append(note)
            else:
                self.refused.append(Refused(source.path.name, source.refused))


def sources_of(
    labels: LabelFiles, scans: Sequence[ScanFiles], root: Path, statement: Statement
) -> tuple[dict[str, list[Source]], list[Refused], list[str]]:
    """Read all label files but masks, and match all to scans.

    Returns:
        Name of a scan to its sources, files that can't be used, and sentences about the data set.
    """
    matching = _Matching(scans)

    def wanted(path: Path) -> bool:
        pattern = statement.labels_from
        return (
            pattern is None or fnmatch(path.name, pattern) or fnmatch(path.relative_to(root).as_posix(), pattern)
        )

    for mask in (mask for mask in labels.masks if wanted(mask.path)):
        matching.give(f"The mask {mask.path.name}", scan_of_file(mask, scans), Source(mask.path, None, statement))
    tables = [path for path in labels.tables if statement.labels_from is not None or not _is_bids_table(path)]
    for path in filter(wanted, (*tables, *labels.workbooks)):
        try:
            _give_sheets(path, root, statement, matching)
        except InputError as error:
            found = scan_of_file(named_file(path, root, statement), scans)
            matching.puzzle(found, Source(path, None, statement, refused=str(error)))
    for path, content in labels.matlab.items():
        if content.points is not None and wanted(path):
            _give_centres(path, content.points, root, statement, matching)
    matching.settle()
    return dict(matching.sources), matching.refused, matching.notes


def _give_sheets(path: Path, root: Path, statement: Statement, matching: _Matching) -> None:
    """Give the points of a table, or of each sheet of a workbook."""
    told = with_sidecar(statement, path)
    text = path.suffix.lower() not in (".xlsx", ".xlsm", ".xls")
    sheets = [read_sheet(path)] if text else read_workbook(path)
    read = [(sheet, points_of_sheet(sheet, told, "mm" if text else "image")) for sheet in sheets if sheet]
    understood = [(sheet, points) for sheet, points in read if points is not None]
    by_file = scan_of_file(named_file(path, root, statement), matching.scans)
    for sheet, points in understood:
        source = Source(path, points, told)
        if _names_scans(points, by_file, matching.scans):
            _give_rows(sheet, source, points, matching)
        elif len(understood) > 1 or (sheet.sheet and len(by_file) != 1):
            matching.give(f"Sheet {sheet.sheet} of {path.name}", scan_of_name(sheet.sheet, matching.scans), source)
        else:
            matching.give(f"The table {path.name}", by_file, source)
    for sheet in (sheet for sheet, points in read if points is None):
        note = f"The {sheet.where} names no positions; it was not taken for labels."
        by_sheet = scan_of_name(sheet.sheet, matching.scans) if sheet.sheet else []
        found = by_file if len(by_file) == 1 and not understood else by_sheet
        matching.puzzle(found, Source(path, None, told, refused=_without_positions(sheet, told)), note)


def _speaks_of_labels(path: Path) -> bool:
    words = {*words_of(file_stem(path))}
    return bool(words & (name_words.BLEED | name_words.MASK | name_words.POINTS))


def _without_positions(sheet: Sheet, statement: Statement) -> str:
    """Say what a table names in place of positions."""
    columns = [name[:20] for name in statement.columns or sheet.rows[0] if name]
    names = ", ".join(columns[:6]) + (" ..." if len(columns) > 6 else "")
    return (
        f"The columns of {sheet.where} ({names}) name no positions; name them as docs/your-data.md says, or state "
        'which files hold labels, {"labels_from": "PATTERN"} in labels.json.'
    )


def _names_scans(points: Points, by_file: Sequence[ScanFiles], scans: Sequence[ScanFiles]) -> bool:
    """Whether rows name scans, instead of naming the points of the one scan after which the file is named."""
    known = any(scan_of_name(name, scans) for name in points.named)
    if len(by_file) != 1 or (points.named_by_scan and (known or len(scans) == 1)):
        return bool(points.named)
    return len(scans) == 1 and known


def _give_rows(sheet: Sheet, source: Source, points: Points, matching: _Matching) -> None:
    """Give each scan its rows; a scan that is named without a position has no microbleed."""
    told = f"Sheet {sheet.sheet} of {source.path.name}" if sheet.sheet else f"The table {source.path.name}"
    rows: dict[str, list[int]] = {name: [] for name in points.named}
    for n, name in enumerate(points.names):
        rows.setdefault(name, []).append(n)
    for name, chosen in rows.items():
        found = scan_of_name(name, matching.scans) or _only_visit(name, points, matching.scans)
        one = Source(source.path, points.only(chosen), source.statement)
        matching.give(f"{told} names {name or 'nobody in a row'}, which", found, one)
    for scan in matching.scans:
        if not any(s.path == source.path for s in matching.sources.get(scan.name, [])):
            matching.notes.append(f"{told} has no row for {scan.name}.")


def _only_visit(name: str, points: Points, scans: Sequence[ScanFiles]) -> list[ScanFiles]:
    """Return the scan of a subject whose images name no visit, where the table has one visit of it alone."""
    subject = points.without_visit.get(name)
    if subject is None or list(points.without_visit.values()).count(subject) > 1:
        return []
    found = scan_of_name(subject, scans)
    return [s for s in found if not visit_of(s.session) and not any(w.startswith("ses-") for w in s.session)]


def _give_centres(path: Path, name: str, root: Path, statement: Statement, matching: _Matching) -> None:
    """Give the centres of a MATLAB file, which count array numbers from 1."""
    found = scan_of_file(named_file(path, root, statement), matching.scans)
    try:
        values = read_centres(path, name)
    except InputError as error:
        matching.puzzle(found, Source(path, None, statement, refused=str(error)))
        return
    order = _order(statement, path)
    base, said = (0 if (values < 0.5).any() else 1), []
    if statement.base is not None:
        base = statement.base
    elif base == 0:
        said.append(f"{name} in {path.name} holds a 0, so its numbers were taken to start at 0, unlike MATLAB's.")
    points = Points(
        f"{name} in {path.name}",
        "array",
        base,
        values[:, order],
        tuple("bleed" for _ in values),
        np.full(len(values), np.nan),
        warnings=tuple(said),
    )
    matching.give(f"The MATLAB file {path.name}", found, Source(path, points, statement, matlab=True))


def _order(statement: Statement, path: Path) -> list[int]:
    """Return which column of MATLAB centres counts which array axis."""
    if statement.columns is None:
        return [0, 1, 2]
    columns = [name.lower() for name in statement.columns]
    if sorted(columns) != ["i", "j", "k"]:
        raise InputError(
            f"labels.json gives the columns {', '.join(statement.columns)} for {path.name}; name the array axes "
            "i, j and k in the order of the columns."
        )
    return [columns.index(axis) for axis in "ijk"]


def _is_bids_table(path: Path) -> bool:
    """Whether a table is one that BIDS defines for other things."""
    return path.name == "participants.tsv" or path.name.endswith(_OTHER_TABLES)


def _unmatched(what: str, found: Sequence[ScanFiles], scans: Sequence[ScanFiles]) -> str:
    """Say why labels can't be given to a scan."""
    if found:
        names = ", ".join(scan.name for scan in found[:4])
        return (
            f'{what} can belong to several scans ({names}); say which images count under "images" in labels.json.'
        )
    names = ", ".join(scan.full_name for scan in scans[:4]) + (" ..." if len(scans) > 4 else "")
    return f"{what} matches no scan; name it after one ({names or 'there is none'}), or take it away."
