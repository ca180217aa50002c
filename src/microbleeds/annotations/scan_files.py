"""Images of a folder become scans, and label files find the scan to which they belong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from microbleeds.annotations.convert import opened
from microbleeds.annotations.images import NamedFile, Role, subject_of
from microbleeds.errors import InputError
from microbleeds.geometry import Grid, canonical, grid_of

_IMAGES: tuple[Role, ...] = ("swi", "magnitude", "phase")
_SPLITTING = ("acq", "run", "echo")
_NAME_OTHERS = 'keep one, or name the others in labels.json as {"images": {"other": "*PATTERN*"}}'


@dataclass(frozen=True, eq=False)
class ScanFiles:
    """The images of one scan.

    Args:
        name: unique in the data set.
        subject: whose scan it is.
        key: words by which label files find it.
        images: role to file.
        entities: BIDS entities that tell it from others of its session.
        warnings: sentences about what was assumed.
    """

    name: str
    subject: str
    key: tuple[str, ...]
    images: dict[str, Path]
    entities: dict[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A scan or file that can't be used, and why."""

    name: str
    sentence: str


def header_grid(path: Path) -> Grid | None:
    """Return the grid of a NIfTI image on its canonical axes, told from its header alone; ``None`` if it can't be.

    The order in which files store their voxels is free, so grids are compared on canonical axes.
    """
    try:
        grid = grid_of(opened(path))
        return canonical(np.broadcast_to(np.int8(0), grid.shape), grid)[1]
    except Exception:  # a damaged affine raises nearly anything
        return None


def scans_of(
    files: Sequence[NamedFile], root: Path, remedy: str = _NAME_OTHERS
) -> tuple[list[ScanFiles], list[Refused]]:
    """Group images (not masks) to scans.

    Args:
        files: images with their roles.
        root: the data set's folder; gives a scan without any name of its own a name.
        remedy: what to do where a scan has several images of one role.

    Returns:
        Scans sorted by name, and what could not be grouped.
    """
    scans: list[ScanFiles] = []
    refused: list[Refused] = []
    for key, group in _groups([file for file in files if file.role not in ("mask", "other")]):
        for part_key, entities, part in _split(key, group):
            name = "_".join(part_key) or next((f.rest for f in part if f.rest), "") or root.resolve().name
            try:
                images, warnings = _roles(name, part, remedy)
                scans.append(ScanFiles(name, subject_of(part_key) or name, part_key, images, entities, warnings))
            except InputError as error:
                refused.append(Refused(name, str(error)))
    _refuse_doubles(scans)
    return sorted(scans, key=lambda scan: scan.name), refused


def scan_of_file(file: NamedFile, scans: Sequence[ScanFiles]) -> list[ScanFiles]:
    """Return the scans to which a label file can belong by its name and place; one if all is well."""
    if file.bids_key:
        found = [scan for scan in scans if scan.key[: len(file.bids_key)] == file.bids_key]
        return [scan for scan in found if _agree(file.entities, scan.entities)]
    key = _lower(file.key)
    exact = [scan for scan in scans if _lower(scan.key) == key]
    if exact:
        return exact
    above = [scan for scan in scans if scan.key and key[: len(scan.key)] == _lower(scan.key)]
    if above:
        longest = max(len(scan.key) for scan in above)
        return [scan for scan in above if len(scan.key) == longest]
    named = scan_of_name(file.rest, scans) if file.rest else []
    if named:
        return named
    return list(scans) if len(scans) == 1 else []


def scan_of_name(text: str, scans: Sequence[ScanFiles]) -> list[ScanFiles]:
    """Return the scans that a cell or a sheet's name means: ``sub-01``, ``01``, ``1``, ``01_SWI.nii.gz`` ..."""
    wanted = text.strip().lower()
    for same in (_same_name, _same_bare_words, _same_last_word, _begins_with_last_word, _same_number):
        found = [scan for scan in scans if same(wanted, scan)]
        if found:
            return found
    return []


def _same_name(wanted: str, scan: ScanFiles) -> bool:
    return wanted in (scan.name.lower(), scan.name.lower().removeprefix("sub-")) or any(
        wanted in (path.name.lower(), path.name.lower().split(".")[0]) for path in scan.images.values()
    )


def _same_bare_words(wanted: str, scan: ScanFiles) -> bool:
    """Whether subject and session agree without ``sub-`` and ``ses-``: ``008_1`` and ``sub-008_ses-1``."""
    mine = "_".join(scan.key).lower()
    return bool(mine) and _bare(wanted) == _bare(mine)


def _bare(name: str) -> list[str]:
    return [word.removeprefix("sub-").removeprefix("ses-") for word in name.split("_")]


