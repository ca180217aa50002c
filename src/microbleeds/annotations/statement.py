"""What the user states about the labels in ``labels.json``, where the files themselves leave it open.

``labels.json`` lies in the data set's folder. A table may have a file of its own name with the ending ``.json``
beside it (a BIDS sidecar); keys of that file that are known here are taken, the others are left to BIDS.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from microbleeds.errors import InputError
from microbleeds.read.sidecar import LARGEST_SIDECAR_BYTES

FILE_NAME = "labels.json"
Meaning = Literal["bleed", "ignore", "none"]


def _three_axes(letters: str) -> str:
    """Accept a direction for each of the three axes, such as ``PLS``."""
    upper = letters.upper()
    if len(upper) != 3 or {frozenset(pair) for pair in ("RL", "AP", "SI")} != {_pair(a) for a in upper}:
        raise ValueError("give three letters such as RAS or PLS, one of R/L, one of A/P and one of S/I")
    return upper


def _pair(letter: str) -> frozenset[str]:
    """Return the axis to which a letter belongs."""
    return next((frozenset(pair) for pair in ("RL", "AP", "SI") if letter in pair), frozenset())


class Statement(BaseModel):
    """What is stated; ``None`` where nothing is.

    Args:
        base: number of the first voxel or slice.
        units: of columns named ``x``, ``y``, ``z``.
        space: directions in which x, y and z of positions in mm grow.
        columns: names of a table's columns in order, in place of its header.
        column_direction: to where column numbers grow; ``as-stored`` is the order of the NIfTI file.
        row_direction: to where row numbers grow.
        slice_direction: to where slice numbers grow.
        possible: whether a possible microbleed is a microbleed or a place that is neither.
        labels: word or number of a label to what it means.
        without_labels: what a scan without any label file is.
        voxel_mm: voxel size along the array's axes, of images whose file states none.
        axes: directions of the array's axes, of images whose file states none.
        images: role (``swi``, ``magnitude``, ``phase``, ``mask``, ``other``) to a pattern of file names.
        labels_from: pattern of the label files to read, where there are several per scan.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Literal[0, 1] | None = None
    units: Literal["mm", "voxel"] | None = None
    space: Literal["RAS", "LPS", "LAS", "RPS"] | None = None
    columns: tuple[str, ...] | None = None
    column_direction: Literal["as-stored", "left", "right"] | None = None
    row_direction: Literal["as-stored", "anterior", "posterior"] | None = None
    slice_direction: Literal["as-stored", "superior", "inferior"] | None = None
    possible: Literal["bleed", "ignore"] | None = None
    labels: dict[str, Meaning] = {}
    without_labels: Literal["negative", "leave-out"] = "negative"
    voxel_mm: Annotated[tuple[float, ...], Field(min_length=3, max_length=3)] | None = None
    axes: Annotated[str, AfterValidator(_three_axes)] | None = None
    images: dict[Literal["swi", "magnitude", "phase", "mask", "other"], str] = {}
    labels_from: str | None = None


def read_statement(folder: Path) -> Statement:
    """Read ``labels.json`` of a data set; an empty statement if there is none.

    Raises:
        InputError: if it isn't JSON, holds an unknown key or a value that is not allowed.
    """
    path = Path(folder) / FILE_NAME
    return _validated(path, _json_object(path)) if path.is_file() else Statement()


def with_sidecar(statement: Statement, table: Path) -> Statement:
    """Return the statement with what the sidecar of a table states in place of what the data set does."""
    path = table.with_suffix(".json")
    if path == table or not path.is_file():  # a list of 3D Slicer is JSON itself
        return statement
    known = {k: v for k, v in _json_object(path).items() if k in Statement.model_fields and not _describes(v)}
    return _validated(path, statement.model_dump(exclude_unset=True) | known) if known else statement


def _describes(value: Any) -> bool:
    """Whether a sidecar's value is the BIDS description of a column instead of a statement."""
    return isinstance(value, dict) and bool({"Description", "LongName", "Levels", "Units"} & value.keys())


def _json_object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_SIDECAR_BYTES:
            raise InputError(f"{path} is too large to state how labels are written; take it away.")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} can't be read as JSON ({error}); correct or remove it.") from error
    if not isinstance(content, dict):
        raise InputError(f'{path} must hold an object such as {{"base": 1}}; see docs/your-data.md.')
    return content


def _validated(path: Path, content: dict[str, Any]) -> Statement:
    try:
        return Statement.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][:2])
        if first["type"] == "extra_forbidden":
            known = ", ".join(Statement.model_fields)
            raise InputError(f"{path} holds the unknown key {key}; known are {known}.") from error
        raise InputError(f"{path} gives {key} as {first['input']!r}, but: {first['msg']}.") from error
