"""Folders of a run that must not hold one another.

A scan would else count twice, or be judged on by what learned from it, and a run's own copies of images would
become scans of the data when it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

from microbleeds.errors import InputError


def refuse_overlap(
    out: Path, cache: Path, data: Sequence[Path], validation: Sequence[Path] = (), simulated: Path | None = None
) -> None:
    """Refuse folders that hold one another, through links too.

    Args:
        out: run folder.
        cache: folder of prepared subjects; it may lie in ``out``.
        data: data sets to learn from.
        validation: data sets to validate on.
        simulated: data set that is mixed in.

    Raises:
        InputError: if a data set is another's or lies in it, or ``out`` or ``cache`` lies in one or holds one.
    """
    given = [("data set", path) for path in data] + [("validation data set", path) for path in validation]
    given += [] if simulated is None else [("simulated data set", simulated)]
    refuse_shared(given)
    for what, path in given:
        for name, place in (("run folder", out.resolve()), ("cache", cache.resolve())):
            if path.resolve() in (place, *place.parents):
                raise InputError(
                    f"The {name} {place} lies in the {what} {path}, where its copies of images would become "
                    "scans; choose a folder elsewhere."
                )
            if place in path.resolve().parents:
                raise InputError(f"The {name} {place} holds the {what} {path}; choose a folder elsewhere.")


def refuse_shared(given: Sequence[tuple[str, Path]]) -> None:
    """Refuse data sets, each with what it is for, of which two share scans.

    Raises:
        InputError: if one is given twice, or lies in another.
    """
    places = [(what, path.resolve()) for what, path in given]
    for (one, outer), (other, inner) in permutations(places, 2):
        if inner == outer:
            also = "" if one == other else f", as {other} too"
            raise InputError(
                f"The {one} {outer} is given twice{also}; its scans would count double. Give it once."
            )
        if outer in inner.parents:
            raise InputError(
                f"The {other} {inner} lies in the {one} {outer}; its scans would count double. Give folders apart."
            )
