"""Verbs, exit codes and messages of the command line, in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from microbleeds import __version__
from microbleeds.cli import main
from microbleeds.errors import InputError
from microbleeds.report.record import schema_json


def run(*arguments: object) -> int:
    """Return the exit code."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


class TestHelp:
    def test_names_every_verb(self, capsys):
        assert run("--help") == 0
        text = capsys.readouterr().out
        for verb in ("detect", "evaluate", "simulate", "train", "info", "schema"):
            assert verb in text

    @pytest.mark.parametrize("verb", ["detect", "evaluate", "simulate", "train", "info", "schema"])
    def test_each_verb_has_help(self, verb, capsys):
        assert run(verb, "--help") == 0
        assert "Usage" in capsys.readouterr().out

    def test_version(self, capsys):
        assert run("--version") == 0
        assert capsys.readouterr().out == f"microbleeds {__version__}\n"

    def test_help_imports_neither_torch_nor_numpy(self):
        code = (
            "import sys\n"
            "from microbleeds.cli import main\n"
            "try:\n    main(['detect', '--help'])\n"
            "except SystemExit:\n    pass\n"
            "sys.exit(len({'torch', 'numpy'} & sys.modules.keys()))"
        )
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


class TestErrors:
    def test_an_empty_path_is_not_the_current_folder(self, capsys):
        assert run("regions", "", "--out", "x") == 2
        assert "An argument is empty" in capsys.readouterr().err

    def test_a_name_that_is_too_long(self, capsys):
        assert run("detect", "a" * 300 + ".nii.gz", "--out", "x") == 2
        error = capsys.readouterr().err
        assert error.startswith("microbleeds: File name too long")
        assert "unexpected" not in error

    def test_unknown_option_is_exit_2(self, capsys):
        assert run("detect", "--no-such-option") == 2
        assert "no-such-option" in capsys.readouterr().err

    def test_bad_input_is_one_sentence_and_exit_2(self, tmp_path, capsys):
        assert run("evaluate", tmp_path / "no.json", tmp_path / "no.tsv") == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("microbleeds: ")
        assert captured.err.count("\n") == 1

    def test_unexpected_error_is_exit_1_with_a_pointer(self, tmp_path, capsys, monkeypatch):
        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("the sky fell")

        monkeypatch.setattr("microbleeds.evaluate.read_cases", broken)
        assert run("evaluate", tmp_path, tmp_path) == 1
        error = capsys.readouterr().err
        assert "the sky fell" in error
        assert "--debug" in error
        assert "Traceback" not in error
        assert run("--debug", "evaluate", tmp_path, tmp_path) == 1
        assert "Traceback" in capsys.readouterr().err


class TestDetect:
    def test_missing_file(self, tmp_path, capsys):
        assert run("detect", tmp_path / "no.nii.gz", "--out", tmp_path / "out") == 2
        assert "no.nii.gz" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == [], "nothing half-written stays"

    def test_no_image_at_all(self, tmp_path, capsys):
        assert run("detect", "--out", tmp_path / "out") == 2
        assert "magnitude" in capsys.readouterr().err

    def test_existing_folder(self, tmp_path, capsys):
        (tmp_path / "out").mkdir()
        assert run("detect", tmp_path / "no.nii.gz", "--out", tmp_path / "out") == 2
        assert "--overwrite" in capsys.readouterr().err

    def test_options_arrive(self, tmp_path, monkeypatch):
        seen = []

        def noted(request, announce):
            seen.append(request)
            raise InputError("Enough.")

        monkeypatch.setattr("microbleeds.pipeline.run", noted)
        assert (
            run(
                "detect", "a.nii", "--phase", "b.nii", "--magnitude", "c.nii", "--out", tmp_path / "o",
                "--phase-sign", "paramagnetic-dark", "--operating-point", "screening",
                "--weights", "w.safetensors", "--device", "cpu", "--overwrite",
            )
            == 2
        )  # fmt: skip
        (request,) = seen
        assert {role: str(path) for role, path in request.inputs.items()} == {
            "swi": "a.nii",
            "phase": "b.nii",
            "magnitude": "c.nii",
        }
        assert (request.phase_sign, request.operating_point) == ("paramagnetic-dark", "screening")
        assert (str(request.weights), request.device, request.overwrite) == ("w.safetensors", "cpu", True)


