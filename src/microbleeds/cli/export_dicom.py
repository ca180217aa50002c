"""`microbleeds export-dicom`: a result as DICOM objects for the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export_dicom(
    result: Annotated[Path, typer.Argument(help="Folder of a finished or signed result.")],
    study: Annotated[Path, typer.Argument(help="The DICOM study that was searched: folder, zip or file.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Folder to write; RESULT/dicom if left out.")] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(help="Series, as for detect; those of the search if left out; repeatable."),
    ] = None,
    organization: Annotated[
        str | None, typer.Option(help="Where the reader of a signed result works; marks the report as verified.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Write a result as DICOM: structured report, segmentations and pages (secondary captures)."""
    from microbleeds.report.dicom.stored import export_result

    paths = export_result(
        result,
        study,
        out or result / "dicom",
        series=tuple(series or ()),
        organization=organization,
        overwrite=overwrite,
    )
    for path in paths:
        typer.echo(path)
    typer.echo("Research use. Not a medical device.")
