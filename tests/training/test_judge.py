"""What the validation subjects say about the weights of a run, with their phase and without."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
from toy_subjects import toy_preset, toy_subject

from little_card import little_card
from microbleeds.evaluate import match
from microbleeds.networks.detector import Detector
from microbleeds.training.calibrate import scoring_of
from microbleeds.training.judgement import Judgement, judge
from microbleeds.training.presets import Preset
from microbleeds.training.scoring import SubjectScore
from microbleeds.training.subjects import TrainingSubject
from microbleeds.weights import Calibration, Card, OperatingPoints, Scoring

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


PARENT = little_card(
    PRESET.architecture,
    calibration=Calibration(intercept=0.5, slope=0.9),
    without_phase=Scoring(operating_points=OperatingPoints(balanced=0.41, screening=0.02)),
)


@dataclass(frozen=True)
class Start:
    """Stands for the weights that a run went on from."""

    card: Card = PARENT
    refinement: None = None


@dataclass
class Asked:
    """Stands for a trainer: searches without phase, and remembers that it did."""

    found: list[SubjectScore]
    preset: Preset = PRESET
    start: Start | None = None
    without_phase: list[int] = field(default_factory=list)

    def score(self, model: Detector, subjects: list[TrainingSubject], *, with_phase: bool) -> list[SubjectScore]:
        assert model is MODEL
        assert not with_phase
        self.without_phase.append(len(subjects))
        return self.found


def judged(trainer: Asked, found: list[SubjectScore], validation: list[TrainingSubject] = VALIDATION) -> Judgement:
    return judge(trainer, MODEL, found, validation)  # type: ignore[arg-type]


def without_its_phase(subject: TrainingSubject) -> TrainingSubject:
    return dataclasses.replace(subject, image=subject.image * np.array([1, 0]).reshape(2, 1, 1, 1))


def test_scores_without_phase_are_calibrated_by_themselves() -> None:
    trainer = Asked(WITHOUT_PHASE)
    said = judged(trainer, WITH_PHASE)
    assert trainer.without_phase == [6]
    assert said.scoring == scoring_of(WITH_PHASE)
    assert said.without_phase == scoring_of(WITHOUT_PHASE, with_phase=False)
    assert said.without_phase != said.scoring
    logit = np.log(0.85 / 0.15)
    sure, less_sure = (one.calibration.score(logit) for one in (said.scoring, said.without_phase))
    assert less_sure < sure, "half of what looks so without phase is none"


def test_scans_without_phase_do_not_calibrate_scores_with_it() -> None:
    validation = [*VALIDATION, *(without_its_phase(subject) for subject in VALIDATION)]
    blind = [*WITHOUT_PHASE, *WITHOUT_PHASE]
    said = judged(Asked(blind), [*WITH_PHASE, *WITHOUT_PHASE], validation)
    assert said.scoring == scoring_of(WITH_PHASE)
    assert said.without_phase == scoring_of(blind, with_phase=False)


@pytest.mark.parametrize("start", [None, Start()], ids=["from scratch", "going on"])
def test_where_no_scan_has_phase_the_rule_is_that_without(start: Start | None) -> None:
    trainer = Asked([], start=start)
    said = judged(trainer, WITHOUT_PHASE, [without_its_phase(subject) for subject in VALIDATION])
    fitted = scoring_of(WITHOUT_PHASE, with_phase=False)
    assert fitted.operating_points != scoring_of(WITHOUT_PHASE).operating_points, "so that the rules differ here"
    assert said.without_phase == fitted
    assert said.scoring == (fitted if start is None else PARENT.scoring(with_phase=True))
    assert "none of which has phase" in said.note
    assert ("NOT FITTED" in said.note) == (start is not None)
    assert not trainer.without_phase, "they were searched without phase already"


FEW = scored((0.9, True))


def test_too_little_without_phase_keeps_what_is_known() -> None:
    said = judged(Asked(FEW, start=Start()), WITH_PHASE)
    assert said.scoring == scoring_of(WITH_PHASE)
    assert said.without_phase == PARENT.without_phase
    assert "without phase too little" in said.note
    assert "those of x, NOT FITTED" in said.note


def test_too_little_of_either_keeps_both() -> None:
    said = judged(Asked(FEW, start=Start()), FEW)
    assert (said.scoring, said.without_phase) == (PARENT.scoring(with_phase=True), PARENT.without_phase)


@pytest.mark.parametrize("start", [None, Start()], ids=["from scratch", "going on"])
def test_too_little_with_phase_leaves_scores_without_it_their_own(start: Start | None) -> None:
    validation = [VALIDATION[0], *(without_its_phase(subject) for subject in VALIDATION[1:])]
    said = judged(Asked(WITHOUT_PHASE, start=start), [FEW[0], *WITHOUT_PHASE[1:]], validation)
    assert said.without_phase == scoring_of(WITHOUT_PHASE, with_phase=False)
    assert said.scoring == (scoring_of(FEW[:1]) if start is None else PARENT.scoring(with_phase=True))
    assert start is not None or said.scoring.calibration == Calibration(), (
        "nothing says what scores mean with phase"
    )
    assert "too little in 6 validation scans" in said.note


def test_from_scratch_too_little_without_phase_counts_as_with_it() -> None:
    said = judged(Asked(FEW), WITH_PHASE)
    assert said.without_phase is None
    assert "they count as with phase" in said.note


def test_a_network_that_never_sees_phase_has_one_calibration() -> None:
    blind = dataclasses.replace(PRESET, augment=dataclasses.replace(PRESET.augment, phase_dropout=1.0))
    trainer = Asked(WITHOUT_PHASE, blind)
    said = judged(trainer, WITH_PHASE)
    assert (said.scoring, said.without_phase) == (scoring_of(WITH_PHASE), None)
    assert not trainer.without_phase
