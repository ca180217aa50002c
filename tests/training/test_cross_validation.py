from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_training_dataset import write_subject
from toy_subjects import toy_preset

from microbleeds.errors import InputError
from microbleeds.training import cross_validation
from microbleeds.training.cross_validation import CrossValidation, cross_validate
from microbleeds.training.out_of_fold import ScoredScan, pooled, read_scans, write_scans
from microbleeds.training.plan import Mix
from microbleeds.weights import OperatingPoints

pytest.importorskip("lightning_fabric")


def scan(name: str, group: str, found: list[list[float]], bleeds: int, fold: int = 1) -> ScoredScan:
    """A scan with microbleeds at x = 0, 20, 40 ...; found are x and score."""
    places = np.array([[x, 0, 0, score] for x, score in found]).reshape(-1, 4)
    truth = np.array([[20.0 * n, 0, 0] for n in range(bleeds)]).reshape(-1, 3)
    return ScoredScan(
        name, group, fold, places, truth, np.zeros((0, 3)), OperatingPoints(balanced=0.5, screening=0.1)
    )


class TestPooled:
    def test_by_hand(self) -> None:
        scans = [
            scan("a1", "a", [[0, 0.9], [7, 0.6], [20, 0.2]], 2),  # two hits, a false positive between them
            scan("a2", "a", [], 0),
            scan("b", "b", [[1, 0.8], [500, 0.15]], 2, fold=2),  # one of two, and a false positive
            scan("c", "c", [[30, 0.7]], 0, fold=3),
        ]
        scores = pooled(scans, repeats=50)
        assert (scores.subjects, scores.scans, scores.microbleeds) == (3, 4, 4)
        balanced, screening = scores.operating["balanced"], scores.operating["screening"]
        assert balanced["sensitivity"].value == pytest.approx(2 / 4)
        assert balanced["false_positives_per_scan"].value == pytest.approx(2 / 4)
        assert balanced["false_positives_per_scan_without"].value == pytest.approx(1 / 2)
        assert screening["sensitivity"].value == pytest.approx(3 / 4)
        assert screening["false_positives_per_scan"].value == pytest.approx(3 / 4)
        assert scores.sensitivity_at["0.125"].value == pytest.approx(2 / 4)
        assert scores.sensitivity_at["1"].value == pytest.approx(3 / 4)

    def test_what_all_draws_say_has_its_exact_bound(self) -> None:
        scans = [scan(f"{n}", f"{n}", [[0, 0.9]], 1) for n in range(3)]
        scans += [scan(f"{n}", f"{n}", [], 0) for n in range(3, 5)]
        balanced = pooled(scans, repeats=50).operating["balanced"]
        assert balanced["sensitivity"].low == pytest.approx(0.025 ** (1 / 3))
        assert balanced["false_positives_per_scan"].high == pytest.approx(-np.log(0.025) / 5)
        assert balanced["false_positives_per_scan_without"].high == pytest.approx(-np.log(0.025) / 2)

    def test_scans_of_a_subject_are_drawn_together(self) -> None:
        # One subject finds all in its scans, the other nothing: a quarter of the draws of two subjects is all or
        # nothing; of twelve scans drawn one by one, a four-thousandth.
        found = {"a": [[0, 0.9]], "b": []}
        scans = [scan(f"{group}{n}", group, found[group], 1) for group in "ab" for n in range(6)]
        scores = pooled(scans, repeats=200)
        interval = scores.operating["balanced"]["sensitivity"]
        assert (interval.low, interval.value, interval.high) == (0.0, 0.5, 1.0)

    def test_written_and_read(self, tmp_path: Path) -> None:
        scans = [scan("a", "g", [[0, 0.9]], 1, fold=4), scan("b", "g", [], 0, fold=4)]
        write_scans(tmp_path / "out_of_fold.json", scans, "abc")
        again = read_scans(tmp_path / "out_of_fold.json")
        assert [s.name for s in again] == ["a", "b"]
        assert (again[0].fold, again[0].points) == (4, scans[0].points)
        assert pooled(again, repeats=2).to_dict() == pooled(scans, repeats=2).to_dict()

    def test_a_scan_without_phase_keeps_its_own_thresholds(self, tmp_path: Path) -> None:
        points = OperatingPoints(balanced=0.3, screening=0.05)
        scans = [scan("a", "g", [[0, 0.4]], 1), replace(scan("b", "g", [[0, 0.4]], 1), points=points)]
        write_scans(tmp_path / "out_of_fold.json", scans, "abc")
        again = read_scans(tmp_path / "out_of_fold.json")
        assert [one.points for one in again] == [one.points for one in scans]
        assert pooled(again, repeats=2).operating["balanced"]["sensitivity"].value == 0.5

    def test_a_file_with_thresholds_of_all_scans_is_read(self, tmp_path: Path) -> None:
        path, scans = tmp_path / "out_of_fold.json", [scan("a", "g", [[0, 0.4]], 1)]
        write_scans(path, scans, "abc")
        content = json.loads(path.read_text())
        points = content["scans"][0].pop("operating_points")
        path.write_text(json.dumps(content | {"operating_points": points}))
        assert read_scans(path)[0].points == scans[0].points

    def test_a_faint_candidate_on_a_low_threshold_is_not_rounded_away(self, tmp_path: Path) -> None:
        faint = replace(
            scan("a", "g", [[0, 0.000431234]], 1), points=OperatingPoints(balanced=0.5, screening=0.00043)
        )
        write_scans(tmp_path / "out_of_fold.json", [faint], "abc")
        (again,) = read_scans(tmp_path / "out_of_fold.json")
        assert pooled([again], repeats=2).operating["screening"]["sensitivity"].value == 1

    def test_the_mean_has_its_exact_bound_too(self) -> None:
        scans = [scan(f"{n}", f"{n}", [[0, 0.9]], 1) for n in range(6)]
        assert pooled(scans, repeats=50).mean_sensitivity.low == pytest.approx(0.025 ** (1 / 6))


