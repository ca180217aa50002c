"""Right group and right region over the hits, and what the rule on places removed."""

from __future__ import annotations

import json

import pytest

from microbleeds.evaluate import evaluate_cohort, placement_scores, read_predictions, read_truth, removal_scores
from microbleeds.evaluate.cases import Case, predictions, truth
from microbleeds.evaluate.placement import Place, PlacedPair


def pair(true: tuple, predicted: tuple) -> PlacedPair:
    return PlacedPair(Place(*true), Place(*predicted))


RIGHT = pair(("lobar", "frontal_white", "left"), ("lobar", "frontal_cortex", "left"))
WRONG_SIDE = pair(("lobar", "frontal_white", "left"), ("lobar", "frontal_white", "right"))
WRONG_LOBE = pair(("lobar", "parietal", "left"), ("lobar", "frontal_white", "left"))
WRONG_GROUP = pair(("deep", "thalamus", "right"), ("lobar", "insula_white", "right"))
NOT_PLACED = pair(("infratentorial", "cerebellum", "left"), ("none", "unknown", "none"))


class TestShares:
    def test_group_region_and_side(self):
        scores = placement_scores([[RIGHT, WRONG_SIDE], [WRONG_LOBE, WRONG_GROUP, NOT_PLACED]], repeats=50)
        assert scores.compared == 5
        assert scores.right_group.value == pytest.approx(3 / 5)
        assert scores.right_region.value == pytest.approx(1 / 5)
        by_group = {g.group: (g.compared, g.right_group.value, g.right_region.value) for g in scores.by_group}
        assert by_group["lobar"] == (3, 1, pytest.approx(1 / 3))
        assert by_group["deep"] == (1, 0, 0)
        assert by_group["infratentorial"] == (1, 0, 0)
        assert 0 <= scores.right_group.low <= scores.right_group.value <= scores.right_group.high <= 1

    def test_cortex_and_white_matter_are_one_mars_region(self):
        assert RIGHT.right_region

    def test_scales_differ_on_the_rim_of_the_ventricles(self):
        rim = pair(("deep", "periventricular_white", "left"), ("lobar", "parietal_white", "left"))
        callosum = pair(("deep", "corpus_callosum", "left"), ("lobar", "frontal_white", "left"))
        scores = placement_scores([[rim, callosum, RIGHT, NOT_PLACED]], repeats=5)
        shares = {name: share.value for name, share in scores.by_scale.items()}
        assert shares == {"MARS": 1 / 4, "BOMBS": 3 / 4, "Kim": 3 / 4}

    def test_a_mars_row_says_nothing_of_other_scales(self):
        row_alone = pair(("lobar", "frontal", "left"), ("lobar", "frontal_white", "left"))
        scores = placement_scores([[row_alone]], repeats=5)
        assert scores.right_group.value == 1
        assert scores.by_scale["Kim"].value is None

    def test_confusions(self):
        scores = placement_scores([[RIGHT, WRONG_GROUP, WRONG_GROUP, NOT_PLACED]], repeats=5)
        assert scores.true_groups == ("lobar", "deep", "infratentorial")
        assert scores.predicted_groups[-1] == "none"
        assert scores.confusion == [[1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]]
        first = scores.regions[0]
        assert (first.true, first.predicted, first.count) == ("right thalamus", "right insula", 2)
        assert ("left cerebellum", "not placed") in {(r.true, r.predicted) for r in scores.regions}

    def test_intervals_are_over_subjects(self):
        """One subject says nothing of others; two with the same say that nothing varies."""
        one = placement_scores([[RIGHT, WRONG_GROUP]], repeats=50).right_group
        many = placement_scores([[RIGHT], [WRONG_GROUP]] * 4, repeats=200).right_group
        two = placement_scores([[RIGHT, WRONG_GROUP]] * 2, repeats=50).right_group
        assert (one.value, one.low, one.high) == (0.5, None, None)
        assert (two.low, two.high) == (0.5, 0.5)
        assert many.low < 0.5 < many.high

    def test_truth_without_region_or_side_is_compared_by_what_it_says(self):
        no_region = pair(("lobar", None, None), ("lobar", "frontal_white", "left"))
        no_side = pair(("lobar", "frontal", None), ("lobar", "frontal_white", "left"))
        scores = placement_scores([[no_region, no_side]], repeats=5)
        assert scores.right_group.value == 1
        assert scores.right_region.value == 1
        assert len(scores.regions) == 1

    def test_nothing_to_compare(self):
        unknown = pair((None, None, None), ("lobar", "frontal_white", "left"))
        foreign = pair(("lobar", "frontal", "left"), (None, None, None))
        assert placement_scores([[unknown, foreign], []]) is None


