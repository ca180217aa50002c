"""`microbleeds detect`: search one scan and write the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microbleeds.cli.choices import OperatingPoint, PhaseSign

if TYPE_CHECKING:
    from rich.table import Table

    from microbleeds.report.record import Record


def detect(
    study: Annotated[
        Path | None,
        typer.Argument(help="SWI (NIfTI) or DICOM study (folder or zip); may be left out with --magnitude."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the result.")],
    phase: Annotated[Path | None, typer.Option(help="Phase image, raw or high-pass filtered.")] = None,
    magnitude: Annotated[
        Path | None,
        typer.Option(
            help="Magnitude (T2*-GRE): searched with --phase as an SWI made from both, alone as it is; beside an "
            "SWI the brain is segmented on it."
        ),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(help="Series of a DICOM study: 5, its UID, or role=5 (swi, magnitude, phase); repeatable."),
    ] = None,
    phase_sign: Annotated[
        PhaseSign, typer.Option(help="How veins look in the phase file; auto derives it from the scan.")
    ] = PhaseSign.AUTO,
    operating_point: Annotated[
        OperatingPoint, typer.Option(help="Screening misses less and shows more that is none.")
    ] = OperatingPoint.BALANCED,
    weights: Annotated[Path | None, typer.Option(help="Weights (.safetensors) instead of the shipped.")] = None,
    anatomy_weights: Annotated[
        Path | None, typer.Option(help="Weights of train-anatomy (.safetensors) instead of the shipped.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")] = False,
) -> None:
    """Find the microbleeds of one scan (NIfTI or DICOM) and write a report that can be checked."""
    from rich.console import Console

    from microbleeds.pipeline import Request, run

    request = Request(
        out=out,
        swi=study,
        magnitude=magnitude,
        phase=phase,
        series=tuple(series or ()),
        phase_sign=phase_sign.value,
        operating_point=operating_point.value,
        weights=weights,
        anatomy_weights=anatomy_weights,
        device=device,
        overwrite=overwrite,
    )
    console = Console()
    with Console(stderr=True).status("start") as status:
        record = run(request, announce=status.update)
    for warning in record.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    console.print(_table(record))
    typer.echo(f"Report: {out / 'report.html'}")
    typer.echo(f"To read with: {out / 'review.html'}")
    typer.echo(record.disclaimer)


def _table(record: Record) -> Table:
    """Show the counts, by place where anything is known of it."""
    from rich.table import Table

    counts = record.counts
    if record.places_unknown:
        table = Table("microbleeds", "by place")
        table.add_row(str(counts.total), "not assessable: the scan shows too little of the head")
        return table
    table = Table("microbleeds", "lobar", "deep", "infratentorial", "not placed", "strictly lobar")
    numbers = (counts.total, counts.lobar, counts.deep, counts.infratentorial, counts.unplaced)
    table.add_row(*map(str, numbers), {True: "yes", False: "no", None: "unknown"}[counts.strictly_lobar])
    return table