class TestCrossValidate:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        preset = toy_preset(steps=2, validate_every=0, mine_every=0)
        monkeypatch.setattr(cross_validation, "find_preset", lambda name: preset)
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)

    @pytest.fixture
    def request_(self, tmp_path: Path) -> CrossValidation:
        """Six scans of three heads, two scans each."""
        rows = ["participant_id\thead"]
        for seed in range(6):
            write_subject(tmp_path / "data", seed)
            rows.append(f"sub-{seed:03d}\t{seed // 2}")
        (tmp_path / "data" / "participants.tsv").write_text("\n".join(rows) + "\n")
        return CrossValidation(
            tmp_path / "data", tmp_path / "cv", folds=3, device="cpu", precision="float32", workers=0
        )

    def test_each_scan_is_searched_by_weights_that_have_not_seen_its_head(self, request_: CrossValidation) -> None:
        scores = cross_validate(request_)
        assert scores is not None
        assert (scores.subjects, scores.scans, scores.microbleeds) == (3, 6, 12)
        out, seen = request_.out, []
        for fold in (1, 2, 3):
            scans = read_scans(out / f"fold-{fold}" / "out_of_fold.json")
            seen += [s.name for s in scans]
            assert len({s.group for s in scans}) == 1
            card = json.loads((out / f"fold-{fold}" / "weights.json").read_text())
            assert card["training"]["subjects"] == 4
            assert card["training"]["data"] == f"data without fold {fold} of 3"
        assert sorted(seen) == [f"sub-{n:03d}" for n in range(6)]
        summary = json.loads((out / "summary.json").read_text())
        assert summary["pooled"]["microbleeds"] == 12
        assert len(set(summary["weights_sha256"])) == 3
        assert {fold["mean_sensitivity"]["low"] for fold in summary["by_fold"]} == {None}, "a fold has no interval"
        assert summary["pooled"]["mean_sensitivity"]["low"] is not None
        rows = [line.split("\t") for line in (out / "summary.tsv").read_text().splitlines()]
        assert [row[0] for row in rows] == ["fold", "1", "2", "3", "all"]
        assert {len(row) for row in rows} == {len(rows[0])}
        assert sorted(path.name for path in (out / "cache").iterdir()) == ["scans"]
        written = (out / "fold-1" / "weights.safetensors").stat().st_mtime_ns
        assert cross_validate(request_) == scores
        assert (out / "fold-1" / "weights.safetensors").stat().st_mtime_ns == written, "done folds are left alone"

    def test_fold_by_fold(self, request_: CrossValidation) -> None:
        assert cross_validate(request_, only=2) is None
        assert not (request_.out / "summary.json").exists()
        assert sorted(path.name for path in request_.out.glob("fold-*")) == ["fold-2"]
        with pytest.raises(InputError, match="no fold 4"):
            cross_validate(request_, only=4)

    def test_more_folds_than_heads(self, request_: CrossValidation) -> None:
        with pytest.raises(InputError, match="3 subjects can't be dealt out to 5"):
            cross_validate(replace(request_, folds=5))
        assert not request_.out.exists()

    def test_finetuned(self, request_: CrossValidation, monkeypatch: pytest.MonkeyPatch) -> None:
        plans = []

        def carried_out(plan):  # type: ignore[no-untyped-def]
            plans.append(plan)
            raise InputError("Enough.")

        monkeypatch.setattr(cross_validation, "carry_out", carried_out)
        with pytest.raises(InputError, match="Enough"):
            cross_validate(replace(request_, finetune=True))
        (plan,) = plans
        assert plan.start is not None
        assert plan.preset.name == "finetune"
        folds = json.loads((request_.out / "folds.json").read_text())
        assert folds["started_from"] == plan.start.card.sha256

    def test_corrected_labels_or_mixed_in_scans_are_another_one(
        self, request_: CrossValidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_subject(tmp_path / "heads", 7)
        request = replace(request_, mix=Mix(tmp_path / "heads"))
        monkeypatch.setattr(cross_validation, "_run_fold", lambda *given: None)
        assert cross_validate(request) is None
        copy = shutil.copytree(request_.data, tmp_path / "copy" / "data")  # type: ignore[arg-type]
        assert cross_validate(replace(request, data=copy)) is None
        for table in (copy / "derivatives", tmp_path / "heads"):
            shift(next(table.rglob("sub-*_microbleeds.tsv")))
            with pytest.raises(InputError, match="other subjects, labels or settings"):
                cross_validate(replace(request, data=copy if table.parent == copy else request.data))


def shift(table: Path) -> None:
    """Move the last microbleed of a table by 5 mm."""
    *others, last = table.read_text().splitlines()
    cells = last.split("\t")
    cells[1] = f"{float(cells[1]) + 5:.3f}"
    table.write_text("\n".join([*others, "\t".join(cells)]) + "\n")
