"""`microbleeds train-anatomy`: train the network that finds the brain and its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train_anatomy(
    anatomy: Annotated[Path, typer.Option(help="Folder of label maps; the first ten are trained on.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; one that was broken off is continued.")],
    data: Annotated[
        Path | None, typer.Option(help="Simulated scans of these heads (simulate), to learn from too.")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Weights (anatomy.safetensors) to go on from.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the default's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    coordinates: Annotated[
        bool, typer.Option("--coordinates", help="Feed the paper's coordinate maps too.")
    ] = False,
) -> None:
    """Train the segmentation of the brain on label maps with random contrasts and on simulated scans."""
    import logging
    from dataclasses import replace

    import torch

    from microbleeds.compute import choose
    from microbleeds.training.anatomy.loop import AnatomyTraining
    from microbleeds.training.anatomy.release import train_anatomy as train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    compute = choose(device)
    settings = AnatomyTraining(
        seed=seed,
        device=str(compute.device),
        bfloat16=compute.dtype == torch.bfloat16,
        coordinates=coordinates,
    )
    card = train(anatomy, out, settings if steps is None else replace(settings, steps=steps), data, start)
    typer.echo(f"Weights: {out / 'anatomy.safetensors'} (sha256 {card.sha256[:12]})")
