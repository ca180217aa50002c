"""Files and folders appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from microbleeds.atomic import atomic_file, atomic_folder
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


def test_a_text_file_gets_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    with atomic_file(tmp_path / "ours") as partial:
        partial.write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode
