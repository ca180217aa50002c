"""`microbleeds cross-validate`: how well training on one's own scans works, on subjects that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microbleeds.cli.choices import PhaseSign
from microbleeds.cli.training_options import (
    Data,
    Device,
    Seed,
    Share,
    Sign,
    Simulated,
    Steps,
    ValidationSubjects,
    Weights,
    begin_training,
    mixed_in,
)
from microbleeds.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from microbleeds.evaluate import Interval
    from microbleeds.training.out_of_fold import PooledScores


def cross_validate(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the result; one that was broken off is continued.")],
    folds: Annotated[int, typer.Option(min=2, help="Parts of the subjects, each left out once.")] = 5,
    fold: Annotated[int | None, typer.Option(min=1, help="Run this one alone, as a task on a cluster.")] = None,
    finetune: Annotated[
        bool, typer.Option("--finetune", help="Fine-tune in each fold, not from scratch.")
    ] = False,
    weights: Weights = None,
    preset: Annotated[
        str | None, typer.Option(help="default, or kim2023 for the paper's settings; not with --finetune.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="proposal, +fusion, +prototypes or +refinement; not with --finetune.")
    ] = None,
    simulated: Simulated = None,
    simulated_share: Share = 0.5,
    validation_subjects: ValidationSubjects = 6,
    steps: Steps = None,
    patience: Annotated[
        int | None, typer.Option(min=0, help="As of train, or of finetune with --finetune.")
    ] = None,
    time_limit_minutes: Annotated[float | None, typer.Option(min=0.0, help="Of each fold's training.")] = None,
    phase_sign: Sign = PhaseSign.AUTO,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train on all but one fold and search that one, for each fold; pool what was found."""
    begin_training()
    from microbleeds.training.cross_validation import CrossValidation
    from microbleeds.training.cross_validation import cross_validate as run
    from microbleeds.training.finetune import FinetuneSettings

    if weights is not None and not finetune:
        raise InputError("--weights is where --finetune starts from; give both, or neither.")
    if finetune and (preset is not None or variant is not None):
        raise InputError("--finetune keeps the network of its weights; leave --preset and --variant out.")
    usual = FinetuneSettings()
    how = FinetuneSettings(steps=steps or usual.steps, patience=usual.patience if patience is None else patience)
    request = CrossValidation(
        data,
        out,
        folds=folds,
        seed=seed,
        finetune=finetune,
        weights=weights,
        how=how,
        preset=preset or "default",
        variant=variant,  # type: ignore[arg-type]
        steps=steps,
        patience=patience or 0,
        mix=mixed_in(simulated, simulated_share),
        validation_subjects=validation_subjects,
        phase_sign=phase_sign.value,
        time_limit_minutes=time_limit_minutes,
        device=device,
    )
    _show(run(request, fold), out)


def _show(scores: PooledScores | None, out: Path) -> None:
    """Print the pooled scores, or that folds are missing."""
    from rich.console import Console

    if scores is None:
        typer.echo(f"Other folds of {out} are not done yet; the last one writes the summary.")
        return
    Console().print(_table(scores))
    typer.echo(f"Summary: {out / 'summary.json'} and {out / 'summary.tsv'}")


def _table(scores: PooledScores) -> Table:
    """Show the pooled scores with their intervals."""
    from rich.table import Table

    table = Table(
        "out of fold",
        "95 % interval over subjects",
        title=f"{scores.subjects} subjects, {scores.scans} scans, {scores.microbleeds} microbleeds",
    )
    for number, interval in scores.sensitivity_at.items():
        table.add_row(f"sensitivity at {number} false positives per scan", _text(interval))
    table.add_row("mean of these", _text(scores.mean_sensitivity))
    for point, figures in scores.operating.items():
        for name, interval in figures.items():
            table.add_row(f"{point}: {name.replace('_', ' ')}", _text(interval))
    return table


def _text(interval: Interval) -> str:
    """Write a value with its interval."""
    if interval.value is None:
        return "n/a"
    if interval.low is None or interval.high is None:
        return f"{interval.value:.2f}"
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