def _same_last_word(wanted: str, scan: ScanFiles) -> bool:
    last = scan.key[-1].lower() if scan.key else ""
    return wanted in (last, scan.subject.lower(), scan.subject.lower().removeprefix("sub-"))


def _begins_with_last_word(wanted: str, scan: ScanFiles) -> bool:
    last = scan.key[-1].lower() if scan.key else ""
    return bool(last) and wanted.startswith(last) and not wanted[len(last)].isalnum()


def _same_number(wanted: str, scan: ScanFiles) -> bool:
    """Whether both are one number, with zeros before it or without: sheet ``7`` and ``sub-007``."""
    last = (scan.key[-1] if scan.key else scan.name).lower().removeprefix("sub-")
    digits = wanted.removeprefix("sub-")
    return digits.isdecimal() and last.isdecimal() and int(digits) == int(last)


def _groups(files: Sequence[NamedFile]) -> list[tuple[tuple[str, ...], list[NamedFile]]]:
    """Group files by key; a folder with at most one image of each role is one scan whatever their names."""
    by_folder: dict[tuple[str, ...], list[NamedFile]] = defaultdict(list)
    groups: dict[tuple[str, ...], list[NamedFile]] = defaultdict(list)
    for file in files:
        if file.bids_key:
            groups[file.bids_key].append(file)
        else:
            by_folder[file.folder_key].append(file)
    for folder, members in by_folder.items():
        together = bool(folder) and _one_of_each(members)
        for file in members:
            groups[folder if together else file.key].append(file)
    return sorted(groups.items())


def _one_of_each(files: Iterable[NamedFile]) -> bool:
    roles = [file.role for file in files]
    return all(roles.count(role) <= 1 for role in _IMAGES) and (
        "swi" in roles or "magnitude" in roles or roles.count(None) == 1
    )


def _split(
    key: tuple[str, ...], group: list[NamedFile]
) -> list[tuple[tuple[str, ...], dict[str, str], list[NamedFile]]]:
    """Split a session with several acquisitions or runs by the entities that tell them apart."""
    if _one_of_each(group) or not group[0].bids_key:
        return [(key, {}, group)]
    parts: dict[tuple[tuple[str, str], ...], list[NamedFile]] = defaultdict(list)
    for file in group:
        parts[tuple((e, file.entities[e]) for e in _SPLITTING if e in file.entities)].append(file)
    return [
        ((*key, *(f"{name}-{value}" for name, value in entities)), dict(entities), files)
        for entities, files in sorted(parts.items())
    ]


def _roles(name: str, group: list[NamedFile], remedy: str) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Return role to file of a scan.

    Raises:
        InputError: if two files have one role, or there is neither an SWI nor a magnitude.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for file in group:
        found[file.role or "unknown"].append(file.path)
    warnings = []
    unknown = found.pop("unknown", [])
    if unknown and not found["swi"]:
        found["swi"] = unknown
        warnings.append(f"The name of {unknown[0].name} doesn't say what it is; it was taken as the SWI.")
    if len(found["swi"]) == 1:
        warnings += _leave_other_grids(found)
    for role in _IMAGES:
        if len(found[role]) > 1:
            names = ", ".join(path.name for path in found[role][:3])
            raise InputError(f"{name} has {len(found[role])} {role} images ({names}); {remedy}.")
    if not found["swi"] and not found["magnitude"]:
        raise InputError(f"{name} has a phase image but neither an SWI nor a magnitude beside it.")
    return {role: paths[0] for role, paths in found.items() if paths}, tuple(warnings)


def _leave_other_grids(found: dict[str, list[Path]]) -> list[str]:
    """Leave aside what lies on another grid than the SWI: it belongs to another acquisition."""
    main = header_grid(found["swi"][0])
    warnings = []
    for role in ("magnitude", "phase"):
        grids = {path: header_grid(path) for path in found[role]}
        # What can't be read here (MATLAB volumes, damaged files) is judged by whoever reads it.
        others = [path for path, grid in grids.items() if main and grid and not grid.same_as(main)]
        found[role] = [path for path in found[role] if path not in others]
        warnings += [
            f"The {role} {path.name} lies on another grid than the SWI and was left aside." for path in others
        ]
    return warnings


def _agree(label: dict[str, str], scan: dict[str, str]) -> bool:
    """Whether a label file's entities contradict none of a scan's."""
    return all(label.get(name, value) == value for name, value in scan.items())


def _lower(key: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.lower() for word in key)


def _refuse_doubles(scans: list[ScanFiles]) -> None:
    """Make names unique: they become file names and rows."""
    seen: dict[str, int] = defaultdict(int)
    for n, scan in enumerate(scans):
        seen[scan.name] += 1
        if seen[scan.name] > 1:
            scans[n] = replace(scan, name=f"{scan.name}_{seen[scan.name]}")
