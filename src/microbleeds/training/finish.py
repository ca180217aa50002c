"""The end of a run: its weights with calibrated scores, operating points and a card that says what they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import microbleeds
from microbleeds.networks.detector import Detector
from microbleeds.training.batches import SubjectSource
from microbleeds.training.best import merit_of
from microbleeds.training.judgement import Judgement, judge
from microbleeds.training.scoring import SubjectScore, curve_of, summary
from microbleeds.training.second_stage import refinements
from microbleeds.training.start import save_prototypes
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trace import Trace
from microbleeds.training.trainer import Trainer
from microbleeds.weights.card import Card, TrainingDescription
from microbleeds.weights.store import save_weights

NO_SECOND_STAGE = "no second stage"
START_AS_IT_WAS = "the start as it was"


@dataclass(frozen=True, eq=False)
class Choice:
    """Weights that a run may end with.

    Args:
        name: of their second stage.
        model: the detector.
        scored: the validation subjects with it.
    """

    name: str
    model: Detector
    scored: Sequence[SubjectScore]

    @property
    def merit(self) -> float:
        """How good it is; NaN where no microbleed says so."""
        return merit_of(summary(curve_of(self.scored)))


def finish(trainer: Trainer, source: SubjectSource, validation: Sequence[TrainingSubject], trace: Trace) -> Card:
    """Write the final weights with calibrated scores and operating points, and the prototypes beside them."""
    model, note = trainer.averaged(), "last average of weights"
    best = trainer.best_detector() if validation else None
    if best is not None:
        model, note = best, f"average of weights, best at step {trainer.best.step}"
    models = {**_start_of(trainer), NO_SECOND_STAGE: model, **refinements(trainer, model, source, trace)}
    final, how = best_of([Choice(name, m, trainer.score(m, validation)) for name, m in models.items()])
    if final.name == START_AS_IT_WAS:
        note = "nothing that was learned was better"
    judged = judge(trainer, final.model, final.scored, validation)
    card = described(trainer, note + how + judged.note + history(trainer), judged.scores, judged)
    path = trainer.settings.out / "weights.safetensors"
    card = save_weights(path, final.model, card)
    if trainer.objective.prototypes is not None and bool(trainer.objective.prototypes.started):
        save_prototypes(path, trainer.objective.prototypes, card)
    return card


def _start_of(trainer: Trainer) -> dict[str, Detector]:
    """Both stages of the weights that a fine-tuning started from; its validations judge first stages alone."""
    start = trainer.start
    if start is None or start.refinement is None or not trainer.preset.at_start:
        return {}
    model = Detector(start.card.architecture)
    model.load_state_dict(start.weights)
    return {START_AS_IT_WAS: model.eval()}


def best_of(choices: Sequence[Choice]) -> tuple[Choice, str]:
    """Choose on the validation subjects, of equal ones the last, which learned most; and say how it was chosen."""
    if len(choices) == 1:
        return choices[0], "" if choices[0].name == NO_SECOND_STAGE else f"; {choices[0].name}"
    merits = [choice.merit for choice in choices]
    if any(math.isnan(merit) for merit in merits):
        return choices[-1], f"; {choices[-1].name}, which was COMPARED ON NO MICROBLEED"
    chosen = max(range(len(choices)), key=lambda n: (merits[n], n))
    compared = ", ".join(f"{c.name} {merit:.3f}" for c, merit in zip(choices, merits, strict=True))
    return choices[chosen], f"; {choices[chosen].name} (merit on the validation scans: {compared})"


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
    if trainer.left_out.total:
        note += f"; {trainer.left_out.total} steps left out (not finite)"
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
        calibration=judged.scoring.calibration,
        operating_points=judged.scoring.operating_points,
        without_phase=judged.without_phase,
        search_window=preset.search_window,
    )