class TestBadOptions:
    @pytest.mark.parametrize("verb", ["simulate", "simulate-visits"])
    def test_a_negative_seed_leaves_nothing(self, verb, tmp_path, capsys):
        assert run(verb, tmp_path / "out", "--seed", "-1") == 2
        assert "--seed" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--seed", "-1"), "--seed"),
            (("--threshold", "nan"), "threshold is nan"),
            (("--out", "."), "is a folder, not a file"),
            (("--out", "truth.csv/scores.json"), "can't be written"),
        ],
    )
    def test_of_evaluate(self, options, said, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("truth.csv").write_text("0,0,4\n")
        assert run("evaluate", "truth.csv", "truth.csv", "--repeats", "5", *options) == 2
        assert said in capsys.readouterr().err


class TestEvaluate:
    def test_one_scan(self, tmp_path, capsys):
        (tmp_path / "found.csv").write_text("0,0,0,0.9\n50,0,0,0.4\n")
        (tmp_path / "truth.csv").write_text("0,0,4\n")
        out = tmp_path / "scores.json"
        code = run("evaluate", tmp_path / "found.csv", tmp_path / "truth.csv", "--out", out, "--repeats", "20")
        assert code == 0
        scores = json.loads(out.read_text())
        assert scores["radii"][0]["operating"]["hits"] == 1
        assert scores["radii"][1]["operating"]["hits"] == 0
        assert "sensitivity" in capsys.readouterr().out

    def test_threshold(self, tmp_path):
        (tmp_path / "found.csv").write_text("0,0,0,0.9\n50,0,0,0.4\n")
        (tmp_path / "truth.csv").write_text("0,0,4\n")
        out = tmp_path / "scores.json"
        run(
            "evaluate", tmp_path / "found.csv", tmp_path / "truth.csv", "--out", out, "--repeats", "5",
            "--threshold", "0.5", "--seed", "3",
        )  # fmt: skip
        assert json.loads(out.read_text())["radii"][0]["operating"]["false_positives"] == 0


class TestTrain:
    def test_streaming_needs_label_maps(self, tmp_path, capsys):
        assert run("train", "--stream", "mixed", "--out", tmp_path / "run") == 2
        assert "--anatomy" in capsys.readouterr().err
        assert run("train", "--data", tmp_path, "--anatomy", tmp_path, "--out", tmp_path / "run") == 2
        assert "--stream" in capsys.readouterr().err

    def test_options_arrive(self, tmp_path, monkeypatch):
        seen = {}

        def noted(data, preset, out, **options):
            seen.update(options)
            raise InputError("Enough.")

        monkeypatch.setattr("microbleeds.training.run.train", noted)
        maps = tmp_path / "maps"
        maps.mkdir()
        for number in range(1, 13):
            (maps / f"training_seg_{number:02d}.nii.gz").touch()
        common = ("train", "--stream", "mixed", "--anatomy", maps, "--out", tmp_path / "run")
        sets = ("--validation-data", "a", "--validation-data", "b", "--validation-subjects", 3)
        assert run(*common, *sets) == 2
        assert [str(path) for path in seen["validation_data"]] == ["a", "b"]
        assert seen["validation_subjects"] == 3
        names = [path.name for path in seen["simulated"].anatomies]
        assert names == [f"training_seg_{number:02d}.nii.gz" for number in range(1, 11)], "11 and 12 validate"
        assert run(*common, "--heads", 2) == 2
        assert len(seen["simulated"].anatomies) == 2
        assert seen["validation_data"] == ()


class TestInfoAndSchema:
    def test_schema_is_that_of_the_record(self, tmp_path, capsys):
        assert run("schema") == 0
        assert capsys.readouterr().out == schema_json()
        assert run("schema", "comparison") == 0
        assert json.loads(capsys.readouterr().out)["title"] == "Comparison"
        assert run("schema", "--out", tmp_path / "s.json") == 0
        assert (tmp_path / "s.json").read_text() == schema_json()
        assert run("schema", "--out", tmp_path / "new" / "s.json") == 0

    def test_a_demo_in_the_place_of_a_file(self, tmp_path, capsys):
        (tmp_path / "mine").touch()
        assert run("demo", "--out", tmp_path / "mine", "--overwrite") == 2
        assert "is a file" in capsys.readouterr().err

    def test_names_in_brackets_are_no_markup(self, tmp_path, capsys):
        header = "x_mm\ty_mm\tz_mm\tgroup\n"
        for name in ("truth", "found"):
            (tmp_path / f"{name}.tsv").write_text(header + "1\t2\t3\t[/x]\n")
        assert run("evaluate", tmp_path / "found.tsv", tmp_path / "truth.tsv") == 0
        assert "[/x]" in capsys.readouterr().out

    def test_info_as_json(self, capsys):
        assert run("info", "--json") == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["version"] == __version__
        assert "numpy" in facts["packages"]
        assert run("info") == 0
        said = capsys.readouterr().out
        assert "Not a medical device" in said
        card = next(card for card in facts["weights"] if "operating_points" in card)
        for with_phase, points in (
            ("with", card["operating_points"]),
            ("without", card["without_phase"]["operating_points"]),
        ):
            assert f"{with_phase} phase count from a score of {points['balanced']:.3g} (balanced)" in said
