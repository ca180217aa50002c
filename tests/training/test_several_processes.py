"""Training in several processes that make each step together."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from toy_subjects import toy_preset, toy_subject

from microbleeds.errors import InputError
from microbleeds.simulate.cohort import CohortSettings
from microbleeds.training import run
from microbleeds.training.checkpoint import load_checkpoint
from microbleeds.training.processes import fabric_devices
from microbleeds.training.simulated import DrawSimulated
from microbleeds.training.stream import EveryNth
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trainer import RunSettings
from microbleeds.weights import load_detector
from microbleeds.weights.card import Card

pytest.importorskip("lightning_fabric")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes leave."""
    folder = tmp_path_factory.mktemp("two")
    script = Path(__file__).with_name("two_processes.py")
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "MASTER_PORT")}
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        env=environment | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def saved(out: Path, rank: int) -> list[tuple[int, str]]:
    """Step and weights each time that a process was to save; the first does so after a validation too."""
    pairs = (line.split() for line in (out / f"rank-{rank}.txt").read_text().splitlines())
    return list(dict.fromkeys((int(step), digest) for step, digest in pairs))


@pytest.mark.parametrize("name", ["whole", "parts", "streamed", "limited"])
def test_all_processes_have_the_same_weights(out: Path, name: str) -> None:
    # Prototypes start at class means, of which each process has seen its own share.
    first, second = saved(out / name, 0), saved(out / name, 1)
    assert len({digest for _, digest in first}) >= 2
    assert first == second


def test_a_run_that_was_killed_gives_the_same_weights(out: Path) -> None:
    whole, parts = (load_detector(out / name / "weights.safetensors").card for name in ("whole", "parts"))
    assert saved(out / "parts", 0) == saved(out / "whole", 0)
    assert parts.sha256 == whole.sha256
    assert all((out / "parts" / f"killed-{rank}.txt").exists() for rank in (0, 1)), "it was killed"


def test_a_time_limit_ends_all_at_the_same_step(out: Path) -> None:
    state = load_checkpoint(out / "limited" / "checkpoint.pt")
    assert 0 < state["step"] < 10**6
    assert saved(out / "limited", 1)[-1][0] == state["step"]


def test_subjects_of_all_processes_are_counted(out: Path) -> None:
    assert load_detector(out / "streamed" / "weights.safetensors").card.training.subjects == 1 + 2


class Recorded:
    """A simulator that only remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, index: int) -> TrainingSubject:
        self.asked.append(index)
        return toy_subject(0)


def test_each_process_draws_heads_of_its_own() -> None:
    draws = [Recorded(), Recorded()]
    for rank, draw in enumerate(draws):
        share = EveryNth(draw, rank, 2, scans_per_head=4)
        for index in range(8):
            share(index)
    assert draws[0].asked == [0, 1, 2, 3, 8, 9, 10, 11]
    assert draws[1].asked == [4, 5, 6, 7, 12, 13, 14, 15]
    alone = Recorded()
    EveryNth(alone, 0, 1, 4)(7)
    assert alone.asked == [7]


def test_streaming_in_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    @contextmanager
    def streamed(draw: EveryNth, spool: Path):  # type: ignore[no-untyped-def]
        seen.update(draw=draw, spool=spool)
        yield "buffer"

    def fit(source: object, validation: object, preset: object, settings: object, **more: object) -> Card:
        seen.update(source=source, fabric=more["fabric"])
        return "card"  # type: ignore[return-value]

    fabric = SimpleNamespace(global_rank=1, world_size=2)
    monkeypatch.setattr(run, "find_preset", lambda name: toy_preset())
    monkeypatch.setattr(run, "start_fabric", lambda compute, devices: fabric)
    monkeypatch.setattr(run, "streamed", streamed)
    monkeypatch.setattr(run, "fit", fit)
    draw = DrawSimulated(CohortSettings("mixed", scans_per_head=4), 0, (tmp_path / "training_seg_01.nii.gz",))
    card = run.train(None, "toy", tmp_path / "run", simulated=draw, devices=2, device="cpu", precision="float32")
    assert card == "card"
    assert seen["source"] == "buffer"
    assert seen["fabric"] is fabric
    share, spool = seen["draw"], seen["spool"]
    assert isinstance(share, EveryNth)
    assert (share.rank, share.world, share.scans_per_head) == (1, 2, 4)
    assert spool == tmp_path / "run" / "spool-2"
    assert share.draw.scratch == spool  # type: ignore[attr-defined]


def test_the_named_device_is_the_one_that_trains(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    cuda = torch.device("cuda")
    assert fabric_devices(torch.device("cpu"), 3) == 3
    assert fabric_devices(cuda, 2) == 2
    assert fabric_devices(torch.device("cuda", 1), 1) == [1]
    with pytest.raises(InputError, match="cuda:1 is one device, not 2"):
        fabric_devices(torch.device("cuda", 1), 2)
    with pytest.raises(InputError, match="3 devices, and there are 2 of cuda here"):
        RunSettings(out=tmp_path, data="toy", device="cuda", devices=3)
