"""`microbleeds train`: train a detector, or continue a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microbleeds.cli.choices import PhaseSign
from microbleeds.cli.training_options import (
    Device,
    Devices,
    FirstStageSteps,
    FreezeNorms,
    Minutes,
    OptionalData,
    Patience,
    Preset,
    RefinementSteps,
    Run,
    Seed,
    Share,
    Sign,
    Simulated,
    ValidationData,
    ValidationSubjects,
    Variant,
    begin_training,
    mixed_in,
)
from microbleeds.errors import InputError

if TYPE_CHECKING:
    from microbleeds.training.simulated import DrawSimulated

TRAINING_HEADS = 10  # of the 16 public label maps; the rest validate and test (docs/scoring.md)


def train(
    out: Run,
    data: OptionalData = None,
    stream: Annotated[
        str | None, typer.Option(help="Instead of data: a protocol (or mixed) to simulate while training.")
    ] = None,
    anatomy: Annotated[Path | None, typer.Option(help="With --stream: folder of label maps.")] = None,
    heads: Annotated[
        int, typer.Option(min=1, help="With --stream: use the first so many label maps by name.")
    ] = TRAINING_HEADS,
    simulated: Simulated = None,
    simulated_share: Share = 0.5,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Weights (.safetensors) to go on from; from the mean if given again."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.0, help="Peak learning rate of each stage, instead of the preset's.")
    ] = None,
    freeze_norms: FreezeNorms = False,
    preset: Preset = "default",
    variant: Variant = None,
    validation_data: ValidationData = None,
    validation_subjects: ValidationSubjects = 6,
    steps: FirstStageSteps = None,
    refinement_steps: RefinementSteps = None,
    patience: Patience = 0,
    time_limit_minutes: Minutes = None,
    phase_sign: Sign = PhaseSign.AUTO,
    seed: Seed = 0,
    device: Device = "auto",
    devices: Devices = 1,
) -> None:
    """Train a detector on a data set; killed runs go on where they stood."""
    begin_training()
    from microbleeds.training import train as train_detector

    card = train_detector(
        data,
        preset,
        out,
        simulated=_simulator(stream, anatomy, heads, seed, device),
        mix=mixed_in(simulated, simulated_share),
        weights=tuple(weights or ()),
        rate=rate,
        frozen_norms=freeze_norms,
        validation_data=tuple(validation_data or ()),
        validation_subjects=validation_subjects,
        variant=variant,  # type: ignore[arg-type]
        steps=steps,
        refinement_steps=refinement_steps,
        patience=patience,
        phase_sign=phase_sign.value,
        time_limit_minutes=time_limit_minutes,
        seed=seed,
        device=device,
        devices=devices,
    )
    if card.sha256:  # only the first of several processes writes the weights
        typer.echo(f"Weights: {out / 'weights.safetensors'} (sha256 {card.sha256[:12]})")


def _simulator(
    protocol: str | None, anatomy: Path | None, heads: int, seed: int, device: str
) -> DrawSimulated | None:
    """What --stream trains on, if it is given: the rich cohort, four scans of each head.

    Raises:
        InputError: without label maps (the MNI152 head is the demo's and is never trained on), or with them alone.
    """
    if protocol is None and anatomy is not None:
        raise InputError("--anatomy is for --stream only; a data set (--data) has its heads already.")
    if protocol is None:
        return None
    from microbleeds.simulate.cohort import CohortSettings, anatomies_in
    from microbleeds.training.simulated import DrawSimulated

    if anatomy is None:
        raise InputError("--stream needs a folder of label maps (--anatomy).")
    settings = CohortSettings(protocol, "mixed", "rich", scans_per_head=4)
    return DrawSimulated(settings, seed, tuple(anatomies_in(anatomy)[:heads]), device)
