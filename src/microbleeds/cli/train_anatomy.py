"""`microbleeds train-anatomy`: train the network that finds the brain and its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train_anatomy(
    anatomy: Annotated[Path, typer.Option(help="Folder of label maps; the first ten are trained on.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; one that was broken off is continued.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the default's.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Train the segmentation of the brain on label maps with random contrasts."""
    import logging
    from dataclasses import replace

    from microbleeds.training.anatomy.loop import AnatomyTraining
    from microbleeds.training.anatomy.release import train_anatomy as train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = replace(AnatomyTraining(), seed=seed)
    card = train(anatomy, out, settings if steps is None else replace(settings, steps=steps))
    typer.echo(f"Weights: {out / 'anatomy.safetensors'} (sha256 {card.sha256[:12]})")
