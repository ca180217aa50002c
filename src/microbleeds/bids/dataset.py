"""What a BIDS data set holds for this program: the images of each session, by role, and the sessions' order.

Only ``sub-*`` folders are read; in them all NIfTI images but those of other modalities (``func``, ``dwi`` ...).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbleeds.annotations.images import NIFTI, NamedFile, entities_of, file_stem, named_file
from microbleeds.annotations.statement import Statement
from microbleeds.annotations.walk import walked
from microbleeds.errors import InputError
from microbleeds.read.sidecar import sidecar_content

_OTHER_FOLDERS = frozenset(
    ["func", "dwi", "fmap", "perf", "eeg", "ieeg", "meg", "pet", "beh", "micr", "nirs", "motion", "mrs", "figures"]
)
_IMAGES = ("swi", "magnitude", "phase")
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")
# dcm2niix: "..._e2.nii.gz", "..._e2_ph.nii.gz".
_DCM2NIIX_ECHO = re.compile(r"_e(\d+)(?=_|$)")


@dataclass(frozen=True)
class Image:
    """An image that may be used.

    Args:
        path: of the file.
        role: ``swi``, ``magnitude`` or ``phase``.
        entities: BIDS entities of its name.
        echo: number of the echo, ``None`` where there is one only (or a combination of all).
        echo_time_ms: by its sidecar.
        field_strength_t: by its sidecar.
    """

    path: Path
    role: str
    entities: dict[str, str]
    echo: int | None = None
    echo_time_ms: float | None = None
    field_strength_t: float | None = None


@dataclass(frozen=True)
class Session:
    """One session of one subject; the ``session`` of a data set without sessions is ``None``."""

    subject: str
    session: str | None
    images: tuple[Image, ...]
    time: str | None = None

    @property
    def name(self) -> str:
        """For instance ``sub-01_ses-2``."""
        return f"sub-{self.subject}" + (f"_ses-{self.session}" if self.session is not None else "")


def read_sessions(root: Path, subjects: Sequence[str] = (), sessions: Sequence[str] = ()) -> list[Session]:
    """Return the sessions of a data set, subjects by name and each one's sessions in the order of time.

    Args:
        root: of the data set.
        subjects: labels to keep, with or without ``sub-``; all if empty.
        sessions: labels to keep, with or without ``ses-``; all if empty.

    Raises:
        InputError: if the folder is no data set, or holds none of what was asked for.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is no folder; give the root of a BIDS data set.")
    folders = {path.name.removeprefix("sub-"): path for path in sorted(root.glob("sub-*")) if path.is_dir()}
    if not folders:
        raise InputError(
            f"{root} holds no sub-* folders; give the root of a BIDS data set, or use microbleeds many."
        )
    wanted = [label.removeprefix("sub-") for label in subjects] or sorted(folders, key=natural)
    _refuse_missing("subject", wanted, folders)
    found = [one for label in dict.fromkeys(wanted) for one in _of_subject(root, label, folders[label])]
    kept = [label.removeprefix("ses-") for label in sessions]
    if kept:
        _refuse_missing("session", kept, {one.session or "" for one in found})
        found = [one for one in found if one.session in kept]
    return found


def session_names(root: Path) -> set[str]:
    """Return the names (``sub-01_ses-2``) of all sessions of a data set; none if it isn't there."""
    subjects = [path for path in Path(root).glob("sub-*") if path.is_dir()]
    return {
        Session(subject.name.removeprefix("sub-"), label, ()).name
        for subject in subjects
        for label in _session_folders(subject) or (None,)
    }


