"""`microbleeds many`: search all scans of a folder or a list that has no BIDS names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from microbleeds.cli.bids import SOME_FAILED, pool_settings, progress, summed_up
from microbleeds.cli.choices import OperatingPoint, PhaseSign


def many(
    scans: Annotated[
        Path, typer.Argument(help="Folder of scans (NIfTI or DICOM studies), or a list: text, .tsv or .csv.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the results; one that exists is gone on with.")],
    phase_sign: Annotated[
        PhaseSign, typer.Option(help="How veins look in the phase files; auto derives it from each scan.")
    ] = PhaseSign.AUTO,
    operating_point: Annotated[
        OperatingPoint, typer.Option(help="Screening misses less and shows more that is none.")
    ] = OperatingPoint.BALANCED,
    weights: Annotated[Path | None, typer.Option(help="Weights (.safetensors) instead of the shipped.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    n_procs: Annotated[int | None, typer.Option(help="Workers; by cores and memory if absent.")] = None,
    mem_mb: Annotated[
        int | None, typer.Option(help="Memory to share among workers; what is free if absent.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of each worker.")] = 1,
    dask_scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler that runs.")] = None,
    cluster: Annotated[str, typer.Option(help="What starts the workers: local, slurm or pbs.")] = "local",
    cluster_options: Annotated[Path | None, typer.Option(help="YAML of dask-jobqueue's options.")] = None,
) -> None:
    """Search many scans side by side; a failed one is a row with its sentence, a killed run goes on where it was.

    The exit code is 3 if some scans failed.
    """
    from microbleeds.cohort.many import search_many
    from microbleeds.cohort.task import SearchOptions

    pool = pool_settings(n_procs, mem_mb, threads, dask_scheduler, cluster, cluster_options)
    options = SearchOptions(
        operating_point=operating_point.value,
        phase_sign=phase_sign.value,
        weights=weights,
        device=device,
        threads=threads,
    )
    with progress() as announce:
        outcomes = search_many(scans, out, options, pool, announce)
    typer.echo(f"{summed_up(outcomes)} {out / 'scans.html'}")
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(SOME_FAILED)
