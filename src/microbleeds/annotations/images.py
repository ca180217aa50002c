"""Which file of a folder is which image of which scan, told from names and sidecars.

Conventions:
    * A scan's *key* is a tuple of words: with BIDS names ``("sub-01", "ses-1")``; else the folders that are not
      mere containers (``nii``, ``labels``, ``anat`` ...) and what a file's name holds beside the words that say
      what it is: ``Data/HR/007name_words.SWI.nii`` and ``Label/HR/007.xlsx`` both have the key ``("HR", "007")``.
    * Echoes belong to one session: ``e2`` and ``echo-2`` are no part of a key. dcm2niix's ``e1`` is no mark, since
      SWI and first echo are one scan. Names are NFC, however a file system writes them.
    * Of several words that say what an image is the most telling one counts: a mask's name may hold ``SWI``, a
      phase image's too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from microbleeds.annotations import name_words
from microbleeds.annotations.statement import Statement
from microbleeds.read.sidecar import sidecar_content

Role = Literal["swi", "magnitude", "phase", "mask", "other"]
NIFTI = (".nii", ".nii.gz")
_DATE = r"(?:19|20)\d\d(?P<mark>-?)(?:0[1-9]|1[0-2])(?P=mark)(?:0[1-9]|[12]\d|3[01])"
_SESSION = re.compile(
    rf"(?:ses|session|visit|tp|time|timepoint|baseline|bl|followup|fu|v)[-_ ]?\d*|{_DATE}", re.IGNORECASE
)
# dcm2niix writes small letters; E7 is a person.
_ECHO = re.compile(r"(?:e(?=\d$)|echo-?)(\d\d?)")


@dataclass(frozen=True)
class NamedFile:
    """A file and what its name says.

    Args:
        path: the file.
        role: what it shows; ``None`` where nothing says.
        folder_key: words of the folders.
        rest: what the file's name holds beside its role; empty if nothing.
        entities: BIDS entities of the name, subject and session of the folders, and the echo from the second on.
    """

    path: Path
    role: Role | None
    folder_key: tuple[str, ...]
    rest: str
    entities: dict[str, str] = field(default_factory=dict)

    @property
    def bids_key(self) -> tuple[str, ...]:
        """Subject and session; empty without a subject."""
        if "sub" not in self.entities:
            return ()
        return tuple(f"{name}-{self.entities[name]}" for name in ("sub", "ses") if name in self.entities)

    @property
    def key(self) -> tuple[str, ...]:
        """The key as the module's description says."""
        if self.bids_key:
            return self.bids_key
        repeats = bool(self.folder_key) and self.rest.lower() == self.folder_key[-1].lower()
        return self.folder_key if repeats or not self.rest else (*self.folder_key, self.rest)


def named_file(path: Path, root: Path, statement: Statement) -> NamedFile:
    """Tell what a file's name, folders and sidecar say about it."""
    parts = tuple(unicodedata.normalize("NFC", part) for part in path.relative_to(root).parts)
    stem = unicodedata.normalize("NFC", file_stem(path))
    entities: dict[str, str] = {}
    for part in (*parts[:-1], stem):
        entities |= entities_of(part)
    pieces = [piece for name in (*parts[:-1], stem) for piece in _pieces(name)[1:]]
    echoes = [number for piece in (*parts[1:-1], *pieces) if (number := _echo(piece))]
    if echoes and echoes[-1] != "1":
        entities.setdefault("echo", echoes[-1])
    role = _stated_role(path, root, statement)
    if role is None and path.name.lower().endswith(NIFTI):
        role = _told_role(path, stem, parts[:-1])
    folders = tuple(
        part for n, part in enumerate(parts[:-1]) if not _is_container(part) and not (n and _echo(part))
    )
    return NamedFile(path, role, folders, _rest(stem), entities)


def file_stem(path: Path) -> str:
    """Return the name without ``.nii.gz``, ``.mrk.json`` or its last suffix."""
    name = path.name
    double = next((ending for ending in (".nii.gz", ".mrk.json") if name.lower().endswith(ending)), None)
    return path.stem if double is None else name[: -len(double)]


def subject_of(key: tuple[str, ...]) -> str:
    """Return the subject of a key: without what looks like a session, a visit or a date at its end."""
    return _subject_and_visit(key)[0]


def visit_of(key: tuple[str, ...]) -> str:
    """Return the word at the end of a key that looks like a session, a visit or a date; empty if none does."""
    return _subject_and_visit(key)[1]


def _subject_and_visit(key: tuple[str, ...]) -> tuple[str, str]:
    if key and key[0].startswith("sub-"):
        return key[0], ""
    if len(key) > 1 and _SESSION.fullmatch(key[-1]):
        return "_".join(key[:-1]), key[-1]
    first, mark, last = key[-1].rpartition("_") if key else ("", "", "")
    if mark and _SESSION.fullmatch(last):
        return "_".join((*key[:-1], first)), last
    return "_".join(key), ""


def entities_of(text: str) -> dict[str, str]:
    """Return the BIDS entities of a name or a folder."""
    pairs = (part.split("-", 1) for part in text.split("_") if "-" in part)
    return {name: value for name, value in pairs if name in name_words.ENTITIES and value}


