from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training_dataset import describe_simulated, write_subject
from toy_subjects import toy_preset, toy_subject

from microbleeds.errors import InputError
from microbleeds.networks.config import KIM_2023
from microbleeds.search import model_record
from microbleeds.training.batches import FixedSubjects
from microbleeds.training.checkpoint import load_checkpoint
from microbleeds.training.finetune import FinetuneSettings, finetune, finetune_preset
from microbleeds.training.loop import fit
from microbleeds.training.plan import Mix, Plan
from microbleeds.training.run import train
from microbleeds.training.start import load_start, mean_start, prototypes_path
from microbleeds.training.trainer import RunSettings, Trainer
from microbleeds.weights import Calibration, OperatingPoints, Scoring, load_detector, save_weights

pytest.importorskip("lightning_fabric")

SUBJECTS = [toy_subject(n) for n in range(2)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained toy weights with a calibration of their own, and their prototypes."""
    out = tmp_path_factory.mktemp("parent")
    settings = RunSettings(out, "toys", device="cpu", precision="float32", workers=0)
    fit(FixedSubjects(SUBJECTS), [], toy_preset(steps=5, mine_every=0), settings)
    path = out / "weights.safetensors"
    loaded, kept = load_detector(path), prototypes_path(path).read_bytes()
    card = loaded.card.model_copy(
        update={
            "calibration": Calibration(intercept=-1.0, slope=2.0),
            "operating_points": OperatingPoints(balanced=0.3, screening=0.1),
            "without_phase": Scoring(operating_points=OperatingPoints(balanced=0.7, screening=0.4)),
        }
    )
    again = save_weights(path, loaded.model, card)
    assert again.sha256 == loaded.card.sha256
    prototypes_path(path).write_bytes(kept)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for seed in range(5):
        write_subject(tmp_path / "clinic", seed)
    return tmp_path / "clinic"


class TestStart:
    def test_weights_and_prototypes_are_those_of_the_parent(self, weights: Path, tmp_path: Path) -> None:
        start = load_start(weights)
        assert start.prototypes is not None
        settings = RunSettings(tmp_path, "x", device="cpu", precision="float32")
        trainer = Trainer(finetune_preset(start.card, FinetuneSettings()), settings, start)
        stored = load_detector(weights).model.state_dict()
        for name, value in trainer.objective.detector.state_dict().items():
            assert torch.equal(value, stored[name]), name
            assert torch.equal(trainer.average.state[name], stored[name]), "the average starts there too"
        assert trainer.objective.prototypes is not None
        assert bool(trainer.objective.prototypes.started)
        assert torch.equal(trainer.objective.prototypes.vectors, start.prototypes["vectors"])

    def test_without_prototypes_they_start_again(self, weights: Path, tmp_path: Path) -> None:
        for ending in (".safetensors", ".json"):
            (tmp_path / f"w{ending}").write_bytes(weights.with_suffix(ending).read_bytes())
        start = load_start(tmp_path / "w.safetensors")
        assert start.prototypes is None
        settings = RunSettings(tmp_path / "run", "x", device="cpu", precision="float32")
        trainer = Trainer(finetune_preset(start.card, FinetuneSettings()), settings, start)
        assert trainer.objective.prototypes is not None
        assert not bool(trainer.objective.prototypes.started)

    def test_prototypes_of_other_weights_are_refused(self, weights: Path, tmp_path: Path) -> None:
        loaded = load_detector(weights)
        with torch.no_grad():
            loaded.model.head.classes.bias.add_(1)
        path = tmp_path / "other.safetensors"
        save_weights(path, loaded.model, loaded.card)
        prototypes_path(path).write_bytes(prototypes_path(weights).read_bytes())
        with pytest.raises(InputError, match="other weights"):
            load_start(path)
        prototypes_path(path).write_bytes(b"\x00")
        with pytest.raises(InputError, match="can't be read"):
            load_start(path)

    def test_the_shipped_weights_can_be_started_from(self) -> None:
        start = load_start(None)
        preset = finetune_preset(start.card, FinetuneSettings(steps=40))
        assert preset.architecture == start.card.architecture
        assert preset.losses.prototype_warmup == 10


def learned_from_people(weights: Path, folder: Path) -> Path:
    """A copy of weights whose card says that they learned from scans of people."""
    loaded = load_detector(weights)
    training = loaded.card.training.model_copy(update={"simulated": False})
    save_weights(
        folder / "people.safetensors", loaded.model, loaded.card.model_copy(update={"training": training})
    )
    return folder / "people.safetensors"


class TestSimulated:
    """What learned from people says so, and so does all that goes on from it."""

    def test_a_mean_learned_from_people_if_any_did(self, weights: Path, tmp_path: Path) -> None:
        people = learned_from_people(weights, tmp_path)
        assert mean_start([weights, weights]).card.training.simulated
        assert not mean_start([weights, people]).card.training.simulated

    @pytest.mark.parametrize("simulated", [True, False])
    def test_training_that_goes_on(
        self, weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulated: bool
    ) -> None:
        describe_simulated(data)
        plans: list[Plan] = []
        monkeypatch.setattr("microbleeds.training.run.carry_out", plans.append)
        parent = weights if simulated else learned_from_people(weights, tmp_path)
        train(data, "default", tmp_path / "run", weights=parent, device="cpu")
        assert [plan.settings.simulated for plan in plans] == [simulated]


class TestPreset:
    def test_gentler_than_the_training(self, weights: Path) -> None:
        card = load_start(weights).card
        preset = finetune_preset(card, FinetuneSettings(rate_factor=0.1, steps=77, patience=2))
        assert preset.optimiser.rate == pytest.approx(2e-4)
        assert (preset.steps, preset.patience, preset.at_start) == (77, 2, True)
        assert preset.preparation == card.preparation
        strides = zip(preset.sampling.crop, card.architecture.total_stride, strict=True)
        assert all(side % stride == 0 for side, stride in strides)

    def test_of_the_papers_weights(self, weights: Path) -> None:
        card = load_start(weights).card
        training = card.training.model_copy(update={"preset": "kim2023"})
        window = (128, 128, 128)
        papers = {"training": training, "architecture": KIM_2023, "search_window": window}
        preset = finetune_preset(card.model_copy(update=papers), FinetuneSettings())
        assert preset.optimiser.kind == "sgd"
        assert preset.sampling.crop == preset.search_window == window

    def test_frozen_norms_stay(self, weights: Path, tmp_path: Path) -> None:
        start = load_start(weights)
        for frozen in (True, False):
            how = FinetuneSettings(steps=2, frozen_norms=frozen)
            preset = replace(finetune_preset(start.card, how), at_start=False, sampling=toy_preset().sampling)
            settings = RunSettings(tmp_path / str(frozen), "x", device="cpu", precision="float32", workers=0)
            fit(FixedSubjects(SUBJECTS), [], preset, settings, start)
            state = load_checkpoint(settings.out / "checkpoint.pt")["objective"]
            same = [
                torch.equal(value, start.weights[name.removeprefix("detector.")])
                for name, value in state.items()
                if name.endswith("running_mean")
            ]
            assert all(same) if frozen else not any(same)


class TestFinetune:
    """The whole verb on a folder of five toys, of which one is held out."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def preset(card, how):  # type: ignore[no-untyped-def]
            return replace(finetune_preset(card, how), sampling=toy_preset().sampling)

        monkeypatch.setattr("microbleeds.training.finetune.finetune_preset", preset)

    def run(self, data: Path | list[Path], out: Path, **changes: object):  # type: ignore[no-untyped-def]
        how = FinetuneSettings(steps=3, validate_every=2, patience=0)
        given: dict[str, object] = {"how": how, "device": "cpu", "precision": "float32", "workers": 0}
        return finetune(data, out, **(given | changes))  # type: ignore[arg-type]

    def test_says_where_it_comes_from(self, weights: Path, data: Path, tmp_path: Path) -> None:
        parent, out = load_detector(weights).card, tmp_path / "run"
        card = self.run(data, out, weights=weights)
        assert (card.training.subjects, card.training.simulated) == (4, False)
        learned = "Its weights learned from 4 scans of clinic, going on from toy-seed0."
        assert model_record(card, "balanced", with_phase=True).training == learned
        assert f"started from toy-seed0, sha256 {parent.sha256}, which learned from 2 scans of toys" in (
            card.training.notes
        )
        entries = [json.loads(line) for line in (out / "metrics.jsonl").open()]
        assert [entry["step"] for entry in entries if "validation/mean_sensitivity" in entry] == [0, 2, 3]
        assert json.loads((out / "run.json").read_text())["started_from"]["sha256"] == parent.sha256
        assert load_checkpoint(out / "checkpoint.pt")["mined"], "hard negatives are sought at the start"
        assert self.run(data, out, weights=weights).sha256 == card.sha256
        with pytest.raises(InputError, match="other settings"):
            self.run(data, out)  # the shipped weights are others
        assert prototypes_path(out / "weights.safetensors").exists()

    def test_a_folder_goes_on_with_the_same_scans_and_sign_only(
        self, weights: Path, data: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "run"
        card = self.run(data, out, weights=weights, phase_sign="paramagnetic-bright")
        with pytest.raises(InputError, match="other scans"):
            self.run(data, out, weights=weights, phase_sign="paramagnetic-dark")
        copy = shutil.copytree(data, tmp_path / "copy" / data.name)
        assert self.run(copy, out, weights=weights, phase_sign="paramagnetic-bright").sha256 == card.sha256
        write_subject(copy, 40)
        with pytest.raises(InputError, match="other scans"):
            self.run(copy, out, weights=weights, phase_sign="paramagnetic-bright")

    def test_corrected_labels_are_another_run(self, weights: Path, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "run"
        self.run(data, out, weights=weights)
        table = next(data.rglob("sub-003_microbleeds.tsv"))
        lines = [line.split("\t") for line in table.read_text().splitlines()]
        lines[-1][1] = f"{-float(lines[-1][1]):.3f}"  # mirrored, as many as before
        table.write_text("".join("\t".join(line) + "\n" for line in lines))
        with pytest.raises(InputError, match="other labels"):
            self.run(data, out, weights=weights)

    def test_twice_keeps_the_settings_of_the_first_training(self, weights: Path) -> None:
        card = load_detector(weights).card
        of_paper = card.training.model_copy(update={"preset": "kim2023"})
        once = finetune_preset(card.model_copy(update={"training": of_paper}), FinetuneSettings())
        assert once.based_on == "kim2023"
        tuned = card.training.model_copy(update={"preset": once.name, "based_on": once.based_on})
        twice = finetune_preset(card.model_copy(update={"training": tuned}), FinetuneSettings())
        assert twice == once

    def test_a_run_with_another_patience_is_another_run(self, weights: Path, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "run"
        self.run(data, out, weights=weights)
        for other in ({"steps": 4}, {"validate_every": 3}, {"patience": 1}):
            how = FinetuneSettings(**({"steps": 3, "validate_every": 2, "patience": 0} | other))  # type: ignore[arg-type]
            with pytest.raises(InputError, match="other settings"):
                self.run(data, out, weights=weights, how=how)

    def test_what_is_mixed_in_makes_the_weights_learn_from_people(
        self, weights: Path, data: Path, tmp_path: Path
    ) -> None:
        describe_simulated(data)
        for real, folder in ((True, "people"), (False, "heads")):
            for seed in (7, 8):
                write_subject(tmp_path / folder, seed)
            if not real:
                describe_simulated(tmp_path / folder)
            card = self.run(data, tmp_path / f"with {folder}", weights=weights, mix=Mix(tmp_path / folder, 0.4))
            assert card.training.simulated is not real

    def test_numbers_that_cant_be_are_refused(self) -> None:
        for wrong in ({"steps": 0}, {"validate_every": 0}, {"patience": -1}):
            with pytest.raises(InputError, match="must be a whole number"):
                FinetuneSettings(**wrong)  # type: ignore[arg-type]

    def test_simulated_heads_are_mixed_in(self, weights: Path, data: Path, tmp_path: Path) -> None:
        for seed in (7, 8):
            write_subject(tmp_path / "heads", seed)
        describe_simulated(tmp_path / "heads")
        out = tmp_path / "run"
        card = self.run(data, out, weights=weights, mix=Mix(tmp_path / "heads", 0.4))
        mixed = "clinic, mixed with 2 simulated scans (heads) in 40% of the crops, going on from toy-seed0"
        assert card.training.data == mixed
        assert card.training.subjects == 4
        assert json.loads((out / "run.json").read_text())["simulated"] == {"data": "heads", "share": 0.4}

    def test_on_two_data_sets(self, weights: Path, data: Path, tmp_path: Path) -> None:
        for seed in range(5):
            write_subject(tmp_path / "elsewhere", seed)
        card = self.run([data, tmp_path / "elsewhere"], tmp_path / "run", weights=weights)
        assert card.training.data == "clinic and elsewhere, going on from toy-seed0"
        assert card.training.subjects == 8, "two of ten are held out"

    def test_without_validation_the_thresholds_of_the_parent_stay(
        self, weights: Path, data: Path, tmp_path: Path
    ) -> None:
        parent = load_detector(weights).card
        card = self.run(data, tmp_path / "run", weights=weights, validation_subjects=0)
        assert card.calibration == parent.calibration
        assert card.operating_points == parent.operating_points
        assert card.without_phase == parent.without_phase
        assert "NO VALIDATION DATA: calibration and thresholds are those of toy-seed0, NOT FITTED" in (
            card.training.notes
        )

    def test_fitted_where_there_is_enough(
        self, weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parent = load_detector(weights).card
        few = self.run(data, tmp_path / "few", weights=weights)
        assert "too little in 1 validation scans (2 microbleeds) to calibrate on" in few.training.notes
        assert few.calibration == parent.calibration
        monkeypatch.setattr("microbleeds.training.judgement.kinds_of", lambda scored: (5, 5))
        enough = self.run(data, tmp_path / "enough", weights=weights)
        assert "calibrated on 1 validation scans" in enough.training.notes
        assert enough.operating_points != parent.operating_points
        assert enough.without_phase not in (None, parent.without_phase)
