"""Which scans a folder without BIDS names, or a list, holds.

A list is a text file with a path in each line (an SWI, or a DICOM study as folder or zip), or a table (``.tsv`` or
``.csv``) with the columns ``swi``, ``magnitude``, ``phase`` and, if wanted, ``name``. Relative paths start at the
list.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from microbleeds.annotations.images import NIFTI, named_file
from microbleeds.annotations.scan_files import scans_of
from microbleeds.annotations.statement import Statement
from microbleeds.errors import InputError

_ROLES = ("swi", "magnitude", "phase")
# A folder with more files than this is a home directory, not a data set.
_MOST_FILES = 500_000


@dataclass(frozen=True)
class Gathered:
    """One scan: a name that is a file name and unique, and role to path; or why there is none."""

    name: str
    inputs: Mapping[str, Path]
    notes: tuple[str, ...] = ()
    refused: str | None = None


def gather(place: Path) -> list[Gathered]:
    """Return the scans of a folder or a list.

    Raises:
        InputError: if there is no such path, or it holds no scan.
    """
    place = Path(place).absolute()
    if not place.exists():
        raise InputError(f"{place} doesn't exist; give a folder with scans or a list of scans.")
    found = _of_folder(place) if place.is_dir() else _of_list(place)
    if not found:
        raise InputError(f"{place} holds no scan: no NIfTI image and no DICOM file; check the path.")
    return _unique(found)


def _of_folder(folder: Path) -> list[Gathered]:
    """Group NIfTI images by their names; every folder below the first that holds other files is a DICOM study."""
    files = _files(folder)
    images = [path for path in files if path.name.lower().endswith(NIFTI)]
    named = [named_file(path, folder, Statement()) for path in images]
    scans, refused = scans_of(named, folder)
    found = [Gathered(scan.name, scan.images, scan.warnings) for scan in scans]
    found += [Gathered(one.name, {}, (), one.sentence) for one in refused]
    taken = {path.relative_to(folder).parts[0] for path in images}
    studies = sorted({path.relative_to(folder).parts[0] for path in files if _may_be_dicom(path)} - taken)
    return found + [Gathered(_name_of(Path(name)), {"swi": folder / name}) for name in studies]


def _may_be_dicom(path: Path) -> bool:
    """Whether a name speaks of DICOM: ``.dcm``, ``.ima``, ``.zip``, ``DICOMDIR`` or no suffix that is a word."""
    suffix = path.suffix.lower()
    return suffix in (".dcm", ".ima", ".zip", "") or suffix[1:].isdecimal()


def _files(folder: Path) -> list[Path]:
    found = []
    for count, path in enumerate(sorted(folder.rglob("*"))):
        if count > _MOST_FILES:
            raise InputError(f"{folder} holds more than {_MOST_FILES} files; give the folder of one data set.")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            found.append(path)
    return found


def _of_list(path: Path) -> list[Gathered]:
    """Read a list or a table.

    Raises:
        InputError: if it can't be read, or its columns aren't known.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The list {path} can't be read as text; give one path a line, or a table.") from error
    if path.suffix.lower() in (".tsv", ".csv"):
        mark = "\t" if path.suffix.lower() == ".tsv" else ","
        return _of_rows(path, csv.DictReader(text.splitlines(), delimiter=mark))
    lines = [line.strip() for line in text.splitlines()]
    given = [path.parent / line for line in lines if line and not line.startswith("#")]
    return [Gathered(_name_of(one), {"swi": one}) for one in given]


def _of_rows(path: Path, rows: csv.DictReader[str]) -> list[Gathered]:
    columns = set(rows.fieldnames or ())
    if not columns & {"swi", "magnitude"}:
        raise InputError(f"The table {path} needs a column swi or magnitude; it has {', '.join(sorted(columns))}.")
    found = []
    for row in rows:
        cells = {role: (row.get(role) or "").strip() for role in _ROLES}
        inputs = {role: path.parent / cell for role, cell in cells.items() if cell not in ("", "n/a")}
        if inputs:
            main = inputs.get("swi", inputs.get("magnitude", path))
            found.append(Gathered((row.get("name") or "").strip() or _name_of(main), inputs))
    return found


def _name_of(path: Path) -> str:
    name = path.name
    for ending in (*reversed(NIFTI), ".zip"):
        name = name.removesuffix(ending)
    return name


def _unique(found: Sequence[Gathered]) -> list[Gathered]:
    """Make names file names, each once."""
    seen: dict[str, int] = {}
    made = []
    for one in found:
        name = re.sub(r"[^\w.+-]+", "_", one.name).strip("._") or "scan"
        seen[name] = seen.get(name, 0) + 1
        made.append(
            Gathered(name if seen[name] == 1 else f"{name}_{seen[name]}", one.inputs, one.notes, one.refused)
        )
    return made
