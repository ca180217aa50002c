"""`microbleeds train`: train a detector, or continue a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from microbleeds.training.simulated import DrawSimulated

TRAINING_HEADS = 10  # of the 16 public label maps; the rest validate and test (docs/scoring.md)


def train(
    out: Annotated[Path, typer.Option(help="Folder of the run; one that exists is continued.")],
    data: Annotated[Path | None, typer.Option(help="Data set in the layout that simulate writes.")] = None,
    stream: Annotated[
        str | None, typer.Option(help="Instead of data: a protocol (or mixed) to simulate while training.")
    ] = None,
    anatomy: Annotated[Path | None, typer.Option(help="With --stream: folder of label maps.")] = None,
    heads: Annotated[
        int, typer.Option(min=1, help="With --stream: use the first so many label maps by name.")
    ] = TRAINING_HEADS,
    preset: Annotated[str, typer.Option(help="default, or kim2023 for the paper's settings.")] = "default",
    variant: Annotated[str, typer.Option(help="proposal, +fusion or +prototypes.")] = "+prototypes",
    validation_data: Annotated[
        list[Path] | None,
        typer.Option(help="Data set to validate on, may be given again; else up to a fifth is held out."),
    ] = None,
    validation_subjects: Annotated[int, typer.Option(min=0, help="At most so many, of each data set.")] = 6,
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

    if anatomy is not None and stream is None:
        raise InputError("--anatomy is for --stream only; a data set (--data) has its heads already.")
    card = train_detector(
        data,
        preset,
        out,
        simulated=None if stream is None else _simulator(stream, anatomy, heads, seed, device),
        validation_data=tuple(validation_data or ()),
        validation_subjects=validation_subjects,
        variant=variant,  # type: ignore[arg-type]
        steps=steps,
        time_limit_minutes=time_limit_minutes,
        seed=seed,
        device=device,
        devices=devices,
    )
    if card.sha256:  # only the first of several processes writes the weights
        typer.echo(f"Weights: {out / 'weights.safetensors'} (sha256 {card.sha256[:12]})")


def _simulator(protocol: str, anatomy: Path | None, heads: int, seed: int, device: str) -> DrawSimulated:
    """What --stream trains on: the rich cohort, four scans of each head.

    Raises:
        InputError: without label maps; the MNI152 head is the demo's and is never trained on.
    """
    from microbleeds.errors import InputError
    from microbleeds.simulate.cohort import CohortSettings, anatomies_in
    from microbleeds.training.simulated import DrawSimulated

    if anatomy is None:
        raise InputError("--stream needs a folder of label maps (--anatomy).")
    settings = CohortSettings(protocol, "mixed", "rich", scans_per_head=4)
    return DrawSimulated(settings, seed, tuple(anatomies_in(anatomy)[:heads]), device)
