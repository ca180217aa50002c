"""The benchmark's grid over low cut and new cut, on stored findings of one made-up pair."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

from made_up import finding, record, visit
from microbleeds.followup import Rule, compare_visits
from microbleeds.followup.record import write_record as write_comparison_record
from microbleeds.followup.registration import Registration
from microbleeds.report.record import write_record

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not installed")
SURE, FAINT, VESSEL = (10.0, 0.0, 0.0), (-10.0, 0.0, 0.0), (0.0, 16.0, 0.0)


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """Benchmarks are scripts, not a package: their folder goes on the path."""
    before = list(sys.path)
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("followup")
    sys.path[:] = before
    for name in ("followup", "cohort"):
        sys.modules.pop(name, None)


def dark_at(
    places: list[tuple[float, float, float]], affine: np.ndarray, shape: tuple[int, ...]
) -> nib.Nifti1Image:
    """An even image, with a dark spot at each place."""
    where = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    image = np.full(shape, 100, dtype=np.float32)
    image[0, 0, 0] = 90  # no image has one value alone
    for place in places:
        image[np.linalg.norm(where - place, axis=-1) < 3] = 20
    return nib.Nifti1Image(image, affine)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pair, searched and aligned: data and truth in `data`, results in `found`."""
    root = tmp_path_factory.mktemp("pairs")
    after = [finding(1, SURE), finding(2, FAINT, 0.13, "score"), finding(3, VESSEL, 0.13, "score")]
    places = {"ses-01": [finding(1, VESSEL, 0.02, "score")], "ses-02": after}
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = -40
    codes = np.zeros((81, 81, 41), dtype=np.uint8)
    codes[5:-5, 5:-5, 5:-5] = 10
    found = root / "found" / "same" / "sub-001"
    truth = root / "data" / "same" / "derivatives" / "truth" / "sub-001"
    (root / "data" / "same" / "sub-001").mkdir(parents=True)
    for session, findings in places.items():
        (found / session).mkdir(parents=True)
        (truth / session / "anat").mkdir(parents=True)
        # The vessel is dark at follow-up alone, so that darkness alone would take it for new.
        dark = [f.position_ras_mm for f in findings] if session == "ses-02" else []
        nib.save(dark_at(dark, affine, codes.shape), found / session / "swi.nii.gz")
        files = {"swi": str(found / session / "swi.nii.gz")}
        write_record(record(findings, files=files), found / session / "findings.json")
        nib.save(nib.Nifti1Image(codes, affine), found / session / "regions.nii.gz")
        new = [SURE, FAINT] if session == "ses-02" else []
        rows = [f"{n}\t{x}\t{y}\t{z}\t1\t{n}\t1" for n, (x, y, z) in enumerate(new, start=1)]
        table = "\n".join(["id\tx_mm\ty_mm\tz_mm\tvisible\tlesion\tnew", *rows]) + "\n"
        (truth / session / "anat" / f"sub-001_{session}_microbleeds.tsv").write_text(table)
    nib.save(nib.Nifti1Image(codes, affine), truth / "ses-01" / "anat" / "sub-001_ses-01_desc-brain_mask.nii.gz")
    content = {"matrix": np.eye(4).tolist()}
    (truth / "ses-02" / "anat" / "sub-001_ses-02_from-baseline_xfm.json").write_text(json.dumps(content))
    aligned = Registration(np.eye(4), 0.0, 1.0, 1.0, None)
    (found / "comparison").mkdir()
    comparison = compare_visits(visit(), visit(), registration=aligned)
    write_comparison_record(comparison, found / "comparison" / "comparison.json")
    return root


@pytest.mark.parametrize(
    ("low", "new", "row"),
    [
        (0.012, None, ["0.012", "off", "0.35", "1", "2", "0.00", "0.00", ""]),
        (0.012, 0.15, ["0.012", "0.15", "0.35", "1", "2", "0.00", "0.00", ""]),
        (0.012, 0.1, ["0.012", "0.1", "0.35", "2", "2", "0.00", "0.00", "yes"]),
        (0.05, 0.1, ["0.05", "0.1", "0.35", "2", "2", "1.00", "0.00", ""]),
    ],
)
def test_a_row_by_hand(benchmark: ModuleType, stored: Path, low: float, new: float | None, row: list[str]) -> None:
    pairs = list(benchmark._compared(benchmark._cohort("validation"), stored / "data", stored / "found", 1))
    assert len(pairs) == 1
    assert benchmark._by_rule(stored / "data", pairs, Rule(low_cut=low, new_cut=new)) == row


def test_one_command_shows_the_grid(
    benchmark: ModuleType, stored: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    benchmark.choose(stored / "data", stored / "found")
    said = capsys.readouterr().out
    cuts = [cut for cut in benchmark.NEW_CUTS if cut is not None]
    # Every new cut up to the bleed's score of 0.13, with the low cut that is below the vessel's 0.02.
    assert said.count("yes") == len(benchmark.DARK_SHARES) * sum(0.012 < cut <= 0.13 for cut in cuts)
    assert said.count("off") >= len(benchmark.LOW_CUTS) * len(benchmark.DARK_SHARES)
