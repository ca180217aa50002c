"""Searching whole and in windows: which ways there are, and the table of what they find."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import overlap
import search
from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, detect
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.config import DetectorConfig
from microbleeds.networks.detector import Detector
from microbleeds.prepare import Prepared
from microbleeds.training.presets import find_preset

CPU = Compute(torch.device("cpu"), torch.float32)


def test_windows_are_those_of_training() -> None:
    sampling = find_preset("default").sampling
    assert {way.window for way in overlap.WAYS} == {None, sampling.crop, sampling.wide_crop}
    assert overlap.WAYS[0].window is None, "the first is the one that times are compared with"
    assert any(way.overlap == DetectSettings.window_overlap for way in overlap.WAYS), "the default is measured"


def test_what_a_way_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth at what the network itself finds, whole: all of it; and a window sees other surroundings."""
    monkeypatch.setattr(search, "FLOOR", 0.0)
    torch.manual_seed(0)
    config = DetectorConfig(widths=(4, 4, 4), pools=((2, 2, 1), (2, 2, 2)), fusion_channels=4, head_channels=4)
    grid = Grid((96, 64, 24), np.diag([0.5, 0.5, 2.0, 1.0]))
    image = np.random.default_rng(0).normal(size=(2, *grid.shape)).astype(np.float32)
    prepared = Prepared(image, np.ones(grid.shape, dtype=bool), grid, True)
    model = Detector(config).eval()
    settings = DetectSettings(floor=0.0, measure_diameters=False)
    surest = np.array([c.position_ras_mm for c in detect(prepared, model, settings, CPU)[:4]])

    truth = SimpleNamespace(counted_mm=surest, ignored_mm=np.zeros((0, 3)))
    scan: Any = SimpleNamespace(name="a", head="a", truth=truth, prepared=lambda: prepared)
    loaded: Any = SimpleNamespace(model=model)
    whole = overlap._measured(overlap.Way("whole"), [scan], loaded, CPU)
    assert whole["found"] == [1.0] * len(overlap.READ_AT)
    windows = overlap._measured(overlap.Way("w", (32, 32, 8), 0.0), [scan], loaded, CPU)
    assert min(windows["found"]) < 1
    assert (windows["window"], windows["overlap"]) == ((32, 32, 8), 0.0)


def test_the_table_by_hand(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    with pytest.raises(InputError, match="no results"):
        overlap.table(tmp_path, page)
    way = {"label": "whole", "window": None, "found": [0.5, 0.6, 0.7, 0.8], "median_seconds": 2.0}
    piece = {"label": "96, 1/2", "window": [96, 96, 24], "found": [0.4, 0.6, 0.7, 0.9], "median_seconds": 9.0}
    facts = {"scans": 3, "microbleeds": 10, "ways": [way, piece]}
    for name, label in (("a", "detector-0.4"), ("b", "detector-0.3")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"weights": label, **facts}), encoding="utf-8")
    overlap.table(tmp_path, page)
    lines = page.read_text(encoding="utf-8").splitlines()
    first = lines.index("| detector-0.3 | whole | 5 | 6 | 7 | 8 | 1.0 |")
    assert lines[first + 1] == "|  | 96, 1/2 | 4 | 6 | 7 | 9 | 4.5 |"
    assert lines[first + 2].startswith("| detector-0.4 | whole |")
