"""Texts without what identifies the patient: name, number and birth date, as people write them.

A piece of a name is hidden where it stands as a word, so that *Ana* takes nothing out of *anatomy*; in scripts
without spaces between words it is hidden anywhere. A number is hidden unless it is part of a longer one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from microbleeds.read.dicom.headers import Patient

#: Stands in a text for what identifies the patient.
HIDDEN = "…"
# Shorter pieces of names and numbers occur in descriptions by chance.
_SHORTEST_WORD = 3
# A shorter number within a word says nothing, such as that of a series.
_SHORTEST_NUMBER = 5


class Discretion:
    """What some patients are called, and texts without it."""

    def __init__(self, patients: Iterable[Patient]) -> None:
        """Learn what to hide."""
        known = set(patients)
        patterns = {pattern for patient in known for pattern in _patterns(patient)}
        # The longest first, so that a whole name is hidden as one.
        ordered = sorted(patterns, key=lambda pattern: (-len(pattern), pattern))
        self._pattern = re.compile("|".join(ordered), re.IGNORECASE) if ordered else None

    def __call__(self, sentence: str) -> str:
        """Return a text without the names, numbers and birth dates."""
        return sentence if self._pattern is None else self._pattern.sub(HIDDEN, sentence)


def _patterns(patient: Patient) -> Iterator[str]:
    """Return regular expressions of what identifies a patient."""
    for word in (patient.name, patient.name.replace("^", "_"), *_pieces(patient.name)):
        if len(word) > 1 and all(unicodedata.category(letter) == "Lo" for letter in word):
            yield re.escape(word)
        elif len(word) >= _SHORTEST_WORD:
            yield _as_word(word)
    number = patient.identifier
    if len(number) >= _SHORTEST_NUMBER:
        yield rf"(?<!\d){re.escape(number)}(?!\d)"
    elif len(number) >= _SHORTEST_WORD:
        yield _as_word(number)
    for date in _dates(patient.birth_date):
        yield rf"(?<!\d){re.escape(date)}(?!\d)"


def _pieces(name: str) -> Iterator[str]:
    """Return the parts of a Person Name, in each of its scripts, and family and given name written as one word."""
    for group in name.split("="):
        yield from re.split(r"[\s^,_.-]+", group)
        family, given = (re.sub(r"[\s,_.-]+", "", part) for part in (*group.split("^"), "", "")[:2])
        if family and given:
            yield from (family + given, given + family)


def _dates(date: str) -> Iterator[str]:
    """Return a date as DICOM and people write it."""
    if len(date) < len("YYYYMMDD"):
        if len(date) >= _SHORTEST_WORD:
            yield date
        return
    yield date
    year, month, day = date[:4], date[4:6], date[6:8]
    for mark in ("-", ".", "/", "_", ""):
        yield from (mark.join(order) for order in ((year, month, day), (day, month, year), (month, day, year)))


def _as_word(word: str) -> str:
    """Return a pattern of a word that stands by itself; an underscore parts words."""
    return rf"(?<![^\W_]){re.escape(word)}(?![^\W_])"
