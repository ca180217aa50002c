"""What callers give in short or in error: a text for a path, one thing for several, a number that can't be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path

from microbleeds.errors import InputError

PathText = str | os.PathLike[str]


def path_of(given: PathText) -> Path:
    """Return a path.

    Raises:
        InputError: if it is empty (which would pass for the current folder), no path, or one that no system takes.
    """
    if not isinstance(given, str | os.PathLike):
        raise InputError(f"A path is needed, not {given!r}.")
    text = os.fspath(given)
    if not text:
        raise InputError("A path is empty; give it, or leave it out (an unset variable of a shell makes such).")
    if "\0" in text:
        raise InputError(f"The path {text!r} holds a zero byte; correct it.")
    return Path(given)


def paths_of(given: PathText | Sequence[PathText] | None) -> list[Path]:
    """Return none, one or several paths as a list; a text is one path, not its letters."""
    if given is None:
        return []
    if isinstance(given, str | os.PathLike):
        return [path_of(given)]
    return [path_of(one) for one in given]


def texts_of(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return one or several texts as a tuple; a text is one, not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def make_paths(record: object, *fields: str) -> None:
    """Turn texts in fields of a frozen dataclass into paths, from its ``__post_init__``; ``None`` stays."""
    for field in fields:
        value = getattr(record, field)
        if value is not None:
            object.__setattr__(record, field, path_of(value))


def refuse_below(least: int, **counts: int) -> None:
    """Refuse counts that are no whole number of at least ``least``; their names stand in the sentence.

    Raises:
        InputError: if one is.
    """
    for name, count in counts.items():
        if not isinstance(count, Integral) or count < least:
            what = name.replace("_", " ")
            raise InputError(f"The {what} must be a whole number of at least {least}, got {count!r}.")
