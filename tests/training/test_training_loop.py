from __future__ import annotations

import dataclasses
import json
import logging
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy_subjects import toy_preset, toy_subject

from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.networks.config import KIM_2023, RefinementConfig
from microbleeds.simulate.cohort import CohortSettings
from microbleeds.training import finish
from microbleeds.training import trainer as trainer_module
from microbleeds.training.batches import Batch, FixedSubjects, MixedSubjects, make_batch
from microbleeds.training.checkpoint import load_checkpoint, save_checkpoint
from microbleeds.training.finish import described
from microbleeds.training.loop import fit
from microbleeds.training.mining import MOST_PER_SUBJECT, mine, searched_for_negatives
from microbleeds.training.not_finite import MOST_LEFT_OUT
from microbleeds.training.objective import Objective, WeightAverage
from microbleeds.training.patches import apart_from_bleeds
from microbleeds.training.presets import OptimiserSettings, Preset, SamplingSettings, find_preset
from microbleeds.training.refinement import RefinementTraining
from microbleeds.training.run import claim_folder
from microbleeds.training.schedule import progress, rate_factor
from microbleeds.training.simulated import DrawSimulated
from microbleeds.training.stream import ReplayBuffer
from microbleeds.training.subjects import TrainingSubject, save_subject
from microbleeds.training.trace import PrototypeWatch, Trace
from microbleeds.training.trainer import RunSettings, Trainer
from microbleeds.weights import load_detector

pytest.importorskip("lightning_fabric")

TRAIN = FixedSubjects([toy_subject(n) for n in range(3)])
VALIDATE = [toy_subject(9)]


def settings(out: Path, **changes: object) -> RunSettings:
    plain = RunSettings(out=out, data="toy", device="cpu", precision="float32", workers=0)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


class Killed(Exception):
    """Stands for kill -9."""


class DyingSubjects(FixedSubjects):
    """Dies when it is asked too often."""

    left = 5

    def subjects(self):  # type: ignore[no-untyped-def]
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().subjects()


