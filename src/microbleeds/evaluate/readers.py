"""Files that can be scored: findings.json, point lists, masks; this program's and other programs'.

The three kinds are told apart by the file's name: ``.json``; ``.tsv``, ``.csv`` and ``.txt`` (see
:mod:`microbleeds.evaluate.tables`); ``.nii`` and ``.nii.gz`` (see :mod:`microbleeds.evaluate.masks`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, FiniteFloat, StrictBool, ValidationError

from microbleeds.errors import InputError, first_fault
from microbleeds.evaluate.cases import Predictions, Truth, predictions, truth
from microbleeds.evaluate.masks import points_of_mask
from microbleeds.evaluate.tables import Table, read_table
from microbleeds.evaluate.words import CLASSES, LEFT_OUT, NO_BLEEDS

MASKS = (".nii", ".nii.gz")
TABLES = (".tsv", ".csv", ".txt")
_TRUTH_TABLE = "_microbleeds.tsv"
_SUBJECTS = ("participant_id", "subject", "subject_id", "patient", "patient_id", "scan")
_SCORES = ("probability", "prob", "confidence", "likelihood", "scores")
_UNSURE = ("border", "uncertain", "unknown")  # what findings.json says of a place that may be another group's


def read_predictions(path: Path) -> Predictions:
    """Read findings.json, a folder that holds it, a point list or a mask.

    Raises:
        InputError: if the file isn't one of these or can't be read.
    """
    path = Path(path)
    if path.is_dir():
        return read_predictions(_only_findings(path))
    if path.name.endswith(".json"):
        return _from_json(path)
    if path.name.endswith(MASKS):
        position, score = points_of_mask(path, found_by_program=True)
        return predictions(position, score)
    if path.name.endswith(TABLES):
        table = read_table(path)
        _refuse_several(table)
        _refuse_other_scores(table)
        scores = table.numbers("score") if "score" in table else np.ones(len(table))
        if np.isnan(scores).any():
            raise InputError(f"A row of {path} has no score; give one in each row or leave the column out.")
        ruled_out = np.array([reason == "anatomy" for reason in table.text("removed_by")], dtype=bool)
        return predictions(
            table.positions_mm(),
            scores,
            table.flags("kept", default=True),
            ruled_out,
            table.text("group"),
            table.text("region"),
            table.text("side"),
            [confidence not in _UNSURE for confidence in table.text("place_confidence")],
        )
    raise InputError(f"The findings {path} are no findings.json, point list (.tsv, .csv) or mask (.nii.gz).")


def read_truth(path: Path) -> Truth:
    """Read the truth of one scan: a table of microbleeds (mimics lie beside it), or a mask.

    Raises:
        InputError: if the file isn't one of these or can't be read.
    """
    path = Path(path)
    if path.is_dir():
        tables = sorted(path.rglob(f"*{_TRUTH_TABLE}"))
        if len(tables) != 1:
            raise InputError(f"The folder {path} holds {len(tables)} tables *{_TRUTH_TABLE}, not one.")
        return read_truth(tables[0])
    if path.name.endswith(MASKS):
        return truth(points_of_mask(path)[0])
    if not path.name.endswith(TABLES):
        raise InputError(f"The truth {path} is no table (.tsv, .csv) and no mask (.nii.gz).")
    table = read_table(path)
    _refuse_several(table)
    _refuse_rejected(table)
    beside = path.with_name(path.name.replace(_TRUTH_TABLE, "_mimics.tsv"))
    mimics = read_table(beside) if beside != path and beside.exists() else None
    return truth(
        table.positions_mm(),
        table.flags("visible", default=True),
        table.text("group"),
        table.text("region"),
        table.numbers("diameter_mm"),
        table.numbers("clutter_contrast"),
        mimics.positions_mm() if mimics else None,
        mimics.text("kind") if mimics else None,
        [scored == "ignored" for scored in mimics.text("scored")] if mimics else None,
        table.text("side"),
    )


def _refuse_other_scores(table: Table) -> None:
    """Refuse scores under another name: every point would count as sure.

    Raises:
        InputError: if there are.
    """
    other = next((name for name in _SCORES if name in table), None)
    if "score" not in table and other is not None:
        raise InputError(f"{table.path} has a column {other} but none named score; rename it, or take it out.")


def _refuse_several(table: Table) -> None:
    """Refuse a table with rows of several people: it would be scored as one scan."""
    for column in _SUBJECTS:
        names = sorted({name for name in table.text(column) if name is not None})
        if len(names) > 1:
            raise InputError(
                f"Column {column} of {table.path} names {len(names)} scans ({names[0]}, {names[1]}, ...); "
                "give each scan a table, sub-001.tsv and so on in one folder."
            )


def _refuse_rejected(table: Table) -> None:
    """Refuse rows of which a reader says that they are no microbleed: they would count as missed."""
    for column in CLASSES:
        none = NO_BLEEDS | LEFT_OUT
        rejected = [word for word in table.text(column) if word is not None and word.lower() in none]
        if rejected:
            raise InputError(
                f"Column {column} of {table.path} says of {len(rejected)} rows that they are none "
                f"({rejected[0]}); take them out."
            )
    aside = int((~table.flags("kept", default=True)).sum())
    if aside:  # as of findings.tsv, which holds every candidate
        raise InputError(f"Column kept of {table.path} says of {aside} rows that they don't count; take them out.")


class _Found(BaseModel):
    """What is scored of a finding."""

    position_ras_mm: tuple[FiniteFloat, FiniteFloat, FiniteFloat]
    score: FiniteFloat
    kept: StrictBool
    removed_by: str | None = None
    group: str | None = None
    region: str | None = None
    side: str | None = None
    place_confidence: str | None = None


class _OperatingPoint(BaseModel):
    cut: FiniteFloat | None = None


class _Model(BaseModel):
    operating_point: _OperatingPoint = _OperatingPoint()


class _Counts(BaseModel):
    groups_uncertain: StrictBool = False


class _Scored(BaseModel):
    """What is scored of findings.json, of any version; what else it holds is no matter here."""

    findings: list[_Found]
    model: _Model = _Model()
    counts: _Counts = _Counts()


def _from_json(path: Path) -> Predictions:
    """Read a findings.json of this program."""
    try:
        record = _Scored.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"The findings {path} can't be read; check the path.") from error
    except ValidationError as error:
        raise InputError(
            f"The findings {path} are no findings.json of this program ({first_fault(error)}); give one, a "
            "point list or a mask."
        ) from error
    found = record.findings
    return predictions(
        [finding.position_ras_mm for finding in found],
        [finding.score for finding in found],
        [finding.kept for finding in found],
        [finding.removed_by == "anatomy" for finding in found],
        tuple(finding.group for finding in found),
        tuple(finding.region for finding in found),
        tuple(finding.side for finding in found),
        [finding.place_confidence not in _UNSURE for finding in found],
        record.model.operating_point.cut,
        record.counts.groups_uncertain,
    )


def _only_findings(folder: Path) -> Path:
    """Return findings.json of a folder, or else its only point list or mask."""
    if (folder / "findings.json").exists():
        return folder / "findings.json"
    files = [path for path in sorted(folder.iterdir()) if path.name.endswith(MASKS + TABLES)]
    if len(files) != 1:
        raise InputError(
            f"The folder {folder} has no findings.json and {len(files)} point lists or masks; name one file."
        )
    return files[0]
