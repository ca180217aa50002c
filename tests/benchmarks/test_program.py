"""The whole program over the parts of a cohort."""

from __future__ import annotations

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
