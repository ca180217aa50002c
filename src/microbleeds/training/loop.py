"""The training loop, plain."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from microbleeds.training.batches import MixedSubjects, SubjectSource, batches
from microbleeds.training.finish import described, finish
from microbleeds.training.presets import Preset
from microbleeds.training.run_note import note_in_run
from microbleeds.training.start import Start
from microbleeds.training.stream import ReplayBuffer
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trace import Trace
from microbleeds.training.trainer import RunSettings, Trainer
from microbleeds.weights.card import Card
from microbleeds.weights.store import save_weights

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

LOG_EVERY = 20


def fit(
    source: SubjectSource,
    validation: Sequence[TrainingSubject],
    preset: Preset,
    settings: RunSettings,
    start: Start | None = None,
    fabric: Fabric | None = None,
) -> Card:
    """Run, or go on with, a training.

    Args:
        source: subjects to train on.
        validation: subjects to score; may be empty.
        preset: what to do.
        settings: where and how.
        start: weights to go on from.
        fabric: where several processes were started before.

    Returns:
        The card of ``settings.out/weights.safetensors``; without sha256 in all processes but the first.
    """
    trainer = Trainer(preset, settings, start, fabric)
    trace = None
    if trainer.fabric.is_global_zero:
        trace = Trace(settings.out, trainer.step, trainer.validated_at)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=trace is None) as bar:
        task = bar.add_task("training", total=preset.steps, completed=trainer.step)
        while trainer.progress < 1:
            _count(trainer, source)
            _between_steps(trainer, source, validation, trace)
            if trainer.progress >= 1:  # what was due took the rest of the time, or said that it is enough
                break
            for seen in _segment(trainer, source, trace):
                bar.update(task, completed=trainer.step, description=f"loss {seen['loss']:.3f}")
    _count(trainer, source)
    trainer.save()
    if trainer.validated_at != trainer.step:
        _validate(trainer, validation, trace)
    if trace is None:
        return described(trainer, "")
    card = finish(trainer, source, validation, trace)
    trace.close()
    note_in_run(settings.out, {"speed": _speed(trainer)})
    return card


def _count(trainer: Trainer, source: SubjectSource) -> None:
    """Note how many subjects were seen; of a simulator all that all processes drew, not only those kept."""
    present = len(source.own if isinstance(source, MixedSubjects) else source.subjects())
    if isinstance(source, ReplayBuffer):
        drawn = torch.tensor(float(source.drawn), device=trainer.fabric.device)
        present = int(torch.as_tensor(trainer.fabric.all_reduce(drawn, reduce_op="sum")))
    trainer.subjects = max(trainer.subjects, present)


def _between_steps(
    trainer: Trainer, source: SubjectSource, validation: Sequence[TrainingSubject], trace: Trace | None
) -> None:
    """Do what is due at this step: search hard negatives, validate."""
    if _due(trainer.step, trainer.preset.mine_every, trainer.mined_at):
        trainer.mine(source)
    if _due(trainer.step, trainer.preset.validate_every, trainer.validated_at):
        _validate(trainer, validation, trace)


def _segment(trainer: Trainer, source: SubjectSource, trace: Trace | None) -> Iterator[dict[str, float]]:
    """Train up to the next event, yielding what each step saw."""
    preset, step = trainer.preset, trainer.step
    events = [every * (step // every + 1) for every in (preset.mine_every, preset.validate_every) if every]
    steps = range(step, min([preset.steps, *events]))
    rank = trainer.fabric.global_rank
    stream = batches(
        source,
        trainer.mined,
        preset,
        steps,
        seed=trainer.settings.seed,
        rank=rank,
        workers=trainer.settings.workers,
    )
    for batch in trainer.clock.waiting(stream):
        with trainer.clock.step():
            seen = trainer.take(batch)
        if trainer.step % LOG_EVERY == 0:
            if trace is not None:
                trace.write(trainer.step, _means(trainer.recent) | trainer.clock.lap() | _state(trainer))
            trainer.recent.clear()
        if trainer.step % preset.checkpoint_every == 0:
            _count(trainer, source)
            trainer.save()
        yield seen
        if trainer.progress >= 1:
            break


def _validate(trainer: Trainer, validation: Sequence[TrainingSubject], trace: Trace | None) -> None:
    """Score the average weights and keep the best."""
    if not validation:
        return
    scores, better = trainer.validate(validation)
    if trace is None:
        return
    trace.write(trainer.step, {f"validation/{name}": value for name, value in scores.items()})
    text = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    log.info("Step %d, %.1f minutes: %s", trainer.step, trainer.elapsed_s / 60, text)
    if better:
        best = described(trainer, f"best at step {trainer.step}", scores)
        save_weights(trainer.settings.out / "best.safetensors", trainer.averaged(), best, half=False)
    trainer.save()


def _due(step: int, every: int, done_at: int) -> bool:
    """Whether something that happens every so many steps, and was last done at a step, is to be done now."""
    return every > 0 and step % every == 0 and step > done_at


def _state(trainer: Trainer) -> dict[str, float]:
    """What is logged of the run beside its losses."""
    return {"minutes": trainer.elapsed_s / 60, "left_out": float(trainer.left_out.total)}


def _speed(trainer: Trainer) -> dict[str, object]:
    """What the run's steps cost, for its record."""
    figures = {name: round(value, 4) for name, value in trainer.clock.figures().items()}
    minutes = round(trainer.elapsed_s / 60, 2)
    where = f"{trainer.compute.describe()}, {trainer.fabric.world_size} processes"
    return {"steps": trainer.step, **figures, "minutes": minutes, "compute": where}


def _means(entries: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each finite value over the entries that have it (steps that are left out may hold NaN)."""
    finite = [{name: value for name, value in entry.items() if math.isfinite(value)} for entry in entries]
    names = {name: None for entry in finite for name in entry}
    return {name: float(np.mean([e[name] for e in finite if name in e])) for name in names}
