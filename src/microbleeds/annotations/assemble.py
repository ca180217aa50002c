"""Scans and their label files become :class:`LabelledScan` s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations import forms
from microbleeds.annotations.convert import matlab_image, placed_grid, usable_image
from microbleeds.annotations.labelled_scan import LabelledScan
from microbleeds.annotations.masks import components_of_mask
from microbleeds.annotations.matlab import MatFile
from microbleeds.annotations.scan_files import Refused, ScanFiles
from microbleeds.annotations.sheet import Counting
from microbleeds.annotations.sources import Source
from microbleeds.annotations.statement import Meaning, Statement
from microbleeds.errors import InputError
from microbleeds.geometry import Grid


@dataclass(frozen=True, eq=False)
class _Ready:
    """A scan whose images can be used, and its labels.

    Args:
        files: as found.
        images: role to NIfTI file.
        grid: of the SWI, or of the magnitude.
        source: labels, if there are any.
        warnings: sentences so far.
    """

    files: ScanFiles
    images: dict[str, Path]
    grid: Grid
    source: Source | None
    warnings: tuple[str, ...]


def assembled(
    scans: Sequence[ScanFiles],
    sources: Mapping[str, list[Source]],
    matlab: Mapping[Path, MatFile],
    statement: Statement,
    cache: Path | None,
) -> tuple[list[LabelledScan], list[Refused]]:
    """Bring all labels to RAS mm.

    Scans without labels are negative or left out, as stated.
    """
    ready, refused = [], []
    for scan in scans:
        own = sources.get(scan.name, [])
        if not own and statement.without_labels == "leave-out":
            continue
        try:
            ready.append(_ready(scan, own, matlab, statement, cache))
        except InputError as error:
            refused.append(Refused(scan.name, str(error)))
    bases = _bases(ready)
    found = []
    for one in ready:
        try:
            found.append(_labelled(one, bases, statement))
        except InputError as error:
            refused.append(Refused(one.files.name, str(error)))
    return found, refused


def _ready(
    scan: ScanFiles,
    sources: list[Source],
    matlab: Mapping[Path, MatFile],
    statement: Statement,
    cache: Path | None,
) -> _Ready:
    if len(sources) > 1:
        names = ", ".join(source.path.name for source in sources[:3])
        raise InputError(
            f"{scan.name} has labels in {len(sources)} places ({names}); keep one, or choose with "
            '{"labels_from": "PATTERN"} in labels.json.'
        )
    if sources and sources[0].refused:
        raise InputError(sources[0].refused)
    images, warnings = {}, list(scan.warnings)
    for role, path in scan.images.items():
        if path in matlab:
            variable = matlab[path].volumes[role]  # type: ignore[index]
            images[role], said = matlab_image(path, variable, statement, cache)
        else:
            images[role], said = usable_image(path, statement, cache)
        warnings += said
    grids = {role: placed_grid(path) for role, path in images.items()}
    grid = grids.get("swi") or grids["magnitude"]
    return _Ready(scan, images, grid, sources[0] if sources else None, tuple(warnings))


def _bases(ready: Sequence[_Ready]) -> dict[Counting, forms.Base]:
    """Derive over the whole data set from where numbers are counted."""
    with_points = [(one.source.points, one.grid) for one in ready if one.source and one.source.points]
    return forms.bases_of([points for points, _ in with_points], [grid for _, grid in with_points])


def _labelled(one: _Ready, bases: Mapping[Counting, forms.Base], statement: Statement) -> LabelledScan:
    if one.source is None:
        said = (
            "It has no label file and was taken as a scan without microbleeds; state "
            '{"without_labels": "leave-out"} in labels.json if nobody read it.'
        )
        return _scan(one, np.zeros((0, 3)), (), np.zeros(0), forms.NO_LABELS, (said,))
    if one.source.points is None:
        mask = components_of_mask(one.source.path, one.grid, one.source.statement)
        return _scan(one, mask.positions_ras_mm, mask.meanings, mask.diameters_mm, forms.MASK, mask.warnings)
    points = one.source.points
    base, warnings = points.base, list(points.warnings)
    if points.counting != "mm" and base is None:
        derived = bases[points.counting]
        base = derived.number
        if len(points.values):
            numbers = "Array" if points.counting == "array" else "Slice, column and row"
            warnings.append(f"{numbers} numbers were taken to start at {base} ({derived.why}).")
    if points.counting == "image" and len(points.values):
        warnings += _said_of_directions(one, one.source.statement)
    form = forms.MATLAB if one.source.matlab else forms.OF_COUNTING[points.counting]
    # MATLAB's rows are the first axis, so directions of columns and rows can't be meant for its array numbers.
    stated = Statement() if one.source.matlab else one.source.statement
    positions = forms.positions_mm(points, one.grid, base or 0, stated)
    return _scan(one, positions, points.meanings, points.diameters_mm, form, tuple(warnings))


def _said_of_directions(one: _Ready, statement: Statement) -> list[str]:
    """Say what was assumed about the order of rows, columns and slices."""
    stated = (statement.column_direction, statement.row_direction, statement.slice_direction)
    if all(direction is not None for direction in stated):
        return []
    return [
        f"Columns, rows and slices that labels.json gives no direction were counted as the image file stores them "
        f"(towards {', '.join(one.grid.axis_codes)})."
    ]


def _scan(
    one: _Ready,
    positions: NDArray[np.float64],
    meanings: Sequence[Meaning],
    diameters: NDArray[np.float64],
    form: str,
    warnings: tuple[str, ...],
) -> LabelledScan:
    """Sort positions by what they mean and put all together."""
    bleeds = np.array([meaning == "bleed" for meaning in meanings], dtype=bool)
    ignored = np.array([meaning == "ignore" for meaning in meanings], dtype=bool)
    outside = int((~one.grid.contains(positions[bleeds])).sum()) if bleeds.any() else 0
    if outside:
        warnings = (*warnings, f"{outside} of {int(bleeds.sum())} labels lie outside the image.")
    return LabelledScan(
        name=one.files.name,
        subject=one.files.subject,
        swi=one.images.get("swi"),
        magnitude=one.images.get("magnitude"),
        phase=one.images.get("phase"),
        positions_ras_mm=positions[bleeds],
        ignored_ras_mm=positions[ignored],
        diameters_mm=diameters[bleeds],
        form=form,
        warnings=tuple(dict.fromkeys((*one.warnings, *warnings))),
    )
