from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_subjects import toy_subject

from microbleeds.errors import InputError
from microbleeds.training.stream import ReplayBuffer, draw_forever, streamed, subject_folders
from microbleeds.training.subjects import TrainingSubject, save_subject


def draw_toy(index: int) -> TrainingSubject:
    return toy_subject(index, bleeds=1, mimics=0)


def draw_nothing(index: int) -> TrainingSubject:
    raise SystemExit(3)


def draw_two(index: int) -> TrainingSubject:
    if index > 1:
        raise SystemExit(4)
    return draw_toy(index)


def fill(spool: Path, *indices: int) -> None:
    for index in indices:
        save_subject(draw_toy(index), spool / f"{index:06d}")


class TestReplayBuffer:
    def test_keeps_the_latest_and_deletes_the_rest(self, tmp_path: Path) -> None:
        fill(tmp_path, 0, 1, 2)
        buffer = ReplayBuffer(tmp_path, capacity=2)
        assert [subject.name for subject in buffer.subjects()] == ["sub-001", "sub-002"]
        assert [folder.name for folder in subject_folders(tmp_path)] == ["000001", "000002"]

    def test_takes_in_new_subjects_and_keeps_open_ones(self, tmp_path: Path) -> None:
        fill(tmp_path, 0)
        buffer = ReplayBuffer(tmp_path, capacity=2)
        (first,) = buffer.subjects()
        fill(tmp_path, 1)
        time.sleep(0.3)
        assert buffer.subjects()[0] is first
        assert len(buffer.subjects()) == 2

    def test_a_dropped_subject_can_still_be_read(self, tmp_path: Path) -> None:
        fill(tmp_path, 0)
        buffer = ReplayBuffer(tmp_path, capacity=1)
        (first,) = buffer.subjects()
        fill(tmp_path, 1)
        time.sleep(0.3)
        assert buffer.subjects()[0] is not first
        assert first.image[0].max() > 0


class TestStreamed:
    def test_draws_in_the_background_and_goes_on_where_it_was(self, tmp_path: Path) -> None:
        fill(tmp_path, 6)
        (tmp_path / ".000007-partial-x").mkdir()
        with streamed(draw_toy, tmp_path, capacity=3, first=3) as buffer:
            assert not (tmp_path / ".000007-partial-x").exists()
            assert len(buffer.subjects()) == 3
            assert 9 <= buffer.drawn <= 12
            names = [subject.name for subject in buffer.subjects()]
        assert not tmp_path.exists()
        # The drawing may be up to two subjects ahead, and the oldest are dropped then.
        assert "sub-008" in names
        assert set(names) <= {f"sub-{n:03d}" for n in range(6, 12)}

    def test_a_simulator_that_stops_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="exit code 3"), streamed(draw_nothing, tmp_path, first=1):
            pass

    def test_a_simulator_that_dies_later_stops_the_training(self, tmp_path: Path) -> None:
        def look() -> None:
            for _ in range(100):
                buffer.subjects()
                time.sleep(0.1)

        with pytest.raises(InputError, match="exit code 4"), streamed(draw_two, tmp_path, first=2) as buffer:
            look()
        assert len(subject_folders(tmp_path)) == 2, "kept, to go on with"


def test_the_drawing_ends_when_its_parent_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lives = iter([True, True, False])
    parent = SimpleNamespace(is_alive=lambda: next(lives))
    monkeypatch.setattr("multiprocessing.parent_process", lambda: parent)
    draw_forever(draw_toy, tmp_path, 5, ahead=9)
    assert [folder.name for folder in subject_folders(tmp_path)] == ["000005", "000006"]
