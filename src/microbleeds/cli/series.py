"""`microbleeds series`: list what a DICOM study holds and what would be searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from microbleeds.read.dicom.series import DicomSeries, DicomStudy


def series(
    study: Annotated[Path, typer.Argument(help="DICOM study: a folder, a zip or a multi-frame file.")],
    series: Annotated[
        list[str] | None, typer.Option(help="What to use instead: 5, its UID, or role=5; repeatable.")
    ] = None,
) -> None:
    """List the series of a DICOM study, and which of them `detect` would use and why."""
    from rich.console import Console

    from microbleeds.read.dicom.study import chosen_from, list_volumes, opened

    with opened(study) as folder:
        found, volumes = list_volumes(folder)
        Console().print(_table(volumes))
        _explain(chosen_from(found, volumes, series or (), str(study)))


def _explain(study: DicomStudy) -> None:
    for reason in study.reasons.values():
        typer.echo(reason)
    for note in study.notes:
        if note not in study.reasons.values():
            typer.echo(note)


def _table(volumes: list[DicomSeries]) -> Table:
    """Show every volume."""
    from rich.markup import escape
    from rich.table import Table

    from microbleeds.read.dicom.choice import remark

    table = Table("series", "description", "images", "voxel mm", "TE ms", "shows", "remark")
    for volume in volumes:
        spacing = "" if volume.grid is None else " x ".join(f"{s:.3g}" for s in volume.grid.spacing_mm)
        echo = volume.facts.echo_time_ms
        table.add_row(
            volume.name,
            escape(volume.description),
            str(len(volume.instances)),
            spacing,
            "" if echo is None else f"{echo:.3g}",
            volume.role,
            remark(volume),
        )
    return table
