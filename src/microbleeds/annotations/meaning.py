"""What a reader's words for a label mean: a microbleed, a place to be ignored, or no microbleed."""

from __future__ import annotations

from collections.abc import Sequence

from microbleeds.annotations.sheet import UNKNOWN, Sheet, cell
from microbleeds.annotations.statement import Meaning, Statement
from microbleeds.errors import InputError
from microbleeds.evaluate.words import CLASSES, NO_BLEEDS

_BLEEDS = frozenset(
    [
        "bleed",
        "microbleed",
        "microbleeds",
        "cmb",
        "mb",
        "definite",
        "certain",
        "sure",
        "yes",
        "true",
        "positive",
        "accepted",
        "accept",
        "1",
    ]
)
_POSSIBLE = frozenset(["possible", "uncertain", "unsure", "probable", "maybe", "questionable"])
# Columns in which readers judge: there an unknown word is asked for, while others may hold names of points.
VERDICTS = ("certainty", "rating")
_KNOWN = _BLEEDS | _POSSIBLE | NO_BLEEDS


def is_bleed(word: str) -> bool:
    """Whether a word says that a microbleed was seen, be it possible; a mere 1 may be a running number."""
    return word.lower() in (_BLEEDS | _POSSIBLE) - {"1"}


def meanings_of_rows(
    sheet: Sheet, body: Sequence[tuple[str, ...]], columns: dict[str, int], statement: Statement
) -> tuple[tuple[Meaning, ...], list[str]]:
    """Tell bleeds, what is to be ignored, and what a reader marked as none."""
    given = {key.lower(): meaning for key, meaning in statement.labels.items()}
    told = given.keys() | _KNOWN
    read = {name: [cell(row, columns[name]).lower() for row in body] for name in CLASSES if name in columns}
    name = next((name for name in read if any(word in told for word in read[name])), next(iter(read), None))
    words = read[name] if name else [""] * len(body)
    unsaid = []
    if words and name not in VERDICTS and not any(word in told for word in words) and any(words):
        # Names of points as viewers write them, or regions: nothing that tells a microbleed from something else.
        unsaid = [
            f"Column {name} says nothing of what is a microbleed ({words[0][:40]!r} ...); all rows were taken."
        ]
        words = [""] * len(words)
    if name != "certainty" and "certainty" in read:
        # A column of kinds may stand beside it: a microbleed that is possible only is no definite one.
        doubts = given.keys() | _POSSIBLE | NO_BLEEDS
        pairs = zip(words, read["certainty"], strict=True)
        words = [sure if sure in doubts and word in ("", *_BLEEDS) else word for word, sure in pairs]
    meanings = [meaning_of(word, given, statement, f"Column {name} of {sheet.where}") for word in words]
    if "visible" in columns:
        seen = [cell(row, columns["visible"]).lower() for row in body]
        hidden = [word in ("0", "0.0", "false", "no") for word in seen]
        meanings = ["ignore" if h and m == "bleed" else m for h, m in zip(hidden, meanings, strict=True)]
    return tuple(meanings), unsaid + _said_of_meanings(sheet, words, meanings, given, statement)


def meaning_of(word: str, given: dict[str, Meaning], statement: Statement, where: str) -> Meaning:
    """Return what a label's word means; ``given`` are the user's own words.

    Raises:
        InputError: if the word is unknown.
    """
    if word in given:
        return given[word]
    if word in NO_BLEEDS:
        return "none"
    if word in _POSSIBLE:
        return "ignore" if statement.possible == "ignore" else "bleed"
    if word in UNKNOWN or word in _BLEEDS:
        return "bleed"
    raise InputError(
        f'{where} holds {word[:40]!r}; say what it means in labels.json, such as {{"labels": '
        f'{{"{word[:40]}": "bleed"}}}} (bleed, ignore or none).'
    )


def _said_of_meanings(
    sheet: Sheet, words: list[str], meanings: list[Meaning], given: dict[str, Meaning], statement: Statement
) -> list[str]:
    said = []
    possible = sum(word in _POSSIBLE and word not in given for word in words)
    if possible and statement.possible is None:
        said.append(
            f'{possible} possible microbleeds of {sheet.where} were taken as microbleeds; state {{"possible": '
            '"ignore"} in labels.json to leave them out of the score.'
        )
    none = meanings.count("none")
    if none:
        said.append(f"{none} rows of {sheet.where} are labelled as no microbleed and were left out.")
    return said
