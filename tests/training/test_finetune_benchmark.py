"""The worked example of fine-tuning, on toys: what its parts say, without simulating a head."""

from __future__ import annotations

import importlib
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
    """Modules finetune and scanner_b of the benchmarks."""
    before = list(sys.path)
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("finetune"), importlib.import_module("scanner_b")
    sys.path[:] = before
    for name in ("finetune", "scanner_b", "cohort"):
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
