"""Which scans a folder without BIDS names, or a list, holds.

A list is a text file with a path in each line (an SWI, or a DICOM study as folder or zip), or a table (``.tsv`` or
``.csv``) with the columns ``swi``, ``magnitude``, ``phase`` and, if wanted, ``name``. Relative paths start at the
list.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from microbleeds.annotations.images import NIFTI, NamedFile, named_file
from microbleeds.annotations.scan_files import scans_of
from microbleeds.annotations.statement import Statement
from microbleeds.annotations.walk import walked
from microbleeds.errors import InputError
from microbleeds.evaluate.tables import refuse_repeated, split_line
from microbleeds.read.dicom.headers import is_dicom

_ROLES = ("swi", "magnitude", "phase")
# A folder with more files than this is a home directory, not a data set.
_MOST_FILES = 500_000
_NAME_ALL = "keep one, or give a table (.tsv) with the columns swi, magnitude and phase in place of the folder"


@dataclass(frozen=True)
class Gathered:
    """One scan: a name that is a file name and unique, and role to path; or why there is none.

    ``absent`` tells that there is no suitable image; else what was refused is a failure.
    """

    name: str
    inputs: Mapping[str, Path]
    notes: tuple[str, ...] = ()
    refused: str | None = None
    absent: bool = False


def gather(place: Path, reserved: Collection[str] = ()) -> list[Gathered]:
    """Return the scans of a folder or a list.

    Args:
        place: folder or list.
        reserved: names, in lower case, that no scan may have.

    Raises:
        InputError: if there is no such path, or it holds no scan.
    """
    place = Path(place).absolute()
    if not place.exists():
        raise InputError(f"{place} doesn't exist; give a folder with scans or a list of scans.")
    found = _of_folder(place) if place.is_dir() else _of_list(place)
    if not found:
        raise InputError(f"{place} holds no scan: no NIfTI image and no DICOM file; check the path.")
    return _unique(found, reserved)


def _of_folder(folder: Path) -> list[Gathered]:
    """Group NIfTI images by their names; a folder below the first without suitable ones may be a DICOM study."""
    files = _files(folder)
    images = [path for path in files if path.name.lower().endswith(NIFTI)]
    named = [named_file(path, folder, Statement()) for path in images]
    scans, refused = scans_of(named, folder, _NAME_ALL)
    found = [Gathered(scan.name, scan.images, scan.warnings) for scan in scans]
    found += [Gathered(one.name, {}, (), one.sentence) for one in refused]
    taken = {file.path.relative_to(folder).parts[0] for file in named if file.role != "other"}
    others: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        others[path.relative_to(folder).parts[0]].append(path)
    studies = [name for name, inside in others.items() if name not in taken and any(map(_may_be_dicom, inside))]
    found += [Gathered(_name_of(Path(name)), {"swi": folder / name}) for name in studies]
    apart = set(studies)
    return found + _without_suitable([f for f in named if f.path.relative_to(folder).parts[0] not in apart])


def _without_suitable(files: Sequence[NamedFile]) -> list[Gathered]:
    """Name the subjects, or folders below the first, that have images but none that can be searched."""
    units: dict[tuple[str, ...], list[NamedFile]] = defaultdict(list)
    for file in files:
        units[file.bids_key or file.folder_key[:1]].append(file)
    return [
        Gathered("_".join(unit), {}, (), f"No SWI and no T2*-weighted image: {_listed(inside)}.", absent=True)
        for unit, inside in units.items()
        # Masks alone belong to scans elsewhere, as do files that nothing names.
        if unit and "other" in (roles := {file.role for file in inside}) and roles <= {"mask", "other"}
    ]


def _listed(files: Sequence[NamedFile]) -> str:
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return ", ".join(file.path.name for file in files[:3]) + more


def _may_be_dicom(path: Path) -> bool:
    """Whether a name speaks of DICOM (``.dcm``, ``.ima``, ``.zip``), or says nothing and the file is DICOM."""
    suffix = path.suffix.lower()
    return suffix in (".dcm", ".ima", ".zip") or ((not suffix or suffix[1:].isdecimal()) and is_dicom(path))


def _files(folder: Path) -> list[Path]:
    """All files; links to nothing too, which are refused when they are searched, by a sentence that names them."""
    inside = walked(folder, _MOST_FILES)
    inside.refuse_closed()
    return sorted([*inside.files, *inside.dead])


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
        filled = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        return _of_rows(path, [split_line(line, mark, f"Line {n} of {path}") for n, line in filled])
    lines = [line.strip() for line in text.splitlines()]
    given = [path.parent / line for line in lines if line and not line.startswith("#")]
    return [Gathered(_name_of(one), {"swi": one}) for one in given]


def _of_rows(path: Path, rows: Sequence[Sequence[str]]) -> list[Gathered]:
    """Return the scans of a table, whose first row is its header."""
    header = [name.lower() for name in rows[0]] if rows else []
    columns = set(header)
    if not columns:
        raise InputError(f"The table {path} is empty; give it a column swi or magnitude and a row for each scan.")
    if not columns & {"swi", "magnitude"}:
        raise InputError(f"The table {path} needs a column swi or magnitude; it has {', '.join(sorted(columns))}.")
    unknown = sorted(columns - {"name", *_ROLES})
    if unknown:
        raise InputError(
            f"The table {path} has a column {unknown[0]!r}, which is none of name, {', '.join(_ROLES)}; rename it"
            " or take it out."
        )
    refuse_repeated(header, f"table {path}")
    found = []
    for row in rows[1:]:
        if len(row) > len(header):
            raise InputError(f"A row of the table {path} has more cells than its header; correct it.")
        cells = dict(zip(header, row, strict=False))
        name = cells.pop("name", "")
        inputs = {role: path.parent / cell for role, cell in cells.items() if cell not in ("", "n/a")}
        if inputs:
            main = next(inputs[role] for role in _ROLES if role in inputs)
            found.append(Gathered(name or _name_of(main), inputs))
    if not found:
        raise InputError(f"No row of the table {path} names an image; give each scan a row.")
    return found


def _name_of(path: Path) -> str:
    name = path.name
    for ending in (*reversed(NIFTI), ".zip"):
        name = name.removesuffix(ending)
    return name


def _unique(found: Sequence[Gathered], reserved: Collection[str]) -> list[Gathered]:
    """Make names file names, each once whatever its case: some file systems don't tell ``A`` from ``a``."""
    names = [re.sub(r"[^\w.+-]+", "_", one.name).strip("._") or "scan" for one in found]
    names = [f"{name}_" if name.lower() in reserved else name for name in names]
    given = {name.lower() for name in names}
    taken: set[str] = set()
    numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(2))
    made = []
    for one, name in zip(found, names, strict=True):
        own = name
        if name.lower() in taken:
            numbered = (f"{name}_{number}" for number in numbers[name.lower()])
            own = next(new for new in numbered if new.lower() not in given)
            given.add(own.lower())
        taken.add(own.lower())
        made.append(replace(one, name=own))
    return made
