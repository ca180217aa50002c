"""The training loop, plain, and the card at its end."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import microbleeds
from microbleeds.networks.detector import Detector
from microbleeds.training.batches import SubjectSource, batches
from microbleeds.training.calibrate import fit_calibration, operating_points
from microbleeds.training.presets import Preset
from microbleeds.training.scoring import curve_of, summary
from microbleeds.training.stream import ReplayBuffer
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trace import Trace
from microbleeds.training.trainer import RunSettings, Trainer
from microbleeds.weights.card import Calibration, Card, OperatingPoints, TrainingDescription
from microbleeds.weights.store import load_detector, save_weights

log = logging.getLogger(__name__)

LOG_EVERY = 20


def fit(
    source: SubjectSource, validation: Sequence[TrainingSubject], preset: Preset, settings: RunSettings
) -> Card:
    """Run, or go on with, a training.

    Args:
        source: subjects to train on.
        validation: subjects to score; may be empty.
        preset: what to do.
        settings: where and how.

    Returns:
        The card of ``settings.out/weights.safetensors``.
    """
    trainer = Trainer(preset, settings)
    trace = Trace(settings.out, trainer.step) if trainer.fabric.is_global_zero else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=trace is None) as bar:
        task = bar.add_task("training", total=preset.steps, completed=trainer.step)
        while trainer.progress < 1:
            _count(trainer, source)
            _between_steps(trainer, source, validation, trace)
            for seen in _segment(trainer, source, trace):
                bar.update(task, completed=trainer.step, description=f"loss {seen['loss']:.3f}")
    _count(trainer, source)
    trainer.save()
    _validate(trainer, validation, trace)
    card = _finish(trainer, validation)
    if trace is not None:
        trace.close()
    return card


def _count(trainer: Trainer, source: SubjectSource) -> None:
    """Note how many subjects were seen; of a simulator all that it drew, not only those kept."""
    present = source.drawn if isinstance(source, ReplayBuffer) else len(source.subjects())
    trainer.subjects = max(trainer.subjects, present)


def _between_steps(
    trainer: Trainer, source: SubjectSource, validation: Sequence[TrainingSubject], trace: Trace | None
) -> None:
    """Do what is due at this step: search hard negatives, validate."""
    if _due(trainer.step, trainer.preset.mine_every) and trainer.mined_at != trainer.step:
        trainer.mine(source.subjects())
    if _due(trainer.step, trainer.preset.validate_every) and trainer.validated_at != trainer.step:
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
    recent: list[dict[str, float]] = []
    for batch in stream:
        seen = trainer.take(batch)
        recent.append(seen)
        if trainer.step % LOG_EVERY == 0 and trace is not None:
            trace.write(trainer.step, _means(recent) | _state(trainer))
            recent.clear()
        if trainer.step % preset.checkpoint_every == 0:
            _count(trainer, source)
            trainer.save()
        yield seen
        if trainer.fabric.broadcast(trainer.progress) >= 1:
            break


def _validate(trainer: Trainer, validation: Sequence[TrainingSubject], trace: Trace | None) -> None:
    """Score the average weights and keep the best."""
    if not validation or trace is None:
        return
    scores = trainer.validate(validation)
    trace.write(trainer.step, {f"validation/{name}": value for name, value in scores.items()})
    text = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    log.info("Step %d, %.1f minutes: %s", trainer.step, trainer.elapsed_s / 60, text)
    # The figure of merit alone moves in steps of one bleed; the mean over the curve breaks ties.
    merit = scores["sensitivity_at_1_fp"] + 0.1 * scores["mean_sensitivity"]
    if not math.isnan(merit) and merit >= trainer.best:
        trainer.best = merit
        best = _card(trainer, f"best at step {trainer.step}", scores)
        save_weights(trainer.settings.out / "best.safetensors", trainer.averaged(), best, half=False)
    trainer.save()


def _finish(trainer: Trainer, validation: Sequence[TrainingSubject]) -> Card:
    """Write the final weights with calibrated scores and operating points."""
    out = trainer.settings.out
    best_path, model, note = out / "best.safetensors", trainer.averaged(), "last average of weights"
    if validation and best_path.exists():
        best = load_detector(best_path)
        model, note = best.model, f"average of weights, {best.card.training.notes}"
    if trainer.watch.failing:
        note += f"; PROTOTYPES DID NOT TRAIN (L_con {trainer.watch.mean:.2f})"
    if trainer.left_out:
        note += f"; {trainer.left_out} steps left out (not finite)"
    if not validation:
        note += "; NO VALIDATION DATA: scores are not calibrated and the thresholds are defaults"
    scores, calibration, points = _calibrated(trainer, model, validation)
    card = _card(trainer, note, scores, calibration, points)
    if not trainer.fabric.is_global_zero:
        return card
    return save_weights(out / "weights.safetensors", model, card)


def _calibrated(
    trainer: Trainer, model: Detector, validation: Sequence[TrainingSubject]
) -> tuple[dict[str, float], Calibration, OperatingPoints]:
    """Scores, calibration and operating points on the validation subjects."""
    if not validation:
        return {}, Calibration(), OperatingPoints()
    scored = trainer.score(model, validation)
    curve, calibration = curve_of(scored), fit_calibration(scored)
    return summary(curve), calibration, operating_points(curve, calibration)


def _card(
    trainer: Trainer,
    notes: str,
    scores: dict[str, float],
    calibration: Calibration | None = None,
    points: OperatingPoints | None = None,
) -> Card:
    """Describe weights of this run."""
    preset, settings = trainer.preset, trainer.settings
    return Card(
        name=f"{preset.name}-seed{settings.seed}",
        package_version=microbleeds.__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        architecture=preset.architecture,
        preparation=preset.preparation,
        training=TrainingDescription(
            data=settings.data,
            simulated=settings.simulated,
            subjects=trainer.subjects,
            preset=preset.name,
            steps=trainer.step,
            seed=settings.seed,
            minutes=round(trainer.elapsed_s / 60, 1),
            notes=notes,
        ),
        scores={f"validation_{name}": round(value, 4) for name, value in scores.items() if not math.isnan(value)},
        calibration=calibration or Calibration(),
        operating_points=points or OperatingPoints(),
    )


def _due(step: int, every: int) -> bool:
    """Whether something that happens every so many steps happens now."""
    return every > 0 and step > 0 and step % every == 0


def _state(trainer: Trainer) -> dict[str, float]:
    """What is logged of the run beside its losses."""
    return {"minutes": trainer.elapsed_s / 60, "left_out": float(trainer.left_out)}


def _means(entries: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each finite value over the entries that have it (steps that are left out may hold NaN)."""
    finite = [{name: value for name, value in entry.items() if math.isfinite(value)} for entry in entries]
    names = {name: None for entry in finite for name in entry}
    return {name: float(np.mean([e[name] for e in finite if name in e])) for name in names}
