"""A run that is killed at any moment and started again loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_subjects import toy_preset, toy_subject

from microbleeds.training import checkpoint, loop
from microbleeds.training.batches import FixedSubjects
from microbleeds.training.checkpoint import load_checkpoint
from microbleeds.training.loop import fit
from microbleeds.training.run_note import claim_folder, note_in_run
from microbleeds.training.trace import Trace
from microbleeds.training.trainer import RunSettings, Trainer
from microbleeds.weights import load_detector
from microbleeds.weights.card import Card

pytest.importorskip("lightning_fabric")

pytestmark = pytest.mark.slow

TRAIN, VALIDATE = FixedSubjects([toy_subject(n) for n in range(2)]), [toy_subject(9)]
PRESET = toy_preset(steps=4, validate_every=2, mine_every=2, checkpoint_every=1)


class Killed(Exception):
    """Stands for kill -9."""


def run(out: Path) -> Card:
    settings = RunSettings(out, "toy", device="cpu", precision="float32", workers=0)
    return fit(TRAIN, VALIDATE, PRESET, settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was not killed."""
    out = tmp_path_factory.mktemp("whole")
    run(out)
    return out


def half_written(state: object, path: Path) -> None:
    """Write half of a checkpoint and die."""
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    raise Killed


def at_call(number: int, dying: Callable[..., Any], usual: Callable[..., Any]) -> Callable[..., Any]:
    """A function that does something else at one of its calls."""
    calls = iter(range(1, 10**6))
    return lambda *given, **named: (dying if next(calls) == number else usual)(*given, **named)


def die(*_: object, **__: object) -> None:
    raise Killed


def die_after(usual: Callable[..., Any]) -> Callable[..., Any]:
    def done(*given: object, **named: object) -> None:
        usual(*given, **named)
        raise Killed

    return done


MOMENTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "while a checkpoint is written": lambda m: m.setattr(
        checkpoint.torch, "save", at_call(4, half_written, torch.save)
    ),
    "before the best weights are written": lambda m: m.setattr(
        loop, "save_weights", at_call(1, die, loop.save_weights)
    ),
    "between the best weights and the checkpoint": lambda m: m.setattr(
        loop, "save_weights", at_call(1, die_after(loop.save_weights), loop.save_weights)
    ),
    "between a validation and its entry": lambda m: m.setattr(
        Trainer, "validate", at_call(2, die_after(Trainer.validate), Trainer.validate)
    ),
    "between a search for hard negatives and the next step": lambda m: m.setattr(
        Trainer, "mine", at_call(1, die_after(Trainer.mine), Trainer.mine)
    ),
    "within a step": lambda m: m.setattr(Trainer, "take", at_call(3, die, Trainer.take)),
    "between a step and its checkpoint": lambda m: m.setattr(
        Trainer, "take", at_call(3, die_after(Trainer.take), Trainer.take)
    ),
    "while the weights are written": lambda m: m.setattr(loop, "finish", die),
    "after the weights are written": lambda m: m.setattr(loop, "note_in_run", die),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(moment: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched, pytest.raises(Killed):
        MOMENTS[moment](patched)
        run(tmp_path)
    card = run(tmp_path)
    assert same_result(tmp_path, whole)
    assert card.sha256 == load_detector(tmp_path / "weights.safetensors").card.sha256


def same_result(out: Path, whole: Path) -> bool:
    """Compare bit by bit all that a run leaves but its times."""
    states = [load_checkpoint(folder / "checkpoint.pt") for folder in (out, whole)]
    for part in ("objective", "average"):
        for name, value in states[0][part].items():
            assert torch.equal(value, states[1][part][name]), f"{part} {name}"
    assert states[0]["best"]["step"] == states[1]["best"]["step"]
    assert states[0]["mined"] == states[1]["mined"]
    best = [load_detector(folder / "best.safetensors").card.sha256 for folder in (out, whole)]
    cards = [load_detector(folder / "weights.safetensors").card for folder in (out, whole)]
    assert best[0] == best[1]
    assert cards[0].scores == cards[1].scores
    assert curves(out) == curves(whole)
    return cards[0].sha256 == cards[1].sha256


def curves(out: Path) -> list[dict[str, float]]:
    """All entries but how long things took."""
    timed = ("minutes", "steps_per_second", "data_share")
    entries = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    return [{name: value for name, value in entry.items() if name not in timed} for entry in entries]


KILL_ITSELF = """
import os, signal, sys, torch
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_resume
usual, calls = torch.save, iter(range(1, 10**6))
def save(state, path):
    usual(state, path)
    if next(calls) == 4:
        path.write_bytes(path.read_bytes()[:999])
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = save
torch.set_num_threads(1)
test_resume.run(Path(sys.argv[2]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_kill_9_while_a_checkpoint_is_written(whole: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", KILL_ITSELF, str(Path(__file__).parent), str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, env=environment, capture_output=True, check=False, timeout=600)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    left_over = list(tmp_path.glob(".partial-*"))
    assert len(left_over) == 1, "half a checkpoint lies beside the whole one"
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 2
    run(tmp_path)
    assert same_result(tmp_path, whole)


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    claim_folder(tmp_path / "run", PRESET, 0, "toy")
    (tmp_path / "run" / ".partial-x.pt").write_bytes(b"half")
    claim_folder(tmp_path / "run", PRESET, 0, "toy")
    assert not list((tmp_path / "run").glob(".partial-*"))


class TestCurves:
    def test_a_validation_that_is_made_again_is_written_once(self, tmp_path: Path) -> None:
        trace = Trace(tmp_path, 0)
        trace.write(4, {"loss": 1.0})
        trace.write(4, {"validation/mean_sensitivity": 0.5})
        trace.close()
        Trace(tmp_path, 4, validated_at=4).close()
        assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
        Trace(tmp_path, 4, validated_at=2).close()
        assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()] == [{"step": 4, "loss": 1.0}]

    def test_what_steps_cost_is_noted(self, whole: Path, tmp_path: Path) -> None:
        claim_folder(tmp_path / "run", PRESET, 0, "toy")
        run(tmp_path / "run")
        speed = json.loads((tmp_path / "run" / "run.json").read_text())["speed"]
        assert speed["steps"] == 4
        assert speed["steps_per_second"] > 0
        assert 0 < speed["data_share"] < 1, "batches are made in line here"
        claim_folder(tmp_path / "run", PRESET, 0, "toy")
        note_in_run(whole, {"speed": speed})
        assert not (whole / "run.json").exists()
