"""The second stage of a run: what it learns from, how it goes on, when it is kept."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_subjects import SHAPE, toy_preset, toy_subject

from microbleeds.compute import Compute
from microbleeds.evaluate import match
from microbleeds.networks.config import RefinementConfig
from microbleeds.networks.detector import Detector
from microbleeds.training import finish as finishing
from microbleeds.training import refinement, second_stage
from microbleeds.training.batches import FixedSubjects, MixedSubjects
from microbleeds.training.checkpoint import load_checkpoint
from microbleeds.training.finetune import FinetuneSettings, finetune_preset
from microbleeds.training.finish import Choice, best_of
from microbleeds.training.loop import fit
from microbleeds.training.patches import PatchSource, apart_from_bleeds
from microbleeds.training.presets import GENTLE_AUGMENTATION, NO_AUGMENTATION, Preset, find_preset
from microbleeds.training.refinement import RefinementTraining
from microbleeds.training.scoring import SubjectScore
from microbleeds.training.start import load_start
from microbleeds.training.trainer import RunSettings
from microbleeds.weights import load_detector
from microbleeds.weights.card import Card

pytest.importorskip("lightning_fabric")

SMALL = RefinementConfig(patch=(8, 8, 3), widths=(4, 6), pools=((2, 2, 1), (2, 2, 2)), hidden=8, dropout=0.1)
SUBJECTS = [toy_subject(n) for n in range(3)]
CPU = Compute(torch.device("cpu"), torch.float32)


def preset_of(steps: int = 4, **changes: object) -> Preset:
    """The toy preset with a second stage."""
    preset = toy_preset(steps=3, validate_every=3, mine_every=0, checkpoint_every=1)
    how = dataclasses.replace(
        preset.refinement,
        steps=steps,
        batch=8,
        augment=NO_AUGMENTATION,
        optimiser=dataclasses.replace(preset.optimiser, rate=0.01),
        **changes,  # type: ignore[arg-type]
    )
    architecture = preset.architecture.model_copy(update={"refinement": SMALL})
    return dataclasses.replace(preset, architecture=architecture, refinement=how)


def mimics() -> dict[str, np.ndarray]:
    """What a first stage that does not look at the phase believes in."""
    return {subject.name: subject.mimics for subject in SUBJECTS}


@pytest.fixture(autouse=True, scope="module")
def believing() -> Iterator[None]:
    """The first stage of a few steps believes in nothing; here it believes in every mimic."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refinement, "mine", lambda subjects, *_, **__: {s.name: s.mimics for s in subjects})
        yield


