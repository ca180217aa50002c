"""Point lists of 3D Slicer 5 (`.mrk.json`), which say themselves in which space their millimetres are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, FiniteFloat, ValidationError

from microbleeds.annotations.sheet import Sheet
from microbleeds.errors import InputError, first_fault

MARKUPS = ".mrk.json"
LARGEST_MARKUPS_BYTES = 16 * 2**20
_HEADER = ("x_mm", "y_mm", "z_mm", "label")


class _ControlPoint(BaseModel):
    label: str = ""
    position: tuple[FiniteFloat, FiniteFloat, FiniteFloat] | None = None
    positionStatus: str = "defined"


class _Markup(BaseModel):
    coordinateSystem: Literal["LPS", "RAS"] = "LPS"
    coordinateUnits: Literal["mm"] = "mm"
    controlPoints: tuple[_ControlPoint, ...] = ()


class _Markups(BaseModel):
    """The parts of Slicer's markups schema that hold points."""

    markups: tuple[_Markup, ...]


def read_markups(path: Path) -> Sheet:
    """Read the points of a list, or of several in one file; points that were not placed are left out.

    Raises:
        InputError: if it is too large or no list of Slicer's, or its lists are in different spaces.
    """
    try:
        if path.stat().st_size > LARGEST_MARKUPS_BYTES:
            raise InputError(f"{path} is too large for a list of labels; take it out of the folder.")
        content = _Markups.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"The list {path} can't be read; check its permissions.") from error
    except ValidationError as error:
        raise InputError(
            f"{path} is no point list of 3D Slicer ({first_fault(error)}); save it there again, or take it out."
        ) from error
    spaces = {markup.coordinateSystem for markup in content.markups}
    if len(spaces) > 1:
        raise InputError(f"The lists in {path} are in different spaces (LPS and RAS); save each in its own file.")
    placed = [
        (*(f"{value:.6g}" for value in point.position), point.label)
        for markup in content.markups
        for point in markup.controlPoints
        if point.position is not None and point.positionStatus == "defined"
    ]
    return Sheet(path, "", (_HEADER, *placed), next(iter(spaces), None))
