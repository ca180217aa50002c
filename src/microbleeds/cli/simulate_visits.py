"""`microbleeds simulate-visits`: write pairs (or series) of visits of the same heads with new microbleeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate_visits(
    out: Annotated[Path, typer.Argument(help="Folder of the data set, new or empty.")],
    subjects: Annotated[int, typer.Option(min=1, help="Number of heads.")] = 1,
    visits: Annotated[int, typer.Option(min=2, help="Visits of each head.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    protocol: Annotated[str, typer.Option(help="Of the first visit: name of a protocol, or mixed.")] = "mixed",
    followup_protocol: Annotated[
        str, typer.Option(help="Of later visits: same (and the same scanner), other, a name, or mixed.")
    ] = "same",
    anatomy: Annotated[
        Path | None, typer.Option(help="Folder of label maps; else the MNI152 head is used.")
    ] = None,
    profile: Annotated[str, typer.Option(help="natural, lobar-posterior, strictly-lobar, deep, mixed.")] = "mixed",
    burden: Annotated[
        str, typer.Option(help="At the first visit: natural, rich, dense, some or none.")
    ] = "natural",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    jobs: Annotated[int, typer.Option(min=1, help="Processes side by side, about 2.5 GB each.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in OUT where a run broke off.")] = False,
) -> None:
    """Write visits of the same heads in other poses, with known new microbleeds."""
    from rich.progress import Progress

    from microbleeds.simulate.cohort import anatomies_in
    from microbleeds.simulate.visit_dataset import simulate_visits as write
    from microbleeds.simulate.visits import VisitSettings

    anatomies = [] if anatomy is None else anatomies_in(anatomy)
    with Progress(transient=True) as bar:
        task = bar.add_task("simulate", total=subjects)
        write(
            out,
            heads=subjects,
            seed=seed,
            settings=VisitSettings(protocol, followup_protocol, profile, burden, visits),
            anatomies=anatomies,
            device=device,
            jobs=jobs,
            resume=resume,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    typer.echo(f"Data set: {out}")