class TestPatches:
    def test_half_are_microbleeds_and_the_rest_false_positives(self) -> None:
        source = PatchSource(FixedSubjects(SUBJECTS), mimics(), preset_of(shift_voxels=(0.0, 0.0, 0.0)))
        assert source.counts == (9, sum(len(points) for points in mimics().values()))
        images, kinds = source.batch((8, 8, 3), np.random.default_rng(0))
        assert images.shape == (8, 2, 8, 8, 3)
        assert kinds.tolist() == [1] * 4 + [0] * 4
        middle = images[:, :, 3:5, 3:5, 1].mean((2, 3))
        assert (middle[:, 0] < 0.7).all(), "all are dark"
        assert (middle[:4, 1] > 0.3).all()
        assert (middle[4:, 1] < -0.3).all()

    def test_a_function_of_the_generator(self) -> None:
        source = PatchSource(FixedSubjects(SUBJECTS), mimics(), preset_of())
        once, again, other = (source.batch((8, 8, 3), np.random.default_rng(n))[0] for n in (0, 0, 1))
        assert np.array_equal(once, again)
        assert not np.array_equal(once, other)

    def test_without_phase_where_the_first_stage_saw_none(self) -> None:
        preset = preset_of()
        blind = dataclasses.replace(preset, augment=dataclasses.replace(NO_AUGMENTATION, phase_dropout=1.0))
        images, _ = PatchSource(FixedSubjects(SUBJECTS), mimics(), blind).batch(
            (8, 8, 3), np.random.default_rng(0)
        )
        assert not images[:, 1].any()

    def test_simulated_ones_come_in_their_share(self) -> None:
        own, simulated = SUBJECTS[0], dataclasses.replace(SUBJECTS[1], image=np.zeros_like(SUBJECTS[1].image))
        mixed = MixedSubjects([own], [simulated], 0.25)
        source = PatchSource(mixed, mimics(), preset_of())
        generator = np.random.default_rng(0)
        images = np.concatenate([source.batch((8, 8, 3), generator)[0] for _ in range(50)])
        assert (~images.any((1, 2, 3, 4))).mean() == pytest.approx(0.25, abs=0.07)

    def test_where_one_side_has_none_of_a_kind_the_other_gives_them(self) -> None:
        only = {SUBJECTS[1].name: SUBJECTS[1].mimics}
        source = PatchSource(MixedSubjects([SUBJECTS[0]], [SUBJECTS[1]], 0.5), only, preset_of())
        assert source.batch((8, 8, 3), np.random.default_rng(0))[0].shape == (8, 2, 8, 8, 3)

    def test_false_positives_beside_a_microbleed_are_left_out(self) -> None:
        subject = SUBJECTS[0]
        near = subject.bleeds[0] + (4, 0, 0)  # 2 mm
        far = np.array([SHAPE[0] / 2, 0.0, SHAPE[2] + 9.0])
        assert np.array_equal(apart_from_bleeds(np.array([near, far]), subject, 4.5), [far])
        assert len(apart_from_bleeds(np.array([near]), toy_subject(4, bleeds=0), 4.5)) == 1


class TestLearning:
    def test_learns_what_the_first_stage_does_not_tell_apart(self) -> None:
        preset = preset_of(steps=60)
        training = RefinementTraining(Detector(preset.architecture.first_stage), preset, CPU, seed=0)
        patches = PatchSource(FixedSubjects(SUBJECTS), mimics(), preset)
        losses = [training.learn(patches) for _ in range(60)]
        assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:5])
        assert training.progress == 1
        model = training.refined()
        assert model.refinement is not None
        unseen = [toy_subject(n) for n in (20, 21)]
        images, kinds = PatchSource(FixedSubjects(unseen), {s.name: s.mimics for s in unseen}, preset).batch(
            (8, 8, 3), np.random.default_rng(0)
        )
        logits = model.refinement(torch.from_numpy(images)).detach().numpy()
        assert logits[kinds == 1].min() > logits[kinds == 0].max()

    def test_the_first_stage_stays_as_it_is(self) -> None:
        preset = preset_of()
        first = Detector(preset.architecture.first_stage)
        before = {name: value.clone() for name, value in first.state_dict().items()}
        training = RefinementTraining(first, preset, CPU, seed=0)
        training.learn(PatchSource(FixedSubjects(SUBJECTS), mimics(), preset))
        for name, value in training.refined().state_dict().items():
            assert name.startswith("refinement.") or torch.equal(value, before[name])

    def test_a_step_that_is_not_finite_leaves_no_trace(self) -> None:
        preset = preset_of()
        training = RefinementTraining(Detector(preset.architecture.first_stage), preset, CPU, seed=0)
        before = {name: value.clone() for name, value in training.network.state_dict().items()}

        class Broken(PatchSource):
            def batch(self, *given: object) -> tuple[np.ndarray, np.ndarray]:
                images, kinds = super().batch(*given)  # type: ignore[arg-type]
                return images * np.float32(np.nan), kinds

        broken = Broken(FixedSubjects(SUBJECTS), mimics(), preset)
        assert np.isnan(training.learn(broken))
        assert training.left_out.total == 1
        for name, value in training.network.state_dict().items():
            if "num_batches" not in name:
                assert torch.equal(value, before[name]), name
        with pytest.raises(FloatingPointError, match="20 steps in a row"):
            for _ in range(20):
                training.learn(broken)

    def test_of_another_first_stage_nothing_is_taken_over(self) -> None:
        preset = preset_of()
        first, other = (Detector(preset.architecture.first_stage) for _ in range(2))
        training = RefinementTraining(first, preset, CPU, seed=0)
        training.learn(PatchSource(FixedSubjects(SUBJECTS), mimics(), preset))
        again = RefinementTraining(other, preset, CPU, seed=0)
        assert not again.restore(training.state())
        assert again.step == 0
        assert RefinementTraining(first, preset, CPU, seed=0).restore(training.state())

    def test_within_its_time(self) -> None:
        preset = preset_of(steps=10**6)
        training = RefinementTraining(Detector(preset.architecture.first_stage), preset, CPU, 0, limit_s=10.0)
        assert len(training.not_searched(SUBJECTS)) == 3
        training.elapsed_s = 5.1
        assert training.not_searched(SUBJECTS) == [], "the other half is for learning"
        assert training.progress == pytest.approx(0.51)

    def test_an_architecture_without_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no second stage"):
            RefinementTraining(Detector(toy_preset().architecture), toy_preset(), CPU, seed=0)

    def test_the_rate_does_not_fall_while_subjects_are_searched(self) -> None:
        preset = preset_of(steps=100)
        training = RefinementTraining(Detector(preset.architecture.first_stage), preset, CPU, 0, limit_s=100.0)
        training.elapsed_s = 40.0
        training.search(SUBJECTS[0])
        assert training.searched_s >= 40
        assert training.progress < 0.01
        training.elapsed_s = 70.0
        assert training.progress == pytest.approx(0.5, abs=0.02)
        training.elapsed_s = 101.0
        assert training.progress == 1
        gone_on = RefinementTraining(training.detector, preset, CPU, 0, limit_s=100.0)
        assert gone_on.restore(training.state())
        assert gone_on.searched_s == training.searched_s

    def test_a_search_that_took_all_of_the_time_leaves_nothing_to_learn(self) -> None:
        preset = preset_of(steps=100)
        training = RefinementTraining(Detector(preset.architecture.first_stage), preset, CPU, 0, limit_s=10.0)
        training.elapsed_s = 11.0
        training.search(SUBJECTS[0])
        assert training.progress == 1


