"""What the README says of where its rows were made."""

from __future__ import annotations

from typing import Any

from readme_table import _made


def row(commit: str, processor: str) -> dict[str, Any]:
    hardware = {"processor": processor, "precision": "bfloat16", "threads": 1}
    return {"commit": commit, "date": "2026-12-01T00:00:00+00:00", "hardware": hardware}


def test_rows_of_one_run_are_named_once() -> None:
    assert _made([row("aaa", "One"), row("aaa", "One")]) == "commit aaa, 2026-12-01, One, bfloat16, 1 threads"


def test_rows_of_several_machines_are_told_apart() -> None:
    said = _made([row("aaa", "One"), row("bbb", "Two"), row("aaa", "One")])
    assert said == (
        "row 1, 3: commit aaa, 2026-12-01, One, bfloat16, 1 threads; "
        "row 2: commit bbb, 2026-12-01, Two, bfloat16, 1 threads"
    )
