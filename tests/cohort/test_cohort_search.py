"""What is kept of a run that was killed, and what is done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from little_card import little_anatomy_card, little_card
from little_cohort import image, write_result
from microbleeds.cohort import settle
from microbleeds.cohort.search import request_of, search
from microbleeds.cohort.settle import with_weights
from microbleeds.cohort.task import ScanTask, SearchOptions, read_outcome
from microbleeds.networks.config import DetectorConfig
from microbleeds.report.run_record import Stopwatch, run_record, sha256_of, write_run_record
from microbleeds.weights import Calibration, OperatingPoints

Change = Callable[[ScanTask], ScanTask]


@pytest.fixture
def task(tmp_path: Path) -> ScanTask:
    swi = image(tmp_path / "in" / "swi.nii.gz", EchoTime=0.02)
    options = SearchOptions(weights_sha256={"detector": "ab"}, device="cpu", precision="float32")
    return ScanTask("scan", {"swi": swi}, tmp_path / "out", tmp_path / "notes" / "scan.json", options)


def other_image(task: ScanTask) -> ScanTask:
    image(task.inputs["swi"], 7, EchoTime=0.02)
    return task


def other_sidecar(task: ScanTask) -> ScanTask:
    image(task.inputs["swi"], 0, EchoTime=0.03)
    return task


def lost_result(task: ScanTask) -> ScanTask:
    (task.out / "findings.json").unlink()
    return task


def option(**changes: object) -> Change:
    return lambda task: replace(task, options=replace(task.options, **changes))  # type: ignore[arg-type]


class TestResume:
    def test_a_finished_scan_is_kept(self, task: ScanTask) -> None:
        calls: list[ScanTask] = []
        run = lambda one: (calls.append(one), write_result(one))  # noqa: E731
        assert [search(task, run).state for _ in range(2)] == ["done", "kept"]
        assert len(calls) == 1

    @pytest.mark.parametrize(
        "change",
        [
            other_image,
            other_sidecar,
            lost_result,
            option(operating_point="screening"),
            option(precision="bfloat16"),
            option(weights_sha256={"detector": "cd"}),
        ],
    )
    def test_what_changed_is_done_again(self, task: ScanTask, change: Change) -> None:
        assert search(task, write_result).state == "done"
        assert search(change(task), write_result).state == "done"

    @pytest.mark.parametrize(
        ("detector", "anatomy", "state"),
        [
            ({"operating_points": OperatingPoints(balanced=0.2)}, {}, "done"),
            ({"calibration": Calibration(slope=2)}, {}, "done"),
            ({"search_window": (32, 32, 16)}, {}, "done"),
            ({}, {"volume_ranges_ml": {"left_thalamus": (4, 9)}}, "done"),
            ({"scores": {"sensitivity": 0.9}}, {"scores": {"dice": 0.9}}, "kept"),
        ],
    )
    def test_the_card_counts_as_the_weights_do(
        self, task: ScanTask, monkeypatch: pytest.MonkeyPatch, detector: dict, anatomy: dict, state: str
    ) -> None:
        for fields, of_anatomy, expected in (({}, {}, "done"), (detector, anatomy, state)):
            loaded = SimpleNamespace(card=little_card(DetectorConfig(), **fields))
            monkeypatch.setattr(settle, "load_detector", lambda _, loaded=loaded: loaded)
            monkeypatch.setattr(settle, "load_anatomy", lambda of=of_anatomy: (None, little_anatomy_card(**of)))
            assert search(replace(task, options=with_weights(task.options)), write_result).state == expected

    @pytest.mark.parametrize(
        ("searched", "digest", "state"),
        [
            ("elsewhere.nii.gz", "0" * 64, "failed"),
            ("here", "0" * 64, "kept"),
            ("elsewhere.nii.gz", "own", "kept"),
        ],
    )
    def test_a_signed_result_is_kept_for_its_own_scan_alone(
        self, task: ScanTask, searched: str, digest: str, state: str
    ) -> None:
        search(task, write_result)
        (task.out / "reviewed").mkdir()
        (task.out / "reviewed" / "review.json").write_text("{}")
        other_image(task)
        swi = task.inputs["swi"]
        run = run_record(
            Stopwatch(),
            options={"swi": str(swi) if searched == "here" else searched},
            inputs_sha256={"swi": sha256_of(swi) if digest == "own" else digest},
            weights_sha256={},
            compute="cpu",
        )
        write_run_record(run, task.out / "run.json")
        outcome = search(task, write_result)
        assert outcome.state == state
        assert state == "kept" or "signed result of another scan than" in (outcome.sentence or "")

    def test_a_failed_scan_is_tried_again(self, task: ScanTask) -> None:
        failed = search(task, lambda _: 1 / 0)
        assert failed.state == "failed"
        assert "ZeroDivisionError" in (failed.sentence or "")
        assert "Traceback" in (failed.traceback or "")
        assert read_outcome(task.note) == failed
        assert search(task, write_result).state == "done"

    def test_a_damaged_note_is_no_result(self, task: ScanTask) -> None:
        search(task, write_result)
        task.note.write_text("{")
        assert search(task, write_result).state == "done"

    def test_a_note_of_an_earlier_version_holds_a_path(self, task: ScanTask) -> None:
        done = search(task, write_result)
        task.note.write_text(task.note.read_text().replace("{", '{"result": "/mounted/elsewhere",', 1))
        assert read_outcome(task.note) == done

    def test_a_dangling_link_says_so(self, task: ScanTask, tmp_path: Path) -> None:
        link = tmp_path / "in" / "annexed.nii.gz"
        link.symlink_to(tmp_path / "nowhere")
        outcome = search(replace(task, inputs={"swi": link}), write_result)
        assert "datalad get" in (outcome.sentence or "")


def test_the_request_holds_what_was_settled(task: ScanTask) -> None:
    request = request_of(replace(task, options=replace(task.options, operating_point="screening")))
    assert (request.operating_point, request.device, request.overwrite) == ("screening", "cpu", True)
