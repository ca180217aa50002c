"""The verbs that train: their options arrive, and their mistakes are sentences."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from microbleeds.cli import main
from microbleeds.errors import InputError
from microbleeds.evaluate import Interval
from microbleeds.training.out_of_fold import PooledScores


def run(*arguments: object) -> int:
    """Return the exit code."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


@pytest.mark.parametrize("verb", ["train", "finetune", "cross-validate"])
def test_help(verb, capsys):
    assert run(verb, "--help") == 0
    assert "--data" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["train", "finetune", "cross-validate"])
def test_no_data(verb, tmp_path, capsys):
    assert run(verb, "--data", tmp_path / "missing", "--out", tmp_path / "run") == 2
    assert "missing" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["train", "finetune", "cross-validate"])
def test_an_impossible_share(verb, tmp_path, capsys):
    more = ("--simulated", tmp_path, "--simulated-share", 1.5)
    assert run(verb, "--data", tmp_path, "--out", tmp_path / "run", *more) == 2
    assert "share" in capsys.readouterr().err


def test_train_options_arrive(tmp_path, monkeypatch):
    seen = {}

    def noted(data, preset, out, **options):
        seen.update(options, data=data)
        raise InputError("Enough.")

    monkeypatch.setattr("microbleeds.training.run.train", noted)
    common = ("train", "--data", tmp_path, "--out", tmp_path / "run")
    assert run(*common) == 2
    assert (seen["mix"], seen["patience"]) == (None, 0)
    assert (seen["variant"], seen["steps"], seen["refinement_steps"]) == (None, None, None)
    assert run(*common, "--variant", "+fusion", "--steps", 0, "--refinement-steps", 7) == 2
    assert (seen["variant"], seen["steps"], seen["refinement_steps"]) == ("+fusion", 0, 7)
    assert run(*common, "--patience", 3, "--simulated", "heads", "--simulated-share", 0.25) == 2
    assert (seen["mix"].folder, seen["mix"].share, seen["patience"]) == (Path("heads"), 0.25, 3)


def test_no_steps_are_for_weights_that_are_there(tmp_path, capsys):
    assert run("train", "--data", tmp_path, "--out", tmp_path / "run", "--steps", 0) == 2
    assert "steps" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


class TestFinetune:
    def test_options_arrive(self, tmp_path, monkeypatch, capsys):
        seen = {}

        def noted(data, out, **options):
            seen.update(options, data=data, out=out)
            return SimpleNamespace(sha256="a" * 64, training=SimpleNamespace(notes="started from x"))

        monkeypatch.setattr("microbleeds.training.finetune.finetune", noted)
        code = run(
            "finetune", "--data", "d", "--out", "o", "--weights", "w.safetensors", "--steps", 30,
            "--validate-every", 10, "--patience", 2, "--freeze-norms", "--validation-data", "a",
            "--validation-data", "b", "--validation-subjects", 4, "--time-limit-minutes", 9, "--seed", 5,
            "--device", "cpu", "--devices", 2, "--phase-sign", "paramagnetic-dark", "--refinement-steps", 8,
        )  # fmt: skip
        assert code == 0
        assert "How they were made: started from x." in capsys.readouterr().out
        how = seen["how"]
        assert (how.steps, how.validate_every, how.patience, how.frozen_norms) == (30, 10, 2, True)
        assert how.refinement_steps == 8
        assert [str(path) for path in seen["validation_data"]] == ["a", "b"]
        assert seen["phase_sign"] == "paramagnetic-dark"
        assert (seen["validation_subjects"], seen["time_limit_minutes"], seen["seed"]) == (4, 9.0, 5)
        assert (str(seen["weights"]), seen["device"], seen["devices"], seen["mix"]) == (
            "w.safetensors",
            "cpu",
            2,
            None,
        )

    def test_early_stopping_is_on(self, monkeypatch):
        seen = {}

        def noted(data, out, **options):
            seen.update(options)
            raise InputError("Enough.")

        monkeypatch.setattr("microbleeds.training.finetune.finetune", noted)
        assert run("finetune", "--data", "d", "--out", "o") == 2
        assert seen["how"].patience > 0


class TestCrossValidate:
    def test_options_arrive(self, tmp_path, monkeypatch, capsys):
        seen = {}
        nothing, some = Interval(None, None, None), Interval(0.5, 0.25, 0.75)

        def noted(request, only):
            seen.update(request=request, only=only)
            if only is not None:
                return None
            operating = {"balanced": {"sensitivity": some, "false_positives_per_scan_without": nothing}}
            return PooledScores(4, 5, 6, {"1": some}, Interval(0.4, None, None), operating, {})

        monkeypatch.setattr("microbleeds.training.cross_validation.cross_validate", noted)
        common = ("cross-validate", "--data", "d", "--out", "o", "--folds", 4, "--seed", 2)
        assert run(*common, "--fold", 3, "--steps", 9) == 0
        assert "not done yet" in capsys.readouterr().out
        request = seen["request"]
        assert (request.folds, request.seed, request.steps, seen["only"]) == (4, 2, 9, 3)
        assert (request.finetune, request.patience) == (False, 0)
        assert run(*common, "--finetune", "--weights", "w.safetensors", "--steps", 9) == 0
        shown = capsys.readouterr().out
        assert "0.50 (0.25 to 0.75)" in shown
        assert "4 subjects, 5 scans, 6 microbleeds" in shown
        assert (seen["request"].finetune, seen["request"].how.steps) == (True, 9)
        assert seen["request"].how.patience > 0

    @pytest.mark.parametrize("option", ["--preset", "--variant"])
    def test_finetune_keeps_its_network(self, option, tmp_path, capsys):
        more = (option, "kim2023" if option == "--preset" else "proposal")
        assert run("cross-validate", "--data", tmp_path, "--out", tmp_path / "o", "--finetune", *more) == 2
        assert "leave --preset and --variant out" in capsys.readouterr().err

    def test_weights_need_finetune(self, tmp_path, capsys):
        assert run("cross-validate", "--data", tmp_path, "--out", tmp_path / "o", "--weights", "w") == 2
        assert "--finetune" in capsys.readouterr().err
