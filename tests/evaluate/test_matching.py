"""One-to-one matching, highest score first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from microbleeds.errors import InputError
from microbleeds.evaluate import match

NONE = np.zeros((0, 3))
COORDINATE = st.floats(-15, 15, allow_nan=False).map(lambda x: round(x, 2))


def positions(count: int) -> st.SearchStrategy:
    return hnp.arrays(float, (count, 3), elements=COORDINATE)


class TestMatch:
    def test_one_perfect_lesion(self):
        found = match([[0, 0, 0]], [0.8], [[0, 0, 3]])
        assert found.hit.tolist() == [True]
        assert found.distance_mm.tolist() == [3.0]
        assert found.truth_score.tolist() == [0.8]
        assert not found.false_positive.any()

    def test_nothing_at_all(self):
        found = match(NONE, [], NONE)
        assert found.hit.shape == found.truth_score.shape == (0,)

    def test_candidates_without_truth_are_false_positives(self):
        found = match([[0, 0, 0], [9, 9, 9]], [0.1, 0.2], NONE)
        assert found.false_positive.all()

    def test_truth_without_candidates_is_missed(self):
        assert match(NONE, [], [[1, 2, 3]]).found.tolist() == [False]

    def test_radius_is_included_and_no_more(self):
        assert match([[5, 0, 0]], [1], [[0, 0, 0]]).hit.all()
        assert not match([[5.001, 0, 0]], [1], [[0, 0, 0]]).hit.any()
        assert not match([[3.5, 0, 0]], [1], [[0, 0, 0]], radius_mm=3).hit.any()

    def test_duplicate_is_a_false_positive_even_if_it_is_nearer(self):
        found = match([[0, 0, 0], [0, 0, 2]], [0.3, 0.9], [[0, 0, 0]])
        assert found.hit.tolist() == [False, True]
        assert found.false_positive.tolist() == [True, False]

    def test_second_candidate_takes_the_second_truth(self):
        # Both are nearest to the first truth; the surer candidate gets it, the other goes on to the next.
        found = match([[1, 0, 0], [1.5, 0, 0]], [0.9, 0.5], [[0, 0, 0], [4, 0, 0]])
        assert found.truth_index.tolist() == [0, 1]

    def test_candidate_nearest_to_an_ignored_truth_counts_nowhere(self):
        found = match([[0, 0, 0], [0.5, 0, 0]], [0.9, 0.8], [[4, 0, 0]], [[0, 0, 0]])
        assert found.ignored.all()
        assert not found.false_positive.any()
        assert not found.found.any()

    def test_ignored_truth_does_not_steal_a_nearer_hit(self):
        assert match([[0, 0, 0]], [0.9], [[1, 0, 0]], [[2, 0, 0]]).hit.all()

    def test_duplicate_beside_an_ignored_truth_is_ignored(self):
        found = match([[0, 0, 0], [1, 0, 0]], [0.9, 0.8], [[0, 0, 0]], [[4, 0, 0]])
        assert found.hit.tolist() == [True, False]
        assert found.ignored.tolist() == [False, True]

    def test_equal_scores_go_by_distance(self):
        found = match([[2, 0, 0], [1, 0, 0]], [0.5, 0.5], [[0, 0, 0]])
        assert found.hit.tolist() == [False, True]

    @pytest.mark.parametrize(
        ("candidates", "scores"),
        [([[0, 0]], [1]), ([[0, 0, np.nan]], [1]), ([[0, 0, 0]], [np.nan]), ([[0, 0, 0]], [1, 2])],
    )
    def test_bad_input_is_a_sentence(self, candidates, scores):
        with pytest.raises(InputError, match=r"\.$"):
            match(candidates, scores, NONE)


class TestInvariance:
    @settings(max_examples=60, deadline=None)
    @given(positions(6), positions(4), positions(2), st.permutations(range(6)), st.data())
    def test_order_of_candidates_does_not_matter(self, candidates, truth, ignored, order, data):
        scores = np.array(data.draw(st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=6, max_size=6)))
        found = match(candidates, scores, truth, ignored)
        shuffled = match(candidates[order], scores[order], truth, ignored)
        assert found.hit.sum() == shuffled.hit.sum()
        assert found.false_positive.sum() == shuffled.false_positive.sum()
        np.testing.assert_array_equal(np.sort(found.truth_score), np.sort(shuffled.truth_score))

    @settings(max_examples=40, deadline=None)
    @given(positions(5), positions(4), hnp.arrays(float, 3, elements=st.integers(-50, 50).map(float)))
    def test_shift_of_everything_does_not_matter(self, candidates, truth, shift):
        scores = np.linspace(0.1, 0.9, 5)
        # A radius that no distance of numbers with two decimals can equal exactly.
        here = match(candidates, scores, truth, radius_mm=5.0001234)
        there = match(candidates + shift, scores, truth + shift, radius_mm=5.0001234)
        assert here.hit.tolist() == there.hit.tolist()

    @settings(max_examples=60, deadline=None)
    @given(positions(6), positions(4))
    def test_match_above_a_threshold_is_a_prefix(self, candidates, truth):
        scores = np.linspace(0.1, 0.9, 6)
        whole = match(candidates, scores, truth)
        for threshold in scores:
            chosen = scores >= threshold
            part = match(candidates[chosen], scores[chosen], truth)
            np.testing.assert_array_equal(part.truth_index, whole.truth_index[chosen])

    @settings(max_examples=60, deadline=None)
    @given(positions(6), positions(4), positions(2))
    def test_each_candidate_is_one_thing_and_each_truth_found_once(self, candidates, truth, ignored):
        found = match(candidates, np.linspace(0.1, 0.9, 6), truth, ignored)
        assert (found.hit.astype(int) + found.ignored + found.false_positive == 1).all()
        assert found.hit.sum() == found.found.sum()
        assert len(set(found.truth_index[found.hit])) == found.hit.sum()