def words_of(stem: str) -> list[str]:
    """Return the lower-case words of a name that may say what the image shows.

    Of the entities only ``part``, ``desc`` and ``label`` do: ``space-T2S`` names where an image was moved to. An
    acquisition or a reconstruction has a free name, of which a projection's is one that everybody gives.
    """
    words: list[str] = []
    for part in stem.split("_"):
        name, mark, value = part.partition("-")
        if mark and name in name_words.ENTITIES:
            words += split(value) if name in ("part", "desc", "label") else []
            words += [word for word in split(value) if name in ("acq", "rec") and word in name_words.PROJECTION]
        else:
            words += split(part)
    return words


def is_field_echo(words: Sequence[str]) -> bool:
    """Whether words name Philips' T2*-weighted gradient echo; a T1-weighted one is an FFE too."""
    return bool({*words} & {"t2", "t2w"} and {*words} & name_words.FIELD_ECHO)


def split(text: str) -> list[str]:
    """Return the lower-case words of a text."""
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]


def _told_role(path: Path, stem: str, folders: tuple[str, ...]) -> Role | None:
    """Return what a file's name says, else its sidecar, else its folders; a folder of labels outranks all."""
    said = [words_of(folder) for folder in reversed(folders) if not entities_of(folder)]
    if any(set(words) & name_words.MASK and _role(words) == "mask" for words in said):
        return "other" if _role(words_of(stem)) == "other" else "mask"
    role = _role(words_of(stem)) or _sidecar_role(path)
    return role or next((found for words in said if (found := _role(words))), None)


def _role(words: list[str]) -> Role | None:
    """Return what words say; ``None`` if nothing."""
    found = set(words)
    if found & (name_words.PROJECTION | name_words.COMPLEX_PARTS):
        return "other"
    marks = [n for n, word in enumerate(words) if word in name_words.BLEED | name_words.MASK]
    images = [
        n
        for n, word in enumerate(words)
        if word in name_words.PHASE | name_words.MAGNITUDE | name_words.SWI | name_words.GRADIENT_ECHO
    ]
    # "001_SWI_CMB" is a mask, "CMB_001name_words.SWI" an image of a study of that name.
    if marks and (not images or marks[-1] > images[-1]):
        anatomy = bool(found & (name_words.ANATOMY | name_words.OTHER)) and not found & name_words.BLEED
        return "other" if anatomy else "mask"
    for role, named in (("phase", name_words.PHASE), ("magnitude", name_words.MAGNITUDE), ("swi", name_words.SWI)):
        if found & named:
            return role  # type: ignore[return-value]
    if found & name_words.GRADIENT_ECHO or is_field_echo(words):
        return "magnitude"
    return "other" if found & (name_words.OTHER | name_words.ANATOMY) else None


def _stated_role(path: Path, root: Path, statement: Statement) -> Role | None:
    relative = path.relative_to(root).as_posix()
    for role, pattern in statement.images.items():
        if fnmatch(path.name, pattern) or fnmatch(relative, pattern):
            return role
    return None


def _sidecar_role(image: Path) -> Role | None:
    """Return what dcm2niix's ``ImageType`` and series description say."""
    content, _ = sidecar_content(image)
    kinds = image_types_of(content)
    if kinds & name_words.PHASE_TYPES:
        return "phase"
    if kinds & name_words.PROJECTION_TYPES:
        return "other"
    if "SWI" in kinds:
        return "swi"
    return _role(split(series_of(content)))


def image_types_of(sidecar: Mapping[str, Any]) -> set[str]:
    """Return the values of ``ImageType`` in capitals."""
    kinds = sidecar.get("ImageType")
    return {str(kind).upper() for kind in kinds} if isinstance(kinds, list) else set()


def series_of(sidecar: Mapping[str, Any]) -> str:
    """Return the series' description, else the protocol's name; empty without both."""
    return str(sidecar.get("SeriesDescription", sidecar.get("ProtocolName", "")))


def _is_container(folder: str) -> bool:
    """Whether a folder's name says nothing about whose scan lies in it."""
    words = [word for n, piece in enumerate(_pieces(folder)) if not (n and _echo(piece)) for word in split(piece)]
    plain = name_words.ROLES | name_words.OTHER | name_words.FILLER | name_words.CONTAINERS | name_words.ANATOMY
    return bool(words) and all(word in plain for word in words)


def _rest(stem: str) -> str:
    """Return what a name holds beside words of roles."""
    kept = [
        piece
        for n, piece in enumerate(_pieces(stem))
        if not (n and _echo(piece)) and not all(word in name_words.NAMELESS for word in split(piece))
    ]
    return "_".join(kept)


def _pieces(stem: str) -> list[str]:
    """Return the parts of a name between blanks and underscores."""
    return [piece for piece in re.split(r"[_ ]+", stem) if piece]


def _echo(piece: str) -> str:
    """Return the number of the echo that a piece of a name or a folder names; empty if none."""
    found = _ECHO.fullmatch(piece)
    return found.group(1) if found else ""
