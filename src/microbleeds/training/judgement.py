"""What the validation subjects of a run say of its weights: figures, calibration and operating points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from microbleeds.networks.detector import Detector
from microbleeds.training.calibrate import FEWEST_OF_A_KIND, kinds_of, scoring_of
from microbleeds.training.scoring import SubjectScore, curve_of, summary
from microbleeds.training.start import Start
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trainer import Trainer
from microbleeds.weights.card import Scoring

NOT_CALIBRATED = "scores are not calibrated"


@dataclass(frozen=True)
class Judgement:
    """What the validation subjects say about weights.

    Args:
        scores: figure to value.
        scoring: calibration and thresholds, of scans with phase.
        without_phase: both for scans without phase, where they are others.
        note: where calibration and thresholds come from.
    """

    scores: dict[str, float] = field(default_factory=dict)
    scoring: Scoring = field(default_factory=Scoring)
    without_phase: Scoring | None = None
    note: str = ""


def judge(
    trainer: Trainer, model: Detector, scored: Sequence[SubjectScore], validation: Sequence[TrainingSubject]
) -> Judgement:
    """Scores, calibration and operating points on the validation subjects, with their phase and without.

    Where those with phase are too few, or those without, that side keeps the calibration and the points of the
    weights that the run started from; they were chosen on more. They say nothing of weights that got a second
    stage, or lost theirs.

    Args:
        trainer: of the run.
        model: its weights, with their second stage.
        scored: the validation subjects, with the phase that they have.
        validation: these subjects.
    """
    start = trainer.start
    if start is not None and (model.refinement is None) != (start.refinement is None):
        start = None
    if not validation:
        why = f"NO VALIDATION DATA: {NOT_CALIBRATED} and the thresholds are defaults"
        return Judgement({}, *_of(start), _kept(why, start))
    with_phase = _with_phase(trainer, scored, validation)
    count = f"{len(validation)} validation scans ({sum(len(s.bleeds) for s in validation)} microbleeds)"
    figures = summary(curve_of(scored))
    too_little = f"too little in {count} to calibrate on: {NOT_CALIBRATED}"
    if with_phase:
        enough = _enough(with_phase)
        scoring = start.card.scoring(with_phase=True) if start and not enough else scoring_of(with_phase)
        note = f"; calibrated on {count}" if enough else _kept(too_little, start)
        without, said = _without_phase(trainer, model, validation, start)
        return Judgement(figures, scoring, without, note + said)
    fitted = scoring_of(scored, with_phase=False)
    if not _enough(scored):
        points = _of(start) if start else (fitted, None)
        return Judgement(figures, *points, _kept(too_little, start))
    known = start.card.scoring(with_phase=True) if start else fitted
    of_phase = f"those of {start.card.name}, NOT FITTED to these scans" if start else "the same"
    note = f"; calibrated on {count}, none of which has phase; with phase scores count as {of_phase}"
    return Judgement(figures, known, fitted, note)


def _enough(scored: Sequence[SubjectScore]) -> bool:
    """Whether there are hits and false positives enough to fit a calibration to."""
    return min(kinds_of(scored)) >= FEWEST_OF_A_KIND


def _with_phase(
    trainer: Trainer, scored: Sequence[SubjectScore], validation: Sequence[TrainingSubject]
) -> Sequence[SubjectScore]:
    """Those of subjects that have their phase; all for a network that never looks at it."""
    if not trainer.preset.sees_phase:
        return scored
    return [score for score, subject in zip(scored, validation, strict=True) if subject.has_phase]


def _without_phase(
    trainer: Trainer, model: Detector, validation: Sequence[TrainingSubject], start: Start | None
) -> tuple[Scoring | None, str]:
    """Calibration and operating points without phase, and what is to be said of them."""
    if not trainer.preset.sees_phase:
        return None, ""
    scored = trainer.score(model, validation, with_phase=False)
    if _enough(scored):
        return scoring_of(scored, with_phase=False), ""
    if start is None:
        return None, "; too little to calibrate scores without phase on: they count as with phase"
    return (
        start.card.scoring(with_phase=False),
        f"; without phase too little: calibration and thresholds are those of {start.card.name}, NOT FITTED",
    )


def _of(start: Start | None) -> tuple[Scoring, Scoring | None]:
    """Calibration and operating points to fall back on, with phase and without."""
    return (start.card.scoring(with_phase=True), start.card.without_phase) if start else (Scoring(), None)


def _kept(why: str, start: Start | None) -> str:
    """Say what the thresholds are instead."""
    if start is None:
        return f"; {why}"
    why = why.split(":")[0]
    return f"; {why}: calibration and thresholds are those of {start.card.name}, NOT FITTED to these scans"