class TestRun:
    def test_resumed_equals_uninterrupted(self, tmp_path: Path) -> None:
        preset = toy_preset()
        whole = fit(TRAIN, VALIDATE, preset, settings(tmp_path / "whole"))
        dying = DyingSubjects(TRAIN.subjects())
        with pytest.raises(Killed):
            fit(dying, VALIDATE, preset, settings(tmp_path / "parts"))
        stopped_at = load_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"]
        assert 0 < stopped_at < preset.steps
        parts = fit(TRAIN, VALIDATE, preset, settings(tmp_path / "parts"))
        assert parts.sha256 == whole.sha256
        states = [load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts")]
        for name, value in states[0]["objective"].items():
            assert torch.equal(value, states[1]["objective"][name]), name
        steps = [json.loads(line)["step"] for line in (tmp_path / "parts/metrics.jsonl").open()]
        assert steps == sorted(steps)

    def test_learns_a_toy(self, tmp_path: Path) -> None:
        preset = toy_preset(
            steps=90,
            validate_every=0,
            mine_every=45,
            checkpoint_every=50,
            sampling=SamplingSettings(crop=(48, 48, 8), batch=2),
            losses=dataclasses.replace(toy_preset().losses, prototype_warmup=20),
            optimiser=dataclasses.replace(toy_preset().optimiser, rate=1e-2, warmup_steps=5),
        )
        card = fit(TRAIN, [toy_subject(n) for n in (0, 1, 9)], preset, settings(tmp_path))
        assert card.scores["validation_sensitivity_at_1_fp"] >= 0.7
        loaded = load_detector(tmp_path / "weights.safetensors")
        assert loaded.card.training.steps == 90
        entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
        losses = [entry["focal"] for entry in entries if "focal" in entry]
        assert np.median(losses[1:]) < 0.3 * losses[0]  # each is of one batch of two crops, so any may stand out
        assert any("concentration" in entry for entry in entries)
        assert list((tmp_path / "tensorboard").iterdir())

    def test_time_limit_ends_the_run_with_weights(self, tmp_path: Path) -> None:
        card = fit(TRAIN, [], toy_preset(steps=10**6), settings(tmp_path, time_limit_minutes=0.01))
        assert 0 < card.training.steps < 10**6
        assert (tmp_path / "weights.safetensors").exists()


class TestLeftOut:
    """Steps that are not finite."""

    @pytest.mark.parametrize("clip_norm", [5.0, None])
    def test_a_gradient_that_is_not_finite_leaves_no_trace(self, tmp_path: Path, clip_norm: float | None) -> None:
        optimiser = dataclasses.replace(toy_preset().optimiser, clip_norm=clip_norm)
        trainer = Trainer(toy_preset(optimiser=optimiser), settings(tmp_path))
        fit_one(trainer)
        before = {name: value.clone() for name, value in trainer.objective.state_dict().items()}
        hook = trainer.objective.detector.head.classes.bias.register_hook(lambda grad: grad * float("nan"))
        seen = fit_one(trainer)
        hook.remove()
        assert np.isfinite(seen["loss"])
        for name, value in trainer.objective.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert (trainer.step, trainer.left_out.total) == (2, 1)
        trainer.save()
        assert load_checkpoint(trainer.checkpoint_path)["left_out"] == 1
        fit_one(trainer)
        assert trainer.left_out.in_a_row == 0
        assert not all(torch.equal(v, before[n]) for n, v in trainer.objective.state_dict().items())

    def test_an_image_that_is_not_finite_spoils_no_running_mean(self, tmp_path: Path) -> None:
        trainer = Trainer(toy_preset(), settings(tmp_path))
        batch = first_batch(trainer)
        trainer.take(batch._replace(image=batch.image * float("nan")))
        assert trainer.left_out.total == 1
        states = [*trainer.objective.state_dict().values(), *trainer.average.state.values()]
        assert all(bool(torch.isfinite(value).all()) for value in states)

    def test_many_in_a_row_stop_the_run(self, tmp_path: Path) -> None:
        trainer = Trainer(toy_preset(), settings(tmp_path))
        with torch.no_grad():
            trainer.objective.detector.head.classes.bias.fill_(float("nan"))
        batch = first_batch(trainer)
        for _ in range(MOST_LEFT_OUT - 1):
            trainer.take(batch)
        with pytest.raises(FloatingPointError, match="20 steps in a row"):
            trainer.take(batch)

    def test_older_checkpoints_are_read(self, tmp_path: Path) -> None:
        trainer = Trainer(toy_preset(), settings(tmp_path))
        fit_one(trainer)
        trainer.save()
        state = load_checkpoint(trainer.checkpoint_path)
        del state["subjects"], state["left_out"], state["clock"], state["recent"]
        save_checkpoint(trainer.checkpoint_path, state | {"best": 0.5})
        again = Trainer(toy_preset(), settings(tmp_path))
        assert (again.step, again.best.merit, again.clock.steps) == (1, -1.0, 0)


def fit_one(trainer: Trainer) -> dict[str, float]:
    return trainer.take(first_batch(trainer))


def first_batch(trainer: Trainer) -> Batch:
    return make_batch(TRAIN.subjects(), {}, trainer.preset, (0, trainer.step, 0))


class TestFolder:
    def test_another_run_is_refused(self, tmp_path: Path) -> None:
        out = tmp_path / "run"
        claim_folder(out, find_preset("default"), 0, "data")
        claim_folder(out, find_preset("default"), 0, "data")
        assert "stream" not in json.loads((out / "run.json").read_text())
        with pytest.raises(InputError, match="other settings"):
            claim_folder(out, find_preset("default"), 1, "data")

    def test_what_is_streamed_is_noted(self, tmp_path: Path) -> None:
        heads = tuple(Path(f"training_seg_{n:02d}.nii.gz") for n in (1, 2))
        draw = DrawSimulated(CohortSettings("mixed"), 5, heads)
        claim_folder(tmp_path, find_preset("default"), 5, "simulator", draw.facts())
        claim_folder(tmp_path, find_preset("default"), 5, "simulator", draw.facts())
        noted = json.loads((tmp_path / "run.json").read_text())["stream"]
        assert noted["heads"] == ["training_seg_01", "training_seg_02"]
        assert (noted["protocol"], noted["seed"]) == ("mixed", 5)
        other = dataclasses.replace(draw, anatomies=heads[:1])
        with pytest.raises(InputError, match="other settings"):
            claim_folder(tmp_path, find_preset("default"), 5, "simulator", other.facts())

    def test_a_folder_with_other_things_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").touch()
        with pytest.raises(InputError, match="no training run"):
            claim_folder(tmp_path, find_preset("default"), 0, "data")


class TestPresets:
    def test_kim_is_the_paper(self) -> None:
        kim = find_preset("kim2023")
        assert kim.architecture == KIM_2023
        assert kim.preparation.slices == 224
        assert kim.sampling.crop == kim.search_window == (128, 128, 128)
        assert (kim.sampling.batch, kim.sampling.share_bleed) == (1, 0.5)
        assert (kim.optimiser.kind, kim.optimiser.rate) == ("sgd", 0.01)
        assert (kim.losses.offset_weight, kim.losses.prototype_weight) == (0.001, 0.01)

    @pytest.mark.parametrize(("preset", "flips"), [("default", True), ("kim2023", False)])
    def test_the_card_says_whether_mirrored_crops_were_learned_from(self, preset: str, flips: bool) -> None:
        settings = SimpleNamespace(seed=0, data="toy", simulated=True)
        trainer = SimpleNamespace(preset=find_preset(preset), settings=settings, subjects=1, step=1, elapsed_s=0.0)
        card = described(trainer, "")  # type: ignore[arg-type]
        assert card.training.flips is flips
        assert card.search_window == trainer.preset.search_window

    def test_unknown_name(self) -> None:
        with pytest.raises(InputError, match="no preset"):
            find_preset("best")

    def test_crop_that_does_not_fit_the_network(self) -> None:
        with pytest.raises(ValueError, match="multiple"):
            Preset("x", sampling=SamplingSettings(crop=(90, 96, 24)))
        with pytest.raises(ValueError, match="window"):
            Preset("x", search_window=(96, 96, 20))


class TestSchedule:
    def test_progress_is_whichever_is_further(self) -> None:
        assert progress(10, 100, 30.0, 60.0) == 0.5
        assert progress(80, 100, 30.0, 60.0) == 0.8
        assert progress(10, 100, 30.0, None) == 0.1
        assert progress(10, 100, 90.0, 60.0) == 1.0

    def test_cosine_by_hand(self) -> None:
        cosine = OptimiserSettings(warmup_steps=10)
        assert rate_factor(0.0, 4, cosine) == pytest.approx(0.5)
        assert rate_factor(0.5, 50, cosine) == pytest.approx(0.5)
        assert rate_factor(1.0, 50, cosine) == pytest.approx(0.0)

    def test_steps_by_hand(self) -> None:
        steps = OptimiserSettings(schedule="step", warmup_steps=0)
        assert [rate_factor(done, 9, steps) for done in (0.0, 0.24, 0.25, 0.5, 0.99)] == [1, 1, 0.5, 0.25, 0.125]


def test_average_follows_slowly_and_starts_fast() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(module.weight)
    average = WeightAverage(module, 0.5)
    torch.nn.init.ones_(module.weight)
    average.update(module)
    # First update: decay 1 / 11.
    assert average.state["weight"].item() == pytest.approx(10 / 11)
    for _ in range(30):
        average.update(module)
    assert average.state["weight"].item() == pytest.approx(1.0)


def test_prototypes_start_after_the_warmup_and_are_logged(tmp_path: Path) -> None:
    trainer = Trainer(toy_preset(), settings(tmp_path))
    seen = [fit_one(trainer) for _ in range(6)]
    assert "concentration" not in seen[0]
    assert 0 <= seen[-1]["concentration"] <= 2
    assert {"own", "other", "focal", "offset", "loss"} <= set(seen[-1])


def test_variant_without_prototypes_has_none() -> None:
    preset = toy_preset(architecture=toy_preset().architecture.variant("+fusion"))
    assert Objective(preset).prototypes is None


def test_watch_warns_when_prototypes_do_not_train(caplog: pytest.LogCaptureFixture) -> None:
    watch = PrototypeWatch(patience=20, momentum=0.8)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            watch.observe(0.99)
    assert watch.failing
    assert "DO NOT TRAIN" in caplog.text
    for _ in range(30):
        watch.observe(0.3)
    assert not watch.failing


def test_mining_finds_false_positives_in_voxels() -> None:
    torch.manual_seed(0)
    objective = Objective(toy_preset())
    with torch.no_grad():
        objective.detector.head.classes.bias.fill_(0.0)  # believes in everything a little
    subjects = [toy_subject(n) for n in range(3)]
    drawn = searched_for_negatives(FixedSubjects(subjects), 2, np.random.default_rng(0))
    found = mine(drawn, objective.detector, toy_preset(), choose("cpu", "float32"))
    assert len(found) == 2
    for name, points in found.items():
        subject = next(s for s in subjects if s.name == name)
        assert len(points) > 0
        assert np.all((points > -3) & (points < np.array(subject.grid.shape) + 3))
    surest = mine(drawn, objective.detector, toy_preset(), choose("cpu", "float32"), most=2)
    for name, points in surest.items():
        assert points.tolist() == found[name][:2].tolist()


def test_second_stage_learns_from_more_than_the_surest() -> None:
    torch.manual_seed(0)
    objective = Objective(toy_preset())
    with torch.no_grad():
        objective.detector.head.classes.bias.fill_(0.0)
    subject, compute = toy_subject(0), choose("cpu", "float32")
    all_of_them = mine([subject], objective.detector, toy_preset(), compute, most=None)[subject.name]
    assert len(all_of_them) > MOST_PER_SUBJECT
    architecture = toy_preset().architecture.model_copy(update={"refinement": RefinementConfig()})
    preset = dataclasses.replace(toy_preset(), architecture=architecture)
    training = RefinementTraining(objective.detector, preset, compute, seed=0)
    training.search(subject)
    assert len(training.mined[subject.name]) == len(
        apart_from_bleeds(all_of_them, subject, preset.targets.ignore_mm)
    )


@pytest.mark.parametrize(("own", "share", "expected"), [(8, 0.5, 6), (2, 0.5, 2), (20, 0.99, 1), (20, 0.25, 9)])
def test_own_scans_are_searched_as_often_as_they_are_learned_from(own: int, share: float, expected: int) -> None:
    scans = [SimpleNamespace(name=f"own-{n}") for n in range(own)]
    heads = [SimpleNamespace(name=f"head-{n}") for n in range(160)]
    source = MixedSubjects(scans, heads, share)  # type: ignore[arg-type]
    for seed in range(5):
        drawn = [s.name for s in searched_for_negatives(source, 12, np.random.default_rng(seed))]
        assert len(set(drawn)) == 12
        assert sum(name.startswith("own") for name in drawn) == expected


def test_each_process_searches_what_only_it_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negatives found by the first process lie in subjects that the others don't have."""
    searched: list[list[str]] = []

    def found(subjects: list[TrainingSubject], *_: object) -> dict[str, np.ndarray]:
        searched.append([subject.name for subject in subjects])
        return {}

    monkeypatch.setattr(trainer_module, "mine", found)
    trainer = Trainer(toy_preset(), settings(tmp_path / "run"))
    second = SimpleNamespace(is_global_zero=False, broadcast=lambda of_second: {"of the first": 1}, world_size=2)
    trainer.fabric = second  # type: ignore[assignment]
    trainer.mine(FixedSubjects([toy_subject(0)]))
    assert searched == []
    assert "of the first" in trainer.mined
    save_subject(toy_subject(7), tmp_path / "spool" / "000000")
    trainer.mine(ReplayBuffer(tmp_path / "spool", 2))
    assert searched == [[toy_subject(7).name]]


def test_short_runs_are_watched_too(tmp_path: Path) -> None:
    losses = dataclasses.replace(toy_preset().losses, prototype_warmup=75)
    trainer = Trainer(dataclasses.replace(toy_preset(), steps=300, losses=losses), settings(tmp_path))
    assert "DID NOT TRAIN" not in described(trainer, finish.history(trainer)).training.notes
    assert "NEVER STARTED" in finish.history(trainer)
    for _ in range(225):
        trainer.watch.observe(1.0)
    assert "PROTOTYPES DID NOT TRAIN" in finish.history(trainer)


class TestCheckpoint:
    def test_damaged(self, tmp_path: Path) -> None:
        path = tmp_path / "checkpoint.pt"
        save_checkpoint(path, {"step": 3})
        assert load_checkpoint(path) == {"step": 3}
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(InputError, match="checkpoint"):
            load_checkpoint(path)

    def test_code_is_not_executed(self, tmp_path: Path) -> None:
        path = tmp_path / "checkpoint.pt"
        torch.save({"step": Path("x")}, path)
        with pytest.raises(InputError, match="checkpoint"):
            load_checkpoint(path)


def test_trace_leaves_out_what_is_no_number(tmp_path: Path) -> None:
    trace = Trace(tmp_path, 0)
    trace.write(1, {"loss": 1.0, "validation/sensitivity": math.nan})
    trace.close()
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 1.0}\n'


@pytest.mark.parametrize("minutes", [0, -1.0, math.nan, math.inf])
def test_a_time_limit_is_a_time(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(InputError, match="give a time above 0, or no limit"):
        RunSettings(tmp_path, "toys", time_limit_minutes=minutes)


def test_trace_drops_what_a_killed_part_wrote_later(tmp_path: Path) -> None:
    trace = Trace(tmp_path, 0)
    for step in (10, 20, 30):
        trace.write(step, {"loss": 1.0})
    trace.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "lo')
    Trace(tmp_path, 20).close()
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").open()] == [10, 20]