def natural(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts ``2`` before ``10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def _refuse_missing(what: str, wanted: Sequence[str], there: Any) -> None:
    missing = [label for label in wanted if label not in there]
    if missing:
        few = ", ".join(sorted(there, key=natural)[:8]) or "none"
        raise InputError(f"There is no {what} {', '.join(missing[:5])} in the data set; it holds {few}.")


def _of_subject(root: Path, label: str, folder: Path) -> Iterator[Session]:
    """Yield a subject's sessions, the earliest first; one without sessions is one session."""
    inner = _session_folders(folder)
    if not inner:
        yield Session(label, None, _images(root, folder, {"sub": label}))
        return
    _refuse_beside(root, label, folder)
    times = _times(folder / f"sub-{label}_sessions.tsv", "session_id")
    read = [
        Session(
            label,
            name,
            _images(root, path, {"sub": label, "ses": name}),
            times.get(f"ses-{name}") or _scan_time(path),
        )
        for name, path in inner.items()
    ]
    # Labels decide unless every session has a time: a mixture has no order.
    timed = all(session.time for session in read)
    yield from sorted(read, key=lambda one: ((one.time or "") if timed else "", natural(one.session or "")))


def _session_folders(subject: Path) -> dict[str, Path]:
    """Return a subject's folders of sessions by label."""
    return {path.name.removeprefix("ses-"): path for path in subject.glob("ses-*") if path.is_dir()}


def _times(table: Path, key: str) -> dict[str, str]:
    """Return a table's rows' ``acq_time`` (ISO 8601, which sorts as text).

    Raises:
        InputError: if one is written in another way: sorted as text, it would turn visits round.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    said = {row[key]: (row.get("acq_time") or "").strip() for row in rows if row.get(key)}
    said = {name: time for name, time in said.items() if time not in ("", "n/a")}
    if not all(_ISO_TIME.fullmatch(time) for time in said.values()):
        raise InputError(
            f"An acq_time in {table} is not written as BIDS asks (2019-09-20T10:00:00); correct it, or write n/a."
        )
    return said


def _scan_time(folder: Path) -> str | None:
    """Return the earliest time of a session's ``*_scans.tsv``."""
    tables = sorted(folder.glob("*_scans.tsv"))
    times = [time for table in tables for time in _times(table, "filename").values()]
    return min(times, default=None)


def _refuse_beside(root: Path, label: str, folder: Path) -> None:
    """Refuse images of a subject that lie in none of its sessions: nobody would search them.

    Raises:
        InputError: that names the first.
    """
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(("ses-", "."))):
        inside = _images(root, path, {"sub": label}) if path.is_dir() else ()
        if inside:
            raise InputError(
                f"{inside[0].path.relative_to(root)} lies beside the sessions of sub-{label} and belongs to none; "
                "move it into one."
            )


def _images(root: Path, folder: Path, owner: Mapping[str, str]) -> tuple[Image, ...]:
    """Return a session's images in the natural order of their names.

    Args:
        root: of the data set.
        folder: of the session.
        owner: entities that folders give it; a name that gives others is refused.

    Raises:
        InputError: if a folder can't be read, or an image is named for somebody else.
    """
    found = []
    inside = walked(folder)
    inside.refuse_closed()
    # A link to nothing is refused when its scan is searched, by a sentence that names it.
    for path in sorted(
        (*inside.files, *inside.dead), key=lambda path: natural(path.relative_to(folder).as_posix())
    ):
        parts = path.relative_to(folder).parts
        if set(parts[:-1]) & _OTHER_FOLDERS or not path.name.lower().endswith(NIFTI):
            continue
        file = named_file(path, root, Statement())
        if file.role in _IMAGES:
            _refuse_misfiled(path.relative_to(root), owner)
            found.append(_image(file))
    return tuple(found)


def _refuse_misfiled(path: Path, owner: Mapping[str, str]) -> None:
    """Refuse an image whose name gives another subject or session than its folders.

    Raises:
        InputError: if it does.
    """
    named = entities_of(path.name)
    if any(named.get(entity, label) != label for entity, label in owner.items()):
        wanted = "_".join(f"{entity}-{label}" for entity, label in owner.items())
        raise InputError(f"{path} lies in the folders of {wanted} but is named for another; rename or move it.")


def _image(file: NamedFile) -> Image:
    """Add what the sidecar says about the echo."""
    content, _ = sidecar_content(file.path)
    stem = file_stem(file.path)
    marked = _DCM2NIIX_ECHO.search(stem)
    echo = file.entities.get("echo") or (marked.group(1) if marked else None)
    seconds, field = content.get("EchoTime"), content.get("MagneticFieldStrength")
    return Image(
        path=file.path,
        role=str(file.role),
        entities=file.entities,
        echo=int(echo) if echo is not None and echo.isdecimal() else None,
        echo_time_ms=float(seconds) * 1000 if isinstance(seconds, int | float) else None,
        field_strength_t=float(field) if isinstance(field, int | float) else None,
    )
