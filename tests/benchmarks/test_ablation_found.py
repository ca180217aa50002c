"""Stored candidates, thresholds and figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ablation_table import markdown, rows_with_figures
from cohort import cohort_named
from figures import RunCurves, row_figures, run_curves
from found import (
    FALSE,
    IGNORED,
    MOST_FALSE,
    REMOVED,
    Found,
    FoundScan,
    exact_to,
    judged,
    read_found,
    surest,
    write_found,
)
from froc_picture import Line, froc_svg
from microbleeds.errors import InputError
from microbleeds.evaluate import truth
from pages import write_part
from rows import read_plan

TRUTH = truth([[0, 0, 0], [20, 0, 0], [40, 0, 0]], [True, True, False])


def _scan() -> FoundScan:
    positions = np.array([[0.5, 0, 0], [21, 0, 0], [40, 1, 0], [60, 0, 0]])
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    return judged("a", "head 1", positions, scores, np.array([True, False, True, True]), TRUTH)


def _found(name: str, scores: list[float], outcomes: list[int], truths: int, sha: str = "abc") -> Found:
    places = np.array(outcomes)
    scan = FoundScan(name, name, truths, np.zeros((len(scores), 3)), np.array(scores), places, places)
    facts = {"weights_sha256": sha, "row": "r", "seed": 0, "cpu_seconds_per_scan": 1.0}
    return Found(facts, (scan,))


def test_outcomes_with_and_without_the_rule_by_place() -> None:
    scan = _scan()

    assert scan.truth.tolist() == [0, 1, IGNORED, FALSE]
    assert scan.placed.tolist() == [0, REMOVED, IGNORED, FALSE]
    assert scan.result(by_place=False).hit.tolist() == [True, True, False]
    assert scan.result(by_place=True).hit.tolist() == [True, False]
    assert scan.result(by_place=True).truth_count == 2


def test_a_removed_candidate_leaves_its_truth_to_another() -> None:
    positions, scores = np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.array([0.9, 0.5])
    scan = judged("a", "h", positions, scores, np.array([False, True]), TRUTH)

    assert scan.truth.tolist() == [0, FALSE]
    assert scan.placed.tolist() == [REMOVED, 0]


def test_only_the_surest_are_stored() -> None:
    scores = np.random.default_rng(0).random(500)
    kept = surest(np.zeros((500, 3)), scores, 0)[1]

    assert len(kept) < 500
    assert kept.tolist() == sorted(scores, reverse=True)[: len(kept)]
    assert len(surest(np.zeros((500, 3)), scores, 80)[1]) == len(kept) + 80, "a dense scan keeps all its hits"


def test_a_curve_is_exact_as_far_as_candidates_are_stored() -> None:
    plenty = [float(x) for x in np.linspace(0.9, 0.5, MOST_FALSE)]
    cut, whole = _found("a", plenty, [FALSE] * MOST_FALSE, 0), _found("b", [0.7, 0.4], [FALSE, FALSE], 1)
    both = Found(cut.facts, (*cut.scans, *whole.scans))

    assert exact_to(whole, False) == np.inf
    assert exact_to(cut, False) == MOST_FALSE
    assert exact_to(both, False) == (MOST_FALSE + 1) / 2, "below 0.5 the first scan may have had more"


def test_figures_of_candidates_that_are_not_stored_are_refused() -> None:
    sure = _found("a", [0.99] * MOST_FALSE, [FALSE] * MOST_FALSE, 0)
    others = [_found(str(n), [0.5], [FALSE], 1).scans[0] for n in range(60)]
    few = Found(sure.facts, (*sure.scans, *others))

    with pytest.raises(InputError, match="end below 2 false positives per subject"):
        run_curves(few, few, False)


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    scan, path = _scan(), tmp_path / "r.json"
    write_found(path, Found({"row": "r"}, (scan,)))
    found = read_found(path)

    assert found.facts["row"] == "r"
    back = found.scans[0]
    assert (back.name, back.head, back.truths) == ("a", "head 1", 2)
    assert back.truth.tolist() == scan.truth.tolist()
    assert back.placed.tolist() == scan.placed.tolist()
    np.testing.assert_allclose(back.positions_mm, scan.positions_mm)


def test_the_threshold_comes_from_validation_alone() -> None:
    # On validation half a false positive per subject allows one in two scans: the threshold is 0.8.
    validation = _found("v", [0.9, 0.85, 0.8, 0.7, 0.6], [0, FALSE, 1, FALSE, 2], 3)
    validation = replace(validation, scans=(*validation.scans, *_found("w", [], [], 0).scans))
    test = _found("t", [0.95, 0.85, 0.75, 0.7], [FALSE, 0, 1, 2], 3)
    run = run_curves(validation, test, by_place=False)
    figures = row_figures([run], repeats=20)

    assert run.threshold == 0.8
    assert figures.sensitivity.value == pytest.approx(1 / 3)
    assert figures.false_positives.value == 1
    assert figures.sensitivity_at[0.5].value == 0
    assert figures.sensitivity_at[1.0].value == 1


def with_its_like(run: RunCurves) -> RunCurves:
    """The same with a second head like the first; one alone has no interval."""
    (scans,) = run.scans.values()
    return replace(run, scans={"one": scans, "other": scans})


def test_figures_are_means_over_seeds() -> None:
    validation = _found("v", [0.5], [0], 1)
    all_found = run_curves(validation, _found("t", [0.9], [0], 1), by_place=False)
    none_found = run_curves(validation, _found("t", [0.9], [FALSE], 1), by_place=False)
    figures = row_figures([all_found, none_found], repeats=20)

    assert figures.sensitivity.value == 0.5
    assert figures.false_positives.value == 0.5
    assert figures.spread == pytest.approx(0.5**0.5), "of two runs, by one degree of freedom"
    # Both heads are alike: what varies are the runs.
    many = [with_its_like(run) for run in (all_found, none_found)]
    interval = row_figures(many, repeats=200).sensitivity
    assert (interval.value, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_results_of_different_weights_are_not_mixed() -> None:
    with pytest.raises(InputError, match="different weights"):
        run_curves(_found("v", [0.5], [0], 1), _found("t", [0.5], [0], 1, sha="def"), by_place=False)


def test_runs_that_searched_other_scans_are_not_averaged() -> None:
    validation = _found("v", [0.5], [0], 1)
    runs = [run_curves(validation, _found(name, [0.5], [0], 1), by_place=False) for name in ("a", "b")]

    with pytest.raises(InputError, match="different scans"):
        row_figures(runs)


def test_the_picture_is_well_formed_and_rises_with_sensitivity() -> None:
    svg = froc_svg([Line("a < b", [0.1, 1.0, 10.0], [0.7, 0.8, 0.9], (1.0, 0.8))], "title & more")
    root = ElementTree.fromstring(svg)
    points = root.find("{*}polyline").attrib["points"].split()  # type: ignore[union-attr]
    xs, ys = zip(*((float(v) for v in p.split(",")) for p in points), strict=True)

    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)
    assert "a &lt; b" in svg


def test_no_two_curves_of_the_picture_look_alike() -> None:
    drawn = sum(not row.less_data for row in read_plan().rows)
    lines = [Line(str(n), [0.1, 10.0], [0.7, 0.9], None) for n in range(drawn)]
    curves = ElementTree.fromstring(froc_svg(lines, "title")).findall("{*}polyline")
    assert len({(curve.attrib["stroke"], curve.attrib["stroke-dasharray"]) for curve in curves}) == drawn


def test_what_finds_little_presses_nothing_together() -> None:
    low = Line("low", [0.1, 10.0], [0.1, 0.9], (0.1, 0.1))
    root = ElementTree.fromstring(froc_svg([low, Line("high", [0.1, 10.0], [0.7, 0.9], (0.1, 0.7))], "title"))
    assert "60%" in [text.text for text in root.findall("{*}text")]
    assert len(root.findall("{*}circle")) == 1


def test_a_part_of_a_page_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    write_part("one", ["first"], page)
    write_part("two", ["second"], page)
    write_part("one", ["third"], page)
    text = page.read_text(encoding="utf-8")

    assert "first" not in text
    assert text.index("third") < text.index("second")
    assert text.count("<!-- one: start -->") == 1


def _store(folder: Path, row: str, truths: int, processor: str = "P", precision: str = "bfloat16") -> None:
    """Store results of a row on both cohorts."""
    for cohort in ("validation", "full"):
        found = _found("a", [0.9, 0.5], [0, FALSE], truths)
        facts = found.facts | {"row": row, "steps": 7, "training_scans": 5, "parameters": 1_000_000}
        facts |= {
            "hardware": {"processor": processor},
            "compute": f"cpu, {precision}, 1 threads",
            "commit": "c",
        }
        write_found(folder / f"{row}-seed0-{cohort}.json", Found(facts, found.scans))


def _text(folder: Path) -> str:
    """The table of stored results."""
    return "\n".join(markdown(rows_with_figures(read_plan(), folder, "full", 20), cohort_named("full"), "x.svg"))


def test_the_table_says_what_a_second_stage_took_on_top(tmp_path: Path) -> None:
    _store(tmp_path, "proposal", 4)
    assert "second stage" not in _text(tmp_path)
    _store(tmp_path, "refinement", 4)
    steps = read_plan().preset_of(read_plan().row("refinement")).refinement.steps
    assert f"A second stage learned in {steps} steps more" in _text(tmp_path)


def test_the_table_says_which_rows_are_of_another_machine(tmp_path: Path) -> None:
    _store(tmp_path, "proposal", 4)
    _store(tmp_path, "fusion", 4)
    text = _text(tmp_path)
    assert ", 4 visible microbleeds" in text
    assert "searched on" not in text
    _store(tmp_path, "radial", 3, "Q", "float32")
    text = _text(tmp_path)
    assert ", 3 to 4 visible microbleeds" in text
    assert "Trained and searched on P in bfloat16; radial on Q in float32, where" in text
