"""Without its extra, what needs a package says which to install, before it does anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from microbleeds.cli.app import main
from microbleeds.errors import InputError
from microbleeds.extras import needing

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(600)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert left.value.code == 2
    return capsys.readouterr().err


def test_the_sentence() -> None:
    sentence = r"^This needs nothing_of_that_name; run pip install '\.\[cohort\]'"
    with pytest.raises(InputError, match=sentence), needing("cohort", "This needs"):
        import nothing_of_that_name  # noqa: F401


def test_training_says_it_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    (tmp_path / "data").mkdir()
    text = said(capsys, "train", "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert "Training needs lightning_fabric; run pip install '.[train]'" in text
    assert not (tmp_path / "run").exists()


def test_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    for name in [name for name in sys.modules if name.startswith("microbleeds.node.")]:
        monkeypatch.delitem(sys.modules, name)
    text = said(capsys, "node", "--folder", tmp_path / "n", "--caller", "X", "--destination", "A@localhost:1")
    assert "The node needs pynetdicom; run pip install '.[node]'" in text


@pytest.mark.parametrize(
    ("package", "name", "start", "what"),
    [
        ("openpyxl", "sub-01.xlsx", EMPTY_ZIP, "is an Excel workbook, which needs openpyxl"),
        (
            "h5py",
            "sub-01_mask.mat",
            b"\x89HDF\r\n\x1a\n" + bytes(600),
            "is a MATLAB file of version 7.3, which needs h5py",
        ),
    ],
)
def test_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str, start: bytes, what: str
) -> None:
    from microbleeds.annotations.matlab import inspect
    from microbleeds.annotations.workbook import read_workbook

    (tmp_path / name).write_bytes(start)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=what):
        (read_workbook if package == "openpyxl" else inspect)(tmp_path / name)
