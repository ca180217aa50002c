"""`microbleeds finetune`: go on from trained weights with a few labelled scans of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from microbleeds.cli.choices import PhaseSign
from microbleeds.cli.training_options import (
    Data,
    Device,
    Devices,
    FreezeNorms,
    Minutes,
    Patience,
    Run,
    Seed,
    Share,
    Sign,
    Simulated,
    ValidationData,
    ValidationSubjects,
    Weights,
    begin_training,
    mixed_in,
)


def finetune(
    data: Data,
    out: Run,
    weights: Weights = None,
    simulated: Simulated = None,
    simulated_share: Share = 0.5,
    validation_data: ValidationData = None,
    validation_subjects: ValidationSubjects = 6,
    steps: Annotated[int, typer.Option(min=1, help="Of the optimiser, at most.")] = 300,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between validations.")] = 50,
    patience: Patience = 3,
    refinement_steps: Annotated[
        int, typer.Option(min=0, help="Of the second stage, where the weights have one; with 0 it learns nothing.")
    ] = 150,
    freeze_norms: FreezeNorms = False,
    time_limit_minutes: Minutes = None,
    phase_sign: Sign = PhaseSign.AUTO,
    seed: Seed = 0,
    device: Device = "auto",
    devices: Devices = 1,
) -> None:
    """Fine-tune weights on labelled scans; killed runs go on where they stood."""
    begin_training()
    from microbleeds.training.finetune import FinetuneSettings
    from microbleeds.training.finetune import finetune as finetune_detector

    card = finetune_detector(
        data,
        out,
        weights=weights,
        how=FinetuneSettings(
            steps=steps,
            validate_every=validate_every,
            patience=patience,
            frozen_norms=freeze_norms,
            refinement_steps=refinement_steps,
        ),
        mix=mixed_in(simulated, simulated_share),
        validation_data=tuple(validation_data or ()),
        validation_subjects=validation_subjects,
        phase_sign=phase_sign.value,
        time_limit_minutes=time_limit_minutes,
        seed=seed,
        device=device,
        devices=devices,
    )
    if card.sha256:  # only the first of several processes writes the weights
        typer.echo(f"Weights: {out / 'weights.safetensors'} (sha256 {card.sha256[:12]})")
        typer.echo(f"How they were made: {card.training.notes}.")
