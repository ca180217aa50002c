"""The command line of the BIDS App and of many scans, up to where the work begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from microbleeds.cli import bids, main
from microbleeds.cli.app import verbs


def call(*arguments: object) -> int:
    """Exit code of a command line."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def test_a_data_set_is_told_from_a_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "detect").mkdir()
    known = verbs()
    assert {"detect", "many", "compare"} <= known
    assert bids.is_bids_call([str(tmp_path), "out", "participant"], known)
    assert bids.is_bids_call(["/nowhere", "out", "group"], known)
    assert not bids.is_bids_call(["detect", "out", "participant"], known)
    assert not bids.is_bids_call(["dtect", "scan.nii.gz"], known)
    assert not bids.is_bids_call(["--version"], known)
    assert not bids.is_bids_call([], known)


def test_flags_in_both_spellings_and_several_labels() -> None:
    parsed = bids.parser().parse_args(
        ["raw", "out", "participant", "--participant_label", "01", "02", "--n-cpus", "3", "--mem-mb", "4000"]
    )
    assert parsed.participant_label == ["01", "02"]
    assert (parsed.n_procs, parsed.mem_mb) == (3, 4000)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--n-procs", "0"], "workers"),
        (["--cluster-options", "x.yaml"], "--cluster slurm"),
        (["--dask-scheduler", "tcp://a:1", "--cluster", "pbs"], "choose one"),
        (["--participant-label", "9"], "no subject 9"),
        ([], "No session"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], word: str
) -> None:
    (tmp_path / "raw" / "sub-01" / "anat").mkdir(parents=True)
    assert call(tmp_path / "raw", tmp_path / "out", "participant", *more) == 2
    message = capsys.readouterr().err.strip()
    assert word in message
    assert "\n" not in message
    assert not (tmp_path / "out").exists()


def test_a_group_with_failed_scans_says_which_and_leaves_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"scan": "sub-01", "state": "done", "message": ""},
        {"scan": "sub-02", "state": "failed", "message": "No."},
    ]
    monkeypatch.setattr("microbleeds.bids.app.group", lambda request: rows)
    assert call(tmp_path, tmp_path / "out", "group") == 3
    said = capsys.readouterr()
    assert said.err == "sub-02: No.\n"
    assert said.out.startswith("2 scans, 1 failed: ")


def test_an_empty_path_is_not_the_current_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("", "out", "participant") == 2
    assert "An argument is empty" in capsys.readouterr().err


def test_an_unknown_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, tmp_path / "out", "everything") == 2
    assert "participant" in capsys.readouterr().err


def test_many_without_scans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("many", tmp_path / "none", "--out", tmp_path / "out") == 2
    assert "doesn't exist" in capsys.readouterr().err
    assert call("many", tmp_path, "--out", tmp_path / "out", "--cluster", "sge") == 2
    assert "no cluster 'sge'" in capsys.readouterr().err
