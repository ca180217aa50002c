"""The whole program over the parts of a cohort."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import program
from microbleeds.evaluate import evaluate_cohort

HEADER = "x_mm\ty_mm\tz_mm\n"


def test_subjects_of_two_parts_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parts of a cohort begin with sub-001."""

    def search(request) -> None:  # type: ignore[no-untyped-def]
        request.out.mkdir(parents=True)
        (request.out / "findings.tsv").write_text(HEADER + "1\t2\t3\n")

    cases = []
    monkeypatch.setattr(program, "run", search)
    for part, subjects in {"with": 3, "without": 2}.items():
        data = tmp_path / "data" / part
        for number in range(1, subjects + 1):
            (data / f"sub-{number:03d}" / "anat").mkdir(parents=True)
            truth = data / "derivatives" / "truth" / f"sub-{number:03d}" / "anat"
            truth.mkdir(parents=True)
            row = "1\t2\t3\n" if part == "with" else ""
            (truth / f"sub-{number:03d}_microbleeds.tsv").write_text(HEADER + row)
        (data / "participants.tsv").write_text("participant_id\n")
        cases += program.search_all(data, tmp_path / "found" / part, subjects)
    scores = evaluate_cohort(cases, repeats=10)
    assert (scores.subjects, scores.scans, scores.negative_subjects) == (5, 5, 2)


def test_subjects_that_share_a_head_are_drawn_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four scans of two heads hold what two scans tell; the second part's head 1 is another one."""
    monkeypatch.setattr(program, "run", lambda request: None)
    cases = []
    for part in ("with", "without"):
        data = tmp_path / "data" / part
        names = [f"sub-{number:03d}" for number in range(1, 5)]
        for name in names:
            (data / name / "anat").mkdir(parents=True)
            for table in (
                data / "derivatives" / "truth" / name / "anat" / f"{name}_microbleeds.tsv",
                tmp_path / "found" / part / name / "findings.tsv",
            ):
                table.parent.mkdir(parents=True)
                seen = table.name != "findings.tsv" or name > "sub-002"
                table.write_text(HEADER + ("1\t2\t3\n" if seen else ""))
        rows = "".join(f"{name}\t{1 + number // 2}\n" for number, name in enumerate(names))
        (data / "participants.tsv").write_text("participant_id\thead\n" + rows)
        cases += program.search_all(data, tmp_path / "found" / part, 4)
    heads = [f"{part}/head {number}" for part in ("with", "without") for number in (1, 2)]
    assert [case.drawn_with for case in cases[::2]] == heads
    scores = evaluate_cohort(cases, repeats=500)
    alone = evaluate_cohort([replace(case, head="") for case in cases], repeats=500)
    assert scores.subjects == alone.subjects == 8
    lows = [one.radii[0].operating.sensitivity.low for one in (scores, alone)]
    assert None not in lows
    assert lows[0] < lows[1], "four heads say less than eight subjects"  # type: ignore[operator]
