"""The end of a run: its weights with calibrated scores, operating points and a card that says what they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

import microbleeds
from microbleeds.networks.detector import Detector
from microbleeds.training.batches import SubjectSource
from microbleeds.training.best import merit_of
from microbleeds.training.calibrate import FEWEST_OF_A_KIND, fit_calibration, kinds_of, operating_points
from microbleeds.training.scoring import SubjectScore, curve_of, summary
from microbleeds.training.second_stage import refinements
from microbleeds.training.start import Start, save_prototypes
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trace import Trace
from microbleeds.training.trainer import Trainer
from microbleeds.weights.card import Calibration, Card, OperatingPoints, TrainingDescription
from microbleeds.weights.store import save_weights


@dataclass(frozen=True)
class Judgement:
    """What the validation subjects say about weights.

    Args:
        scores: figure to value.
        calibration: raw logit to score.
        points: thresholds.
        note: where calibration and thresholds come from.
    """

    scores: dict[str, float] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    points: OperatingPoints = field(default_factory=OperatingPoints)
    note: str = ""


@dataclass(frozen=True, eq=False)
class Final:
    """The weights that a run ends with.

    Args:
        model: the detector.
        scored: the validation subjects with it.
        note: which weights these are.
    """

    model: Detector
    scored: Sequence[SubjectScore]
    note: str


def finish(trainer: Trainer, source: SubjectSource, validation: Sequence[TrainingSubject], trace: Trace) -> Card:
    """Write the final weights with calibrated scores and operating points, and the prototypes beside them."""
    model, note = trainer.averaged(), "last average of weights"
    best = trainer.best_detector() if validation else None
    if best is not None:
        model, note = best, f"average of weights, best at step {trainer.best.step}"
    final = with_second_stage(
        trainer, Final(model, trainer.score(model, validation), note), source, validation, trace
    )
    judged = judge(trainer, final.scored, validation)
    card = described(trainer, final.note + judged.note + history(trainer), judged.scores, judged)
    model, path = final.model, trainer.settings.out / "weights.safetensors"
    card = save_weights(path, model, card)
    if trainer.objective.prototypes is not None and bool(trainer.objective.prototypes.started):
        save_prototypes(path, trainer.objective.prototypes, card)
    return card


def with_second_stage(
    trainer: Trainer,
    first: Final,
    source: SubjectSource,
    validation: Sequence[TrainingSubject],
    trace: Trace,
) -> Final:
    """Add the second stage that is best on the validation subjects, or none; of equal ones that learned last."""
    choices = [first]
    for name, model in refinements(trainer, first.model, source, trace).items():
        choices.append(Final(model, trainer.score(model, validation), name))
    if len(choices) == 1:
        return first
    merits = [merit_of(summary(curve_of(choice.scored))) for choice in choices]
    if any(math.isnan(merit) for merit in merits):  # no microbleed to judge by
        return replace(choices[-1], note=f"{first.note}; {choices[-1].note}, NOT COMPARED on any microbleed")
    chosen = max(range(len(choices)), key=lambda n: (merits[n], n))
    others = ", ".join(f"{m:.3f} with {c.note}" for m, c in zip(merits[1:], choices[1:], strict=True))
    kept = choices[chosen].note if chosen else "no second stage is kept"
    note = f"{first.note}; {kept} (validation {merits[0]:.3f} without a second stage, {others})"
    return replace(choices[chosen], note=note)


def judge(trainer: Trainer, scored: Sequence[SubjectScore], validation: Sequence[TrainingSubject]) -> Judgement:
    """Scores, calibration and operating points on the validation subjects, as they were scored.

    Where these are too few, the calibration or the points of the weights that the run started from stay; they
    were chosen on more.
    """
    start = trainer.start
    if not validation:
        kept = _kept("NO VALIDATION DATA: scores are not calibrated and the thresholds are defaults", start)
        return Judgement({}, *_of(start), kept)
    curve = curve_of(scored)
    count = f"{len(validation)} validation scans ({sum(len(s.bleeds) for s in validation)} microbleeds)"
    enough = min(kinds_of(scored)) >= FEWEST_OF_A_KIND
    too_little = f"too little in {count} to calibrate on: scores are not calibrated"
    if start is not None and not enough:
        return Judgement(summary(curve), *_of(start), _kept(too_little, start))
    calibration = fit_calibration(scored)
    points = operating_points(curve, calibration)
    note = f"; calibrated on {count}" if enough else f"; {too_little}"
    return Judgement(summary(curve), calibration, points, note)


def _of(start: Start | None) -> tuple[Calibration, OperatingPoints]:
    """Calibration and operating points to fall back on."""
    return (start.card.calibration, start.card.operating_points) if start else (Calibration(), OperatingPoints())


def _kept(why: str, start: Start | None) -> str:
    """Say what the thresholds are instead."""
    if start is None:
        return f"; {why}"
    why = why.split(":")[0]
    return f"; {why}: calibration and thresholds are those of {start.card.name}, NOT FITTED to these scans"


def history(trainer: Trainer) -> str:
    """What happened in the run that its user must know."""
    note = ""
    if 0 < trainer.preset.patience <= trainer.best.since:
        note += f"; ended early at step {trainer.step} after {trainer.best.since} validations without a better one"
    if trainer.watch.failing:
        note += f"; PROTOTYPES DID NOT TRAIN (L_con {trainer.watch.mean:.2f})"
    prototypes = trainer.objective.prototypes
    if prototypes is not None and not bool(prototypes.started) and trainer.preset.steps:
        note += "; THE PROTOTYPES NEVER STARTED (too few steps, or no microbleed was seen)"
    if trainer.left_out:
        note += f"; {trainer.left_out} steps left out (not finite)"
    if trainer.start is not None:
        card = trainer.start.card
        note += f"; started from {card.name}, sha256 {card.sha256}"
        note += f", which learned from {card.training.subjects} scans of {card.training.data}"
    return note


def described(
    trainer: Trainer, notes: str, scores: dict[str, float] | None = None, judged: Judgement | None = None
) -> Card:
    """Describe weights of this run."""
    preset, settings = trainer.preset, trainer.settings
    judged = judged or Judgement()
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
            based_on=preset.based_on,
            steps=trainer.step,
            seed=settings.seed,
            minutes=round(trainer.elapsed_s / 60, 1),
            flips=preset.augment.flips > 0,
            notes=notes,
        ),
        scores={
            f"validation_{name}": round(value, 4)
            for name, value in (scores or {}).items()
            if not math.isnan(value)
        },
        calibration=judged.calibration,
        operating_points=judged.points,
        search_window=preset.search_window,
    )
