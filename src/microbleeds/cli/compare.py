"""`microbleeds compare`: what is new between two visits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microbleeds.cli.choices import OperatingPoint, PhaseSign

if TYPE_CHECKING:
    from rich.table import Table

    from microbleeds.followup import Comparison

NOT_ALIGNED = 3


def compare(
    baseline: Annotated[
        Path, typer.Argument(help="Earlier visit: result of detect, SWI, study folder or DICOM study.")
    ],
    followup: Annotated[Path, typer.Argument(help="Later visit: the same choice.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the comparison.")],
    baseline_scan: Annotated[
        Path | None, typer.Option(help="Scan of the earlier result, if it isn't where it was searched.")
    ] = None,
    followup_scan: Annotated[Path | None, typer.Option(help="Scan of the later result, likewise.")] = None,
    phase_sign: Annotated[
        PhaseSign, typer.Option(help="Of studies: how veins look in the phase files; auto derives it.")
    ] = PhaseSign.AUTO,
    operating_point: Annotated[
        OperatingPoint, typer.Option(help="Of studies: screening misses less and shows more that is none.")
    ] = OperatingPoint.BALANCED,
    weights: Annotated[Path | None, typer.Option(help="Weights instead of the shipped, for studies.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier comparison.")] = False,
) -> None:
    """Align two visits of one person and say which microbleeds are new, stable or no longer seen.

    A study is searched first; its result goes into OUT/baseline or OUT/followup. The exit code is 3 if the scans
    could not be aligned: nothing is matched then.
    """
    from rich.console import Console

    from microbleeds.comparison import ComparisonRequest
    from microbleeds.comparison import compare as compare_and_write

    request = ComparisonRequest(
        baseline,
        followup,
        out,
        baseline_scan=baseline_scan,
        followup_scan=followup_scan,
        phase_sign=phase_sign.value,
        operating_point=operating_point.value,
        weights=weights,
        device=device,
        overwrite=overwrite,
    )
    with Console(stderr=True).status("start") as status:
        comparison = compare_and_write(request, announce=status.update)
    _say(comparison, out)
    if not comparison.registration.succeeded:
        raise typer.Exit(NOT_ALIGNED)


def _say(comparison: Comparison, out: Path) -> None:
    """Print warnings, counts and where the comparison lies."""
    from rich.console import Console

    for warning in comparison.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    if comparison.counts is not None:
        Console().print(counts_table(comparison))
    typer.echo(f"Comparison: {out / 'comparison.html'}")
    typer.echo(comparison.disclaimer)


def counts_table(comparison: Comparison) -> Table:
    """Show the counts."""
    from rich.table import Table

    table = Table("", "total", "lobar", "deep", "infratentorial", "not placed")
    for state, counts in (comparison.counts or {}).items():
        numbers = (counts.total, counts.lobar, counts.deep, counts.infratentorial, counts.unplaced)
        table.add_row(state.replace("-", " "), *map(str, numbers))
    sure = comparison.new_certainty
    of_new = f" ({sure.definite} definite, {sure.possible} possible, {sure.unsteady} unsteady)" if sure else ""
    table.caption = f"ARIA-H class of the new ones{of_new}: {comparison.aria_h}. No diagnosis; look at each."
    return table
