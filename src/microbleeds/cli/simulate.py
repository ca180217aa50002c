"""`microbleeds simulate`: write a data set of simulated scans with their truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the data set, new or empty.")],
    subjects: Annotated[int, typer.Option(min=1, help="Number of scans.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    protocol: Annotated[str, typer.Option(help="Name of a protocol, or mixed.")] = "mixed",
    anatomy: Annotated[
        Path | None, typer.Option(help="Folder of label maps; else the MNI152 head is used.")
    ] = None,
    profile: Annotated[str, typer.Option(help="natural, lobar-posterior, strictly-lobar, deep, mixed.")] = "mixed",
    burden: Annotated[str, typer.Option(help="natural, rich, dense, some or none.")] = "natural",
    scans_per_head: Annotated[int, typer.Option(min=1, help="Scans of each head; cheaper than new heads.")] = 1,
    dicom: Annotated[
        str | None,
        typer.Option(
            metavar="VENDOR",
            help="Write DICOM too: siemens, siemens-enhanced, philips, philips-enhanced, ge, ge-phase or canon.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    jobs: Annotated[int, typer.Option(min=1, help="Processes side by side, about 2.5 GB each.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in OUT where a run broke off.")] = False,
) -> None:
    """Write a data set of simulated scans with the truth about every microbleed and mimic."""
    from rich.progress import Progress

    from microbleeds.simulate.cohort import CohortSettings, anatomies_in, simulate_cohort
    from microbleeds.simulate.dicom.study import SOURCE, checked_convention, write_studies

    convention = None if dicom is None else checked_convention(dicom)
    anatomies = [] if anatomy is None else anatomies_in(anatomy)
    with Progress(transient=True) as bar:
        task = bar.add_task("simulate", total=subjects)
        simulate_cohort(
            out,
            subjects=subjects,
            seed=seed,
            settings=CohortSettings(protocol, profile, burden, scans_per_head),
            anatomies=anatomies,
            device=device,
            jobs=jobs,
            resume=resume,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    typer.echo(f"Data set: {out}")
    if convention is not None:
        write_studies(out, convention)
        typer.echo(f"DICOM: {out / SOURCE}")
