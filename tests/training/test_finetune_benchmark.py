"""The worked example of fine-tuning, on toys: what its parts say, without simulating a head."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from microbleeds.simulate.dataset import TRUTH
from microbleeds.training.out_of_fold import ScoredScan
from microbleeds.weights import OperatingPoints

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def example() -> Iterator[tuple[ModuleType, ModuleType]]:
    """Modules finetune and clinic of the benchmarks."""
    before = list(sys.path)
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("finetune"), importlib.import_module("clinic")
    sys.path[:] = before
    for name in ("finetune", "clinic", "shift_scans", "cohort"):
        sys.modules.pop(name, None)


def scan(name: str, found: list[list[float]], balanced: float) -> ScoredScan:
    places = np.array([[x, 0, 0, score] for x, score in found]).reshape(-1, 4)
    truth = np.array([[0.0, 0, 0], [20.0, 0, 0]])
    points = OperatingPoints(balanced=balanced, screening=0.0)
    return ScoredScan(name, name, 0, places, truth, np.zeros((0, 3)), points)


def test_the_gain_by_hand(example: tuple[ModuleType, ModuleType]) -> None:
    benchmark, _ = example
    before = scan("a", [[0, 0.9], [50, 0.8], [90, 0.7], [20, 0.6]], balanced=0.65)
    after = scan("a", [[0, 0.9], [20, 0.8], [50, 0.4]], balanced=0.5)
    gain = benchmark._gain([(before, after)])
    named = dict(zip(benchmark.FIGURES, gain.tolist(), strict=True))
    assert named["sensitivity at 1 FP"] == pytest.approx(0.5)
    assert named["sensitivity, balanced"] == pytest.approx(0.5)
    assert named["FP per scan, balanced"] == pytest.approx(-2)


def figures(value: float) -> dict[str, object]:
    of = {"value": value, "low": value - 0.1, "high": value + 0.1}
    point = {"sensitivity": of, "false_positives_per_scan": {**of, "value": 2 * value}}
    return {
        "sensitivity_at": {"1": of},
        "mean_sensitivity": of,
        "operating": {"balanced": point, "screening": point},
    }


def test_the_table_holds_what_was_stored(example: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    benchmark, _ = example
    gains = (0.25, 0.125, -0.5, -3.0)
    content = {
        "scanner": "c",
        "unseen": {"scans": 10, "microbleeds": 50},
        "shipped": "detector-9",
        "fine_tuned": {"steps": 300, "minutes": 7.4},
        "speed": {"compute": "cpu, bfloat16"},
        "hardware": {"processor": "Abacus"},
        "commit": "abc",
        "date": "2026-11-30T12:00:00",
        "scores": {"shipped": figures(0.5), "fine-tuned": figures(0.75)},
        "gain": {
            name: {"value": gain, "low": None, "high": None}
            for name, gain in zip(benchmark.FIGURES, gains, strict=True)
        },
    }
    stored, page = tmp_path / "finetune-c.json", tmp_path / "page.md"
    stored.write_text(json.dumps(content))
    benchmark.table(tmp_path, page)
    text = page.read_text()
    assert "| on the 10 unseen scans, 50 microbleeds | shipped (`detector-9`) | fine-tuned | gain |" in text
    assert (
        "| sensitivity at 1 false positive per scan | 0.50 (0.40 to 0.60) | 0.75 (0.65 to 0.85) | +0.25 |" in text
    )
    assert "| balanced: sensitivity | 0.50 (0.40 to 0.60) | 0.75 (0.65 to 0.85) | -0.50 |" in text
    assert "| balanced: false positives per scan | 1.00 (0.40 to 0.60) | 1.50 (0.65 to 0.85) | -3.00 |" in text
    assert "| screening: false positives per scan | 1.00 (0.40 to 0.60) | 1.50 (0.65 to 0.85) |  |" in text
    assert (
        "300 steps, without preparing the scans: 7 minutes (Abacus, cpu, bfloat16). Commit abc, 2026-11-30."
        in text
    )


def test_a_table_needs_a_result(example: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    benchmark, _ = example
    with pytest.raises(benchmark.InputError, match="run `run` first"):
        benchmark.table(tmp_path / "none", tmp_path / "page.md")
    assert not (tmp_path / "page.md").exists()


def test_heads_and_seeds_are_those_of_the_scoring_rules(example: tuple[ModuleType, ModuleType]) -> None:
    _, scanner = example
    assert set(scanner.LABELLED.anatomies) == set(scanner.label_maps(1, 10))
    assert set(scanner.UNSEEN.anatomies) == set(scanner.label_maps(11, 13))
    assert scanner.LABELLED.seed + 10 < 1_000_000 <= scanner.UNSEEN.seed < 2_000_000


def test_the_clinic_knows_only_what_it_sees(example: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    _, scanner = example
    folder = tmp_path / TRUTH / "sub-001" / "anat"
    folder.mkdir(parents=True)
    for ending in ("desc-brain_mask.nii.gz", "mimics.tsv", "dseg.tsv", "simulation.json"):
        (folder / f"sub-001_{ending}").touch()
    table = folder / "sub-001_microbleeds.tsv"
    table.write_text("id\tx_mm\tvisible\tgroup\n1\t0\t1\tlobar\n2\t5\t0\tlobar\n")
    scanner.forget(tmp_path)
    scanner.forget(tmp_path)
    assert table.read_text() == "id\tx_mm\tvisible\tgroup\n1\t0\t1\tlobar\n"
    assert sorted(path.name for path in folder.iterdir()) == ["sub-001_microbleeds.tsv", "sub-001_simulation.json"]
