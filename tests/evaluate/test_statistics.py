"""Intervals, calibration, strata and patients, each against values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from microbleeds.errors import InputError
from microbleeds.evaluate import (
    bootstrap,
    burden_agreement,
    burden_class,
    by_label,
    by_value,
    calibration,
    is_strictly_lobar,
)
from microbleeds.evaluate.intervals import Interval, of_rate, of_share


def mean(values) -> np.ndarray:
    return np.array([np.mean(values) if len(values) else np.nan])


class TestBootstrap:
    def test_same_seed_same_interval(self):
        subjects = list(range(20))
        assert bootstrap(subjects, mean, seed=1) == bootstrap(subjects, mean, seed=1)
        assert bootstrap(subjects, mean, seed=1) != bootstrap(subjects, mean, seed=2)

    def test_close_to_the_normal_interval_of_a_mean(self):
        subjects = np.random.default_rng(0).normal(0, 1, 200).tolist()
        (interval,) = bootstrap(subjects, mean, repeats=2000)
        half = 1.96 * np.std(subjects) / np.sqrt(200)
        assert interval.value == pytest.approx(np.mean(subjects))
        assert interval.high - interval.value == pytest.approx(half, rel=0.15)
        assert interval.value - interval.low == pytest.approx(half, rel=0.15)

    def test_constant_has_no_width(self):
        (interval,) = bootstrap([2.0] * 5, mean)
        assert (interval.low, interval.value, interval.high) == (2, 2, 2)

    def test_undefined_is_none(self):
        (interval,) = bootstrap([], mean)
        assert (interval.low, interval.value, interval.high) == (None, None, None)


class TestExactEnds:
    """Figures of the tables of Clopper and Pearson, and of Poisson's."""

    def test_shares_and_rates_without_width(self):
        never, always = Interval(0.0, 0.0, 0.0), Interval(1.0, 1.0, 1.0)
        assert of_share(never, 10).high == pytest.approx(0.3085, abs=1e-4)
        assert of_share(always, 10).low == pytest.approx(0.6915, abs=1e-4)
        assert of_rate(never, 8).high == pytest.approx(3.6889 / 8, abs=1e-4)
        assert (of_share(never, 10).low, of_share(always, 10).high, of_rate(never, 8).low) == (0, 1, 0)

    @pytest.mark.parametrize(
        "interval",
        [Interval(0.5, 0.5, 0.5), Interval(0.0, 0.0, 0.2), Interval(1.0, None, None)],
    )
    def test_others_stay(self, interval):
        assert of_share(interval, 10) == interval
        assert of_rate(interval, 10) == interval

    def test_of_nothing(self):
        assert of_share(Interval(0.0, 0.0, 0.0), 0).high == of_rate(Interval(0.0, 0.0, 0.0), 0).high == 0


class TestCalibration:
    def test_worked_by_hand(self):
        # Bin .6-.7: mean .65, half are hits, gap .15. Bin .9-1: mean 1, all hits, gap 0. Error = .15 * 2/3.
        result = calibration([0.62, 0.68, 1.0], [True, False, True])
        assert result.error == pytest.approx(0.1)
        assert result.count.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0, 1]
        assert result.hit_share[6] == 0.5
        assert np.isnan(result.mean_score[0])

    def test_perfect_and_empty(self):
        assert calibration([0.0, 1.0], [False, True]).error == 0
        assert np.isnan(calibration([], []).error)

    def test_score_out_of_range(self):
        with pytest.raises(InputError, match=r"0\.\.1"):
            calibration([1.5], [True])


class TestStrata:
    def test_by_label(self):
        strata = by_label(["lobar", None, "deep", "lobar"], [True, True, False, False])
        assert [(s.name, s.found, s.total) for s in strata] == [
            ("deep", 0, 1),
            ("lobar", 1, 2),
            ("unknown", 1, 1),
        ]

    def test_by_value_edges_belong_to_the_upper_range(self):
        strata = by_value([1.9, 2.0, 4.99, 5.0, np.nan], [True, True, False, True, False], (2, 5), "mm")
        assert [(s.name, s.found, s.total) for s in strata] == [
            ("<2 mm", 1, 1),
            ("2-5 mm", 1, 2),
            (">=5 mm", 1, 1),
            ("unknown", 0, 1),
        ]
        assert strata[1].sensitivity == 0.5

    def test_empty_stratum_has_no_sensitivity(self):
        assert by_value([], [], (2, 5))[0].sensitivity is None


class TestPatient:
    @pytest.mark.parametrize(
        ("count", "name"),
        [(0, "0"), (1, "1"), (2, "2-4"), (4, "2-4"), (5, "5-9"), (9, "5-9"), (10, ">=10"), (200, ">=10")],
    )
    def test_burden_class(self, count, name):
        assert burden_class(count) == name

    @pytest.mark.parametrize(
        ("groups", "regions", "expected"),
        [
            ([], [], False),
            (["lobar"], ["frontal"], True),
            (["lobar", "infratentorial"], ["frontal", "cerebellum"], True),
            (["infratentorial"], ["cerebellum"], False),
            (["lobar", "infratentorial"], ["frontal", "brainstem"], False),
            (["lobar", "deep"], ["frontal", "thalamus"], False),
            (["lobar", "none"], ["frontal", None], True),
        ],
    )
    def test_strictly_lobar_by_boston(self, groups, regions, expected):
        assert is_strictly_lobar(groups, regions) is expected

    @pytest.mark.parametrize(
        ("groups", "regions", "sure", "expected"),
        [
            (["lobar"], ["frontal"], [False], None),
            (["lobar", "lobar"], ["frontal", "frontal"], [True, False], None),
            (["lobar", "deep"], ["frontal", "thalamus"], [False, True], False),
            (["lobar", "deep"], ["frontal", "thalamus"], [True, False], None),
            (["infratentorial"], ["brainstem"], [True], False),
            (["lobar", "infratentorial"], ["frontal", "cerebellum"], [True, False], None),
            (["lobar", "none"], ["frontal", None], [True, False], None),
        ],
    )
    def test_what_hangs_on_an_unsure_place_is_unknown(self, groups, regions, sure, expected):
        assert is_strictly_lobar(groups, regions, sure) is expected

    def test_agreement_worked_by_hand(self):
        # Classes: truth 0, 1, 2-4, >=10; predicted 0, 2-4, 2-4, >=10: three of four right, one off by one.
        agreement = burden_agreement([0, 1, 3, 12], [0, 2, 4, 10])
        assert agreement.accuracy == 0.75
        assert agreement.confusion[1, 2] == 1
        # Truth marginals (1,1,1,0,1), predicted (1,0,2,0,1): mean distance by chance
        # = [0+2+2+4 + 1+1+1+3 + 2+0+0+2 + 4+2+2+0] / 16 = 26 / 16; observed 1/4; kappa = 1 - 4/26.
        assert agreement.weighted_kappa == pytest.approx(1 - 4 / 26)

    def test_agreement_of_nobody(self):
        assert np.isnan(burden_agreement([], []).accuracy)
        assert np.isnan(burden_agreement([0, 0], [0, 0]).weighted_kappa)
