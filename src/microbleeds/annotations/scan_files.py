"""Images of a folder become scans, and label files find the scan to which they belong."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from microbleeds.annotations import name_words
from microbleeds.annotations.convert import opened
from microbleeds.annotations.images import NamedFile, Role, subject_of, visit_of
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
        key: words by which label files find it: those of its session and of its entities.
        session: key of its session; scans that share it are other images of one head on one day.
        images: role to file.
        entities: BIDS entities that its images have in common, or that tell it from others of its session.
        warnings: sentences about what was assumed.
    """

    name: str
    subject: str
    key: tuple[str, ...]
    session: tuple[str, ...]
    images: dict[str, Path]
    entities: dict[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Its name, with the run, acquisition and echo that the name doesn't hold: ``sub-01 of run-1``."""
        words = [f"{name}-{value}" for name, value in self.entities.items()]
        more = " ".join(word for word in words if word not in self.name)
        return f"{self.name} of {more}" if more else self.name


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
        plain = "_".join(key) or next((f.rest for f in group if f.rest), "") or root.resolve().name
        for words, entities, part in _split(group):
            name, subject = "_".join((plain, *words)), subject_of(key) or plain
            try:
                images, warnings = _roles(name, part, remedy)
                scans.append(ScanFiles(name, subject, (*key, *words), key, images, entities, warnings))
            except InputError as error:
                refused.append(Refused(name, str(error)))
    _refuse_doubles(scans)
    return sorted(scans, key=lambda scan: scan.name), refused


def scan_of_file(file: NamedFile, scans: Sequence[ScanFiles]) -> list[ScanFiles]:
    """Return the scans to which a label file can belong by its name and place; one if all is well."""
    if file.bids_key:
        return _fitting(file, [scan for scan in scans if scan.key[: len(file.bids_key)] == file.bids_key])
    key = _plain_key(file.key)
    exact = [scan for scan in scans if _plain_key(scan.session) == key]
    if exact:
        return _fitting(file, exact)
    above = [scan for scan in scans if scan.session and key[: len(scan.session)] == _plain_key(scan.session)]
    if above:
        longest = max(len(scan.session) for scan in above)
        return _fitting(file, [scan for scan in above if len(scan.session) == longest])
    named = scan_of_name(file.rest, scans) if file.rest else []
    if named:
        return _fitting(file, named)
    return _fitting(file, [scan for scan in scans if len(scans) == 1 and not _names_another(file.rest, scan)])


def scan_of_name(text: str, scans: Sequence[ScanFiles]) -> list[ScanFiles]:
    """Return the scans that a cell or a sheet's name means: ``sub-01``, ``01``, ``1``, ``01_SWI.nii.gz`` ..."""
    wanted = _plain(text)
    for same in (_same_name, _same_bare_words, _same_last_word, _begins_with_last_word, _same_number):
        found = [scan for scan in scans if same(wanted, scan)]
        if found:
            return found
    return []


def _plain(text: str) -> str:
    """Return a name as it is compared: small letters, NFC (macOS writes NFD), a blank equal to an underscore."""
    return re.sub(r"[\s_]+", "_", unicodedata.normalize("NFC", text).strip().lower())


def _same_name(wanted: str, scan: ScanFiles) -> bool:
    """Whether it is the scan's name, with the run that its one image is of or without, or a file's name."""
    own = {f"{name}-{value}".lower() for name, value in scan.entities.items()}
    names = {_plain(scan.name): wanted}
    if own & {*wanted.split("_")}:
        names[_plain("_".join(scan.session))] = "_".join(word for word in wanted.split("_") if word not in own)
    files = [_plain(path.name) for path in scan.images.values()]
    return any(given in (name, name.removeprefix("sub-")) for name, given in names.items()) or any(
        wanted in (file, file.split(".")[0]) for file in files
    )


def _same_bare_words(wanted: str, scan: ScanFiles) -> bool:
    """Whether subject and session agree without ``sub-`` and ``ses-``: ``008_1`` and ``sub-008_ses-1``."""
    mine = _plain("_".join(scan.key))
    return bool(mine) and _bare(wanted) == _bare(mine)


def _bare(name: str) -> list[str]:
    return [word.removeprefix("sub-").removeprefix("ses-") for word in name.split("_")]


def _same_last_word(wanted: str, scan: ScanFiles) -> bool:
    subject = _plain(scan.subject)
    return wanted in (_last_word(scan), subject, subject.removeprefix("sub-"))


def _begins_with_last_word(wanted: str, scan: ScanFiles) -> bool:
    """Whether a name goes on after the scan's with words of files or people: ``001_2`` is another visit."""
    last = _last_word(scan)
    if not last or not wanted.startswith(last) or wanted[len(last)].isalnum():
        return False
    words = re.findall(r"[^\W_]+", wanted[len(last) :])
    return all(
        word in name_words.NAMELESS_CELL
        or re.fullmatch(r"e1|(rater|reader)\d*", word)
        # Initials, or what was done to the file; letters alone number no visit.
        or (word.isalpha() and not visit_of(("", word)))
        for word in words
    )


def _names_another(rest: str, scan: ScanFiles) -> bool:
    """Whether a file is named as the scan is, but for another: ``002`` or ``001_2`` where the scan is ``001``."""
    mine, other = _last_word(scan), _plain(rest)
    shapes = {re.sub(r"\d+", "#", name) for name in (mine, other)}
    return bool(re.search(r"\d", mine)) and (len(shapes) == 1 or other.startswith(f"{mine}_"))


def _last_word(scan: ScanFiles) -> str:
    return _plain(scan.key[-1]) if scan.key else ""


def _same_number(wanted: str, scan: ScanFiles) -> bool:
    """Whether both are one number, with zeros before it or without: sheet ``7`` and ``sub-007``."""
    last = (_last_word(scan) or _plain(scan.name)).removeprefix("sub-")
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


def _split(group: list[NamedFile]) -> list[tuple[tuple[str, ...], dict[str, str], list[NamedFile]]]:
    """Split a session with several acquisitions, runs or echoes by the entities that tell them apart.

    Returns:
        Of each part the words that are added to the session's key, its entities and its files.
    """
    if _one_of_each(group):
        return [((), _in_common(group), group)]
    # What has no BIDS name keeps its run and acquisition as words of its key.
    splitting = _SPLITTING if group[0].bids_key else ("echo",)
    parts: dict[tuple[tuple[str, str], ...], list[NamedFile]] = defaultdict(list)
    for file in group:
        parts[tuple((e, file.entities[e]) for e in splitting if e in file.entities)].append(file)
    return [
        (tuple(f"{name}-{value}" for name, value in entities), dict(entities) | _in_common(files), files)
        for entities, files in sorted(parts.items())
    ]


def _in_common(group: list[NamedFile]) -> dict[str, str]:
    """Return the acquisition, run and echo of which no image of a group says otherwise."""
    values = {name: {file.entities[name] for file in group if name in file.entities} for name in _SPLITTING}
    return {name: found.pop() for name, found in values.items() if len(found) == 1}


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


def _fitting(label: NamedFile, scans: list[ScanFiles]) -> list[ScanFiles]:
    """Return the scans whose entities a label file does not contradict; in one session those with just its own."""
    said = dict(label.entities)
    if said.get("acq", "").lower() in name_words.ROLES and len(scans) == 1:
        said.pop("acq")  # "acq-swi" of a mask says on which kind of image it was drawn
    found = [scan for scan in scans if _agree(said, scan.entities)]
    own = {name: label.entities[name] for name in _SPLITTING if name in label.entities}
    same = [scan for scan in found if scan.entities == own]
    return same if same and len({scan.session for scan in found}) == 1 else found


def _agree(label: Mapping[str, str], scan: Mapping[str, str]) -> bool:
    """Whether a label file's entities contradict none of a scan's; ``run-1`` is ``run-01``."""
    return all(_index(label.get(name, value)) == _index(value) for name, value in scan.items())


def _index(value: str) -> str:
    return value.lstrip("0") if value.isdecimal() else value


def _plain_key(key: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_plain(word) for word in key)


def _refuse_doubles(scans: list[ScanFiles]) -> None:
    """Make names unique: they become file names and rows."""
    seen: dict[str, int] = defaultdict(int)
    for n, scan in enumerate(scans):
        seen[scan.name] += 1
        if seen[scan.name] > 1:
            scans[n] = replace(scan, name=f"{scan.name}_{seen[scan.name]}")
