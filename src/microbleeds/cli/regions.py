"""`microbleeds regions`: the anatomical regions of one scan, without a search for microbleeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from microbleeds.report.record import SegmentationRecord


def regions(
    scan: Annotated[Path, typer.Argument(help="SWI, T2*-GRE magnitude or T1 (NIfTI), or a DICOM study.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the result.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights of train-anatomy (.safetensors) instead of the shipped.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")] = False,
) -> None:
    """Find brain and regions of one scan: an image, a table, volumes and a page to check them."""
    from rich.console import Console

    from microbleeds.region_map import RegionRequest, map_regions
    from microbleeds.report.record import DISCLAIMER

    request = RegionRequest(scan=scan, out=out, weights=weights, device=device, overwrite=overwrite)
    with Console(stderr=True).status("start") as status:
        result = map_regions(request, announce=status.update)
    for warning in result.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    if result.segmentation.located:
        Console().print(_table(result.segmentation))
    typer.echo(f"Page to check: {out / 'regions.html'}")
    typer.echo(DISCLAIMER)


def _table(segmentation: SegmentationRecord) -> Table:
    """Show the volumes by MARS row."""
    from rich.table import Table

    from microbleeds.regions import MARS, REGIONS

    volumes = dict.fromkeys(((row, side) for row in MARS.groups for side in ("right", "left")), 0.0)
    for size in segmentation.regions:
        region = REGIONS[size.index]
        row = MARS.row_of(region)
        if row is not None:
            volumes[row, region.side] += size.volume_ml
    brain_ml = segmentation.parenchyma_ml
    known = "" if brain_ml is None else f"Brain without fluid {brain_ml:.0f} ml, "
    title = f"{known}{'search' if known else 'Search'} mask {segmentation.brain_ml:.0f} ml"
    table = Table("group", "region", "right ml", "left ml", title=title)
    for row, group in MARS.groups.items():
        table.add_row(group, row, *(f"{volumes[row, side]:.1f}" for side in ("right", "left")))
    return table
