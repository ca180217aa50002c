"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from microbleeds import atomic
from microbleeds.atomic import atomic_file, atomic_folder, sweep
from microbleeds.errors import InputError


def test_a_file_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "new" / "scan.nii.gz"
    with atomic_file(target) as partial:
        assert partial.name.endswith(".nii.gz")  # writers choose their format by it
        partial.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [p.name for p in target.parent.iterdir()] == ["scan.nii.gz"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "result"
    with atomic_folder(target) as partial:
        (partial / "a").write_text("1")
    with pytest.raises(InputError, match="exists already"), atomic_folder(target):
        pass
    with atomic_folder(target, overwrite=True) as partial:
        (partial / "b").write_text("2")
    assert [p.name for p in target.iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


def test_behind_a_link_the_folder_gives_way_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "result").symlink_to(tmp_path / "disk")
    with atomic_folder(tmp_path / "result", overwrite=True) as partial:
        (partial / "b").write_text("2")
    assert (tmp_path / "result").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "result"]


def test_an_error_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(target, overwrite=True) as partial:
        (partial / "half").write_text("half")
        raise RuntimeError
    assert [p.name for p in target.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.write_text("mine")
    with pytest.raises(InputError, match="not a folder"), atomic_folder(target, overwrite=True):
        pass
    with pytest.raises(InputError, match="can't be written"), atomic_folder(target / "inside"):
        pass
    assert target.read_text() == "mine"


REPLACING = """
import sys
from pathlib import Path
from microbleeds.atomic import atomic_folder
n = 0
while True:
    with atomic_folder(Path(sys.argv[1]), overwrite=True) as folder:
        for part in "abc":
            (folder / part).write_text(str(n))
    n += 1
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere two renames are needed")
def test_a_kill_while_replacing_leaves_a_whole_folder(tmp_path: Path) -> None:
    target = tmp_path / "result"
    for milliseconds in range(0, 20, 2):
        with atomic_folder(target, overwrite=True) as partial:
            for part in "abc":
                (partial / part).write_text("first")
        process = subprocess.Popen([sys.executable, "-c", REPLACING, str(target)])
        while (target / "a").read_text() == "first":
            time.sleep(0.001)
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len({(target / part).read_text() for part in "abc"}) == 1


def test_where_folders_cannot_change_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    test_a_folder_is_replaced_only_when_asked(tmp_path)
    replace = Path.replace

    def fail(path: Path, target: Path) -> Path:
        if "-partial-" in path.name:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"), atomic_folder(tmp_path / "result", overwrite=True) as partial:
        (partial / "c").write_text("3")
    assert [p.name for p in (tmp_path / "result").iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


def test_a_text_file_gets_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    with atomic_file(tmp_path / "ours") as partial:
        partial.write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_what_a_living_process_writes_is_not_swept(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "result") as partial:
        (partial / "a").touch()
        sweep(tmp_path / "result")
        assert (partial / "a").exists()
        gone = subprocess.Popen(["true"])
        gone.wait()
        mine = partial.name.rsplit("-", 3)  # .result-partial, machine, process, letters
        dead = tmp_path / f"{mine[0]}-{mine[1]}-{gone.pid}-{mine[3]}"
        elsewhere = tmp_path / f"{mine[0]}-{'0' * 8}-{gone.pid}-{mine[3]}"
        for folder in (dead, elsewhere):
            folder.mkdir()
        sweep(tmp_path / "result")
        assert (dead.exists(), elsewhere.exists()) == (False, True)
        os.utime(elsewhere, (0, 0))
        sweep(tmp_path / "result")
        assert not elsewhere.exists()
    assert (tmp_path / "result" / "a").exists()
