"""What the validation subjects say about the weights of a run, with their phase and without."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
from toy_subjects import toy_preset, toy_subject

from microbleeds.evaluate import match
from microbleeds.networks.detector import Detector
from microbleeds.training.calibrate import scoring_of
from microbleeds.training.finish import NO_SECOND_STAGE, Choice, judge
from microbleeds.training.presets import Preset
from microbleeds.training.scoring import SubjectScore
from microbleeds.training.subjects import TrainingSubject

PRESET = toy_preset()
MODEL = Detector(PRESET.architecture)
VALIDATION = [toy_subject(n) for n in range(6)]


def scored(*given: tuple[float, bool]) -> list[SubjectScore]:
    """Six subjects, each with these candidates: their scores, and whether they are hits."""
    scores, hits = np.array([score for score, _ in given]), np.array([hit for _, hit in given], dtype=bool)
    places = np.array([[20.0 * n, 0, 0] for n in range(len(given))])
    return [SubjectScore(s.name, places, scores, match(places, scores, places[hits])) for s in VALIDATION]


WITH_PHASE = scored((0.9, True), (0.8, True), (0.2, False))
WITHOUT_PHASE = scored((0.9, True), (0.85, False), (0.8, True), (0.5, False))


@dataclass
class Asked:
    """Stands for a trainer: searches without phase, and remembers that it did."""

    found: list[SubjectScore]
    preset: Preset = PRESET
    start: None = None
    without_phase: list[int] = field(default_factory=list)

    def score(self, model: Detector, subjects: list[TrainingSubject], *, with_phase: bool) -> list[SubjectScore]:
        assert model is MODEL
        assert not with_phase
        self.without_phase.append(len(subjects))
        return self.found


FINAL = Choice(NO_SECOND_STAGE, MODEL, WITH_PHASE)


def test_scores_without_phase_are_calibrated_by_themselves() -> None:
    trainer = Asked(WITHOUT_PHASE)
    judged = judge(trainer, FINAL, VALIDATION)  # type: ignore[arg-type]
    assert trainer.without_phase == [6]
    assert judged.scoring == scoring_of(WITH_PHASE)
    assert judged.without_phase == scoring_of(WITHOUT_PHASE, with_phase=False)
    assert judged.without_phase != judged.scoring
    logit = np.log(0.85 / 0.15)
    sure, less_sure = (one.calibration.score(logit) for one in (judged.scoring, judged.without_phase))
    assert less_sure < sure, "half of what looks so without phase is none"


@pytest.mark.parametrize(
    ("found", "preset", "validation", "asked"),
    [
        (scored((0.9, True)), PRESET, VALIDATION, [6]),
        (
            WITHOUT_PHASE,
            PRESET,
            [dataclasses.replace(s, image=s.image * np.array([1, 0]).reshape(2, 1, 1, 1)) for s in VALIDATION],
            [],
        ),
        (
            WITHOUT_PHASE,
            dataclasses.replace(PRESET, augment=dataclasses.replace(PRESET.augment, phase_dropout=1.0)),
            VALIDATION,
            [],
        ),
    ],
    ids=["too little to calibrate on", "no phase anyway", "a network that never sees it"],
)
def test_else_they_are_scored_as_with_phase(
    found: list[SubjectScore], preset: Preset, validation: list[TrainingSubject], asked: list[int]
) -> None:
    trainer = Asked(found, preset)
    judged = judge(trainer, FINAL, validation)  # type: ignore[arg-type]
    assert judged.without_phase is None
    assert judged.scoring == scoring_of(WITH_PHASE)
    assert trainer.without_phase == asked
