"""A peer's run: weights that load again, a broken-off run that goes on to the same weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ablation_run import Run
from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.training.presets import PRESETS, Preset, SamplingSettings
from microbleeds.training.subjects import TrainingSubject
from peers.loading import load_peer
from peers.training import PeerTrainer, train_peer
from rows import Row

SPACING = np.array([0.5, 0.5, 2.0])
ROW = Row("radial", "radial", method="radial")
CPU = Compute(torch.device("cpu"), torch.float32)


def _preset(steps: int) -> Preset:
    sampling = SamplingSettings(crop=(32, 32, 16), batch=2)
    return replace(
        PRESETS["default"], sampling=sampling, steps=steps, mine_every=3, mine_subjects=1, checkpoint_every=1
    )


def _subjects() -> list[TrainingSubject]:
    rng = np.random.default_rng(1)
    shape, points = (64, 64, 24), np.array([[30.0, 30.0, 12.0]])
    image = (1 + 0.05 * rng.standard_normal((2, *shape))).astype(np.float16)
    image[0, 28:33, 28:33, 11:14] = 0.2
    none = np.zeros((0, 3))
    depth = np.full(shape, 40, dtype=np.int8)
    return [TrainingSubject("s", image, depth, Grid(shape, np.diag([*SPACING, 1.0])), points, none, none, points)]


def test_a_run_leaves_weights_that_search(tmp_path: Path) -> None:
    train_peer(Run(ROW, _preset(3), 5, tmp_path, "float32"), _subjects())
    searcher = load_peer("radial", tmp_path, CPU)
    positions, scores = searcher.search(_subjects()[0].prepared())

    assert searcher.facts()["steps"] == 3
    assert searcher.facts()["seed"] == 5
    assert positions.shape == (len(scores), 3)


def test_a_run_that_was_broken_off_comes_to_the_same_weights(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_peer(Run(ROW, _preset(4), 0, whole, "float32"), _subjects())
    trainer = PeerTrainer("radial", _preset(4), 0, CPU)
    for _ in range(2):
        trainer.take(_subjects())
    broken.mkdir()
    trainer.save(broken / "checkpoint.pt")
    train_peer(Run(ROW, _preset(4), 0, broken, "float32"), _subjects())

    first, second = (load_file(folder / "weights.safetensors") for folder in (whole, broken))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value)


def test_weights_that_were_changed_are_refused(tmp_path: Path) -> None:
    train_peer(Run(ROW, _preset(1), 0, tmp_path, "float32"), _subjects())
    card = tmp_path / "weights.json"
    facts = json.loads(card.read_text(encoding="utf-8"))
    card.write_text(json.dumps({**facts, "weights_sha256": "0" * 64}), encoding="utf-8")

    with pytest.raises(InputError, match="anew"):
        load_peer("radial", tmp_path, CPU)
    with pytest.raises(InputError, match="no weights"):
        load_peer("radial", tmp_path / "nowhere", CPU)