def run(out: Path, preset: Preset, validation: list | None = None, start: Path | None = None) -> Card:
    settings = RunSettings(out, "toy", device="cpu", precision="float32", workers=0)
    validate = [toy_subject(9)] if validation is None else validation
    return fit(FixedSubjects(SUBJECTS), validate, preset, settings, load_start(start) if start else None)


class Killed(Exception):
    """Stands for kill -9."""


def dying(usual: Callable, at: int, *, after: bool) -> Callable:
    calls = iter(range(1, 10**6))

    def call(*given: object, **named: object) -> object:
        now = next(calls) == at
        if now and not after:
            raise Killed
        result = usual(*given, **named)
        if now:
            raise Killed
        return result

    return call


class TestRun:
    @pytest.fixture(scope="class")
    def whole(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A run that was not killed."""
        out = tmp_path_factory.mktemp("whole")
        run(out, preset_of())
        return out

    def test_leaves_one_weights_file_with_both_stages(self, whole: Path) -> None:
        loaded = load_detector(whole / "weights.safetensors")
        assert loaded.card.architecture.refinement == SMALL
        assert loaded.model.refinement is not None
        assert (
            "a second stage of 4 steps (merit on the validation scans: no second stage"
            in loaded.card.training.notes
        )
        assert load_detector(whole / "best.safetensors").model.refinement is None
        entries = [json.loads(line) for line in (whole / "metrics.jsonl").open()]
        assert any("validation/mean_sensitivity" in entry for entry in entries)

    @pytest.mark.parametrize(
        ("name", "at", "after"),
        [("search", 2, True), ("learn", 1, False), ("learn", 3, True), ("refined", 1, False)],
    )
    def test_killed(
        self, name: str, at: int, after: bool, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(RefinementTraining, name, dying(getattr(RefinementTraining, name), at, after=after))
            run(tmp_path, preset_of())
        card = run(tmp_path, preset_of())
        assert card.sha256 == load_detector(whole / "weights.safetensors").card.sha256

    def test_what_was_searched_is_not_searched_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(second_stage, "LOG_EVERY", 1)
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(RefinementTraining, "search", dying(RefinementTraining.search, 3, after=False))
            run(tmp_path, preset_of())
        assert len(load_checkpoint(tmp_path / "refinement.pt")["mined"]) == 2
        searched, usual = [], RefinementTraining.search
        monkeypatch.setattr(
            RefinementTraining, "search", lambda self, subject: (searched.append(subject), usual(self, subject))
        )
        run(tmp_path, preset_of())
        assert len(searched) == 1

    def test_no_more_subjects_are_searched_than_asked(self, tmp_path: Path) -> None:
        run(tmp_path, preset_of(search_subjects=2))
        assert len(load_checkpoint(tmp_path / "refinement.pt")["mined"]) == 2

    def test_curves_of_both_stages_outlive_a_kill(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(second_stage, "LOG_EVERY", 1)
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(RefinementTraining, "learn", dying(RefinementTraining.learn, 3, after=True))
            run(tmp_path, preset_of())
        run(tmp_path, preset_of())
        entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
        assert [entry["step"] for entry in entries if "refinement/loss" in entry] == [1, 2, 3, 4]

    def test_none_where_there_is_nothing_to_learn_from(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        nothing = dict.fromkeys((subject.name for subject in SUBJECTS), np.zeros((0, 3)))
        monkeypatch.setattr(refinement, "mine", lambda *_, **__: nothing)
        assert run(tmp_path, preset_of()).architecture.refinement is None
        assert "NOTHING TO LEARN FROM" in caplog.text

    def test_of_a_simulator_the_scans_at_its_beginning(self, tmp_path: Path) -> None:
        class Changing(FixedSubjects):
            def __init__(self) -> None:
                self.asked = 0

            def subjects(self) -> list:
                self.asked += 1
                return [toy_subject(100 + self.asked)]

        source = Changing()
        settings = RunSettings(tmp_path, "toy", device="cpu", precision="float32", workers=0)
        fit(source, [toy_subject(9)], preset_of(), settings)
        (searched,) = load_checkpoint(tmp_path / "refinement.pt")["mined"]
        assert searched == f"sub-{100 + source.asked}", "nobody asked for others afterwards"

    def test_no_steps_leave_it_out(self, tmp_path: Path) -> None:
        assert run(tmp_path, preset_of(steps=0)).architecture.refinement is None
        assert not (tmp_path / "refinement.pt").exists()

    def test_goes_on_from_that_of_the_start(self, whole: Path, tmp_path: Path) -> None:
        start = load_start(whole / "weights.safetensors")
        assert start.refinement is not None
        kept = run(tmp_path / "kept", preset_of(steps=0).of_length(0, 0), start=whole / "weights.safetensors")
        assert "the second stage of the start" in kept.training.notes
        state = load_detector(tmp_path / "kept" / "weights.safetensors").model.state_dict()
        for name, value in load_detector(whole / "weights.safetensors").model.state_dict().items():
            assert torch.equal(state[name], value), name
        moved = run(tmp_path / "moved", preset_of(steps=2).of_length(0, 2), start=whole / "weights.safetensors")
        for name in ("no second stage", "the second stage of the start", "a second stage of 2 steps"):
            assert re.search(rf"{name} \d\.\d{{3}}", moved.training.notes), "each was judged"

    def test_fine_tuning_may_give_back_the_start_or_lose_its_second_stage(
        self, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = load_detector(whole / "weights.safetensors").model
        preset = dataclasses.replace(preset_of(steps=2), at_start=True)
        for name in (finishing.START_AS_IT_WAS, finishing.NO_SECOND_STAGE):

            def chosen(choices: list[Choice], name: str = name) -> tuple[Choice, str]:
                (one,) = [choice for choice in choices if choice.name == name]
                return one, f"; {name}"

            monkeypatch.setattr(finishing, "best_of", chosen)
            card = run(tmp_path / name, preset, start=whole / "weights.safetensors")
            state = load_detector(tmp_path / name / "weights.safetensors").model.state_dict()
            if name == finishing.START_AS_IT_WAS:
                assert all(torch.equal(state[key], value) for key, value in start.state_dict().items())
                assert card.training.notes.startswith("nothing that was learned was better; the start as it was")
            else:
                assert card.architecture.refinement is None
                assert "NOT FITTED" not in card.training.notes, "the parent says nothing of it"

    def test_a_calibration_of_weights_without_one_says_nothing_of_it(self, tmp_path: Path) -> None:
        run(tmp_path / "first", preset_of(steps=0))
        start = tmp_path / "first" / "weights.safetensors"
        card = run(tmp_path / "both", preset_of().of_length(0, 4), [], start)
        assert card.architecture.refinement == SMALL
        assert "scores are not calibrated" in card.training.notes
        assert "NOT FITTED" not in card.training.notes


class TestChoice:
    @staticmethod
    def choice(name: str, scores: list[float]) -> Choice:
        """Weights that give the one microbleed the first score, and false positives the others."""
        places = np.array([[10.0 * n, 0, 0] for n in range(len(scores))])
        found = match(places, np.array(scores), places[:1], np.zeros((0, 3)))
        return Choice(
            name, Detector(toy_preset().architecture), [SubjectScore("a", places, np.array(scores), found)]
        )

    def test_the_best_on_the_validation_scans(self) -> None:
        good, bad = self.choice("good", [0.9, 0.1]), self.choice("bad", [0.1, 0.9, 0.8])
        for choices in ([good, bad], [bad, good]):
            chosen, note = best_of(choices)
            assert chosen is good
            assert "good 1.100" in note

    def test_of_equal_ones_the_last(self) -> None:
        choices = [self.choice(name, [0.9, 0.1]) for name in ("first", "second")]
        assert best_of(choices)[0] is choices[1]

    def test_without_a_microbleed_the_last_and_that_is_said(self) -> None:
        choices = [dataclasses.replace(self.choice(name, [0.9]), scored=[]) for name in ("first", "second")]
        chosen, note = best_of(choices)
        assert chosen is choices[1]
        assert "COMPARED ON NO MICROBLEED" in note

    def test_one_is_not_compared(self) -> None:
        assert best_of([self.choice(finishing.NO_SECOND_STAGE, [0.9])])[1] == ""


class TestLength:
    def test_the_second_goes_by_the_first(self) -> None:
        default = find_preset("default")
        assert default.of_length(None).refinement.steps == default.refinement.steps
        assert default.of_length(700).refinement.steps == round(0.1 * default.refinement.steps)
        assert default.of_length(700, 30).refinement.steps == 30
        assert default.of_length(0).refinement.steps == default.refinement.steps
        assert default.of_length(1).refinement.steps == 1

    def test_a_time_limit_is_shared(self, tmp_path: Path) -> None:
        from microbleeds.training.trainer import Trainer

        settings = RunSettings(tmp_path, "toy", device="cpu", time_limit_minutes=10.0)
        preset = preset_of()
        assert Trainer(preset, settings).limit_s == 600 * (1 - preset.refinement.share_of_time)
        assert Trainer(preset_of(steps=0), settings).limit_s == 600

    def test_fine_tuning_moves_it_gently(self, tmp_path: Path) -> None:
        run(tmp_path, preset_of(steps=1))
        card = load_detector(tmp_path / "weights.safetensors").card
        preset = finetune_preset(card, FinetuneSettings(refinement_steps=7))
        assert preset.refines
        assert preset.refinement.steps == 7
        assert preset.refinement.optimiser.rate == 0.25 * find_preset("default").refinement.optimiser.rate
        assert preset.refinement.augment == GENTLE_AUGMENTATION
        assert not finetune_preset(card, FinetuneSettings(refinement_steps=0)).refines