class TestCohort:
    def test_out_of_the_hits_only(self):
        there = truth(
            [[0, 0, 0], [40, 0, 0], [80, 0, 0]],
            visible=[True, True, False],
            groups=("lobar", "deep", "deep"),
            regions=("frontal", "thalamus", "thalamus"),
            sides=("left", "right", "right"),
        )
        found = predictions(
            [[0, 0, 1], [40, 0, 30], [80, 0, 0]],
            groups=("lobar", "deep", "lobar"),
            regions=("frontal_white", "thalamus", "frontal_white"),
            sides=("left", "right", "left"),
        )
        scores = evaluate_cohort([Case("a", found, there)], repeats=5)
        assert scores.placement.compared == 1
        assert scores.placement.right_region.value == scores.right_group.value == 1
        json.dumps(scores.to_dict(), allow_nan=False)

    def test_truth_of_points_alone(self):
        scores = evaluate_cohort([Case("a", predictions([[0, 0, 0]]), truth([[0, 0, 1]]))], repeats=5)
        assert scores.placement is None
        assert scores.right_group.value is None

    def test_sides_are_read(self, tmp_path):
        (tmp_path / "a.tsv").write_text("x_mm\ty_mm\tz_mm\tgroup\tregion\tside\n1\t2\t3\tlobar\tfrontal\tleft\n")
        assert read_predictions(tmp_path / "a.tsv").sides == read_truth(tmp_path / "a.tsv").sides == ("left",)
        finding = {"position_ras_mm": [1, 2, 3], "score": 0.5, "kept": True, "side": "right"}
        (tmp_path / "a.json").write_text(json.dumps({"findings": [finding, {**finding, "side": "left"}]}))
        assert read_predictions(tmp_path / "a.json").sides == ("right", "left")
        (tmp_path / "b.csv").write_text("1,2,3\n")
        assert read_truth(tmp_path / "b.csv").sides == (None,)


class TestRemoval:
    CASE = Case(
        "a",
        predictions(
            [[0, 0, 0], [40, 0, 0], [80, 0, 0], [0, 80, 0], [0, 0, 1]],
            scores=[0.9, 0.8, 0.7, 0.1, 0.95],
            kept=[True, False, False, False, False],
            ruled_out=[False, True, True, True, False],
        ),
        truth([[0, 0, 0], [40, 0, 1]]),
    )

    def test_counts_what_came_back(self):
        scores = removal_scores([self.CASE], 0.6, 5.0)
        assert (scores.candidates, scores.bleeds_lost, scores.false_positives_removed) == (2, 1, 1)

    def test_without_a_threshold_the_lowest_kept_score_decides(self):
        low = Case("b", predictions([[0, 0, 0]], scores=[0.05]), truth([]))
        assert removal_scores([self.CASE], None, 5.0).candidates == 0
        scores = removal_scores([self.CASE, low], None, 5.0)
        assert (scores.lowest_score, scores.candidates, scores.false_positives_removed) == (0.05, 3, 2)

    def test_the_operating_point_of_findings_json_decides(self, tmp_path):
        """Neither everything ruled out nor a reader's addition, of score 0, moves it."""
        out = {"position_ras_mm": [0, 0, 0], "score": 0.99, "kept": False, "removed_by": "anatomy"}
        faint = out | {"position_ras_mm": [50, 0, 0], "score": 0.02}
        added = {"position_ras_mm": [0, 90, 0], "score": 0.0, "kept": True, "removed_by": None}
        for extra in ([], [added]):
            record = {"model": {"operating_point": {"cut": 0.2}}, "findings": [out, faint, *extra]}
            (tmp_path / "findings.json").write_text(json.dumps(record))
            case = Case("a", read_predictions(tmp_path / "findings.json"), truth([[0, 0, 0]]))
            scores = removal_scores([case], None, 5.0)
            assert (scores.lowest_score, scores.candidates, scores.bleeds_lost) == (0.2, 1, 1)

    def test_a_table_of_ours_tells_no_operating_point(self, tmp_path):
        (tmp_path / "a.tsv").write_text(
            "x_mm\ty_mm\tz_mm\tscore\tkept\tremoved_by\n"
            "0\t0\t0\t0.6\t1\tn/a\n0\t90\t0\t0\t1\tn/a\n40\t0\t0\t0.7\t0\tanatomy\n80\t0\t0\t0.1\t0\tanatomy\n"
        )
        scores = removal_scores([Case("a", read_predictions(tmp_path / "a.tsv"), truth([]))], None, 5.0)
        assert (scores.lowest_score, scores.candidates) == (0.6, 1)

    def test_each_scan_has_its_own_operating_point(self):
        ruled_out = predictions([[0, 0, 0]], scores=[0.3], kept=[False], ruled_out=[True], cut=0.4)
        low = predictions([[0, 0, 0]], scores=[0.3], kept=[False], ruled_out=[True], cut=0.2)
        cases = [Case("a", ruled_out, truth([])), Case("b", low, truth([]))]
        assert removal_scores(cases, None, 5.0).candidates == 1
        assert removal_scores(cases, 0.1, 5.0).candidates == 2

    def test_nothing_kept(self):
        assert removal_scores([Case("a", predictions([]), truth([]))], None, 5.0).lowest_score is None
