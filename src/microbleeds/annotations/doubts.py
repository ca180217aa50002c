"""What an image's own name and sidecar say against the role that a user gave it.

A search of another contrast ends like any other, with counts; so what is surely no SWI is refused before it
begins. Only whole words count, of the file's name and not of its folders, and a name that says SWI too is taken at
its word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from microbleeds.annotations import name_words
from microbleeds.annotations.images import (
    NIFTI,
    entities_of,
    file_stem,
    image_types_of,
    is_field_echo,
    series_of,
    split,
    words_of,
)
from microbleeds.errors import InputError
from microbleeds.read.sidecar import sidecar_content

Main = Literal["swi", "magnitude"]
_TITLES: dict[Main, str] = {"swi": "SWI", "magnitude": "magnitude"}
_USABLE = ("swi", "magnitude")
_PROJECTION = "a minimum projection (mIP)"
_PHASE = "a phase image"


def doubts_about(path: Path, role: Main) -> tuple[str, ...]:
    """Return sentences on an image of which it is doubtful whether it is what it was given as.

    Args:
        path: a NIfTI image; of anything else nothing is said.
        role: what it was given as.

    Raises:
        InputError: if its name or sidecar says that it is neither an SWI nor a magnitude.
    """
    if not path.name.lower().endswith(NIFTI):
        return ()
    named, stated = _named(file_stem(path)), _stated(path)
    _refuse(path, role, named, stated)
    kind, source = (named, "name") if named is not None else (stated, "sidecar")
    if role == "swi" and kind == "magnitude":
        return (
            f"{path} was taken as the SWI, but its {source} says that it is a magnitude, on which fewer "
            "microbleeds show; give a magnitude with --magnitude, best with its phase.",
        )
    if kind is None and "t1" in words_of(file_stem(path)):
        return (f"{path} was taken as the {_TITLES[role]}; if T1 in its name is no visit, give the SWI instead.",)
    return ()


def _refuse(path: Path, role: Main, named: str | None, stated: str | None) -> None:
    """Refuse what name or sidecar says is of no use; of a contrast in the name the sidecar may know better."""
    # A sidecar's Image Type is the scanner's own word; it outranks a name.
    if stated is not None and stated not in _USABLE and (named is None or stated in (_PHASE, _PROJECTION)):
        kind, source, rename = stated, "sidecar", ", or correct the sidecar if it is one"
    elif named is not None and named not in _USABLE and (stated is None or named in (_PHASE, _PROJECTION)):
        kind, source, rename = named, "name", ", or rename the file if it is one"
    else:
        return
    way = "give it with --phase, beside the SWI or its magnitude" if kind == _PHASE else "give the SWI"
    raise InputError(
        f"{path} can't be the {_TITLES[role]}, since its {source} says that it is {kind}; {way}{rename}."
    )


def _named(stem: str) -> str | None:
    """Return what a name says, as :func:`_kind`; a visit of BIDS is a session, so T1 at its end is a contrast."""
    words = words_of(stem)
    if "sub" in entities_of(stem) and words and words[-1] in ("t1", "t2"):
        words[-1] += "w"
    return _kind(words)


def _stated(path: Path) -> str | None:
    """Return what the sidecar says, as :func:`_kind`: the Image Type before what people type."""
    content, _ = sidecar_content(path)
    kinds = image_types_of(content)
    if kinds & name_words.PHASE_TYPES:
        return _PHASE
    if kinds & name_words.PROJECTION_TYPES:
        return _PROJECTION
    return "swi" if "SWI" in kinds else _kind(split(series_of(content)))


def _kind(words: list[str]) -> str | None:
    """Return ``swi``, ``magnitude``, or in words what else an image is said to be; ``None`` if nothing."""
    if set(words) & name_words.PROJECTION:
        return _PROJECTION
    # Of a phase and an SWI in one name the later is what the image is: "Phase_1_SWI" is of a study's first phase.
    told = [kind for n, word in enumerate(words) if (kind := _component(word, n == len(words) - 1)) is not None]
    if told:
        return told[-1]
    if set(words) & name_words.GRADIENT_ECHO or is_field_echo(words):
        return "magnitude"
    return next((name_words.CONTRASTS[word] for word in words if word in name_words.CONTRASTS), None)


def _component(word: str, last: bool) -> str | None:
    """Return what one word says; ``ph`` is dcm2niix's at the end alone."""
    if word in name_words.SWI:
        return "swi"
    if word in name_words.MAGNITUDE:
        return "magnitude"
    return _PHASE if word in name_words.PHASE and (word != "ph" or last) else None
