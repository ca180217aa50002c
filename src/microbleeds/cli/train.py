"""`microbleeds train`: train a detector, or continue a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    data: Annotated[Path, typer.Option(help="Data set in the layout that simulate writes.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; one that exists is continued.")],
    preset: Annotated[str, typer.Option(help="default, or kim2023 for the paper's settings.")] = "default",
    variant: Annotated[str, typer.Option(help="proposal, +fusion or +prototypes.")] = "+prototypes",
    validation_data: Annotated[
        Path | None, typer.Option(help="Data set to validate on; else subjects are held out.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the preset's.")] = None,
    time_limit_minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Finish within this time, over all parts of the run.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, each with a device of its own.")] = 1,
) -> None:
    """Train a detector on a data set; killed runs go on where they stood."""
    import logging

    from microbleeds.errors import InputError

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        from microbleeds.training import train as train_detector
    except ImportError as error:
        raise InputError(
            f"Training needs {error.name}; install it with pip install 'microbleeds[train]'."
        ) from error

    card = train_detector(
        data,
        preset,
        out,
        validation_data=validation_data,
        variant=variant,  # type: ignore[arg-type]
        steps=steps,
        time_limit_minutes=time_limit_minutes,
        seed=seed,
        device=device,
        devices=devices,
    )
    typer.echo(f"Weights: {out / 'weights.safetensors'} (sha256 {card.sha256[:12]})")
