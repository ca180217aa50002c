"""Each scale is recognised, and becomes the same radians."""

from __future__ import annotations

import numpy as np
import pytest
from head_phantom import stored
from hypothesis import given, settings
from hypothesis import strategies as st

from microbleeds.susceptibility.scale import find_scale, to_radians

STEP_RAD = {"radians": 1e-6, "milliradians": 1e-3, "0..4095": 2e-3, "-4096..4095": 1e-3, "degrees": 1e-2}


def wrapped(seed=0, size=20_000):
    phase = np.random.default_rng(seed).uniform(-np.pi, np.pi, size).astype(np.float32)
    phase[:2] = -np.pi, np.pi
    return phase


def apart(one, other):
    return np.abs(np.angle(np.exp(1j * (one - other)))).max()


@pytest.mark.parametrize("name", list(STEP_RAD))
def test_full_range(name):
    scale = find_scale(stored(wrapped(), name))
    assert scale.name == name
    assert not scale.guessed
    assert apart(to_radians(stored(wrapped(), name), scale), wrapped()) < STEP_RAD[name]


@pytest.mark.parametrize("past", [0.001, 0.01, 0.019])
@pytest.mark.parametrize("name", [*STEP_RAD, "-2048..2047"])
def test_a_range_that_interpolation_widened(name, past):
    values = np.round(wrapped() / np.pi * 2047) if name == "-2048..2047" else stored(wrapped(), name)
    middle, half = (values.max() + values.min()) / 2, (values.max() - values.min()) / 2
    wide = values.copy()
    wide[:2] = middle - half * (1 + past), middle + half * (1 + past)
    scale = find_scale(wide)
    assert (scale.name, scale.guessed) == (name, False)
    assert apart(to_radians(wide, scale)[2:], wrapped()[2:]) < 1e-2


@pytest.mark.parametrize("turns", [2 * np.pi, 360])
def test_scales_from_zero(turns):
    phase = (wrapped() % (2 * np.pi)) * np.float32(turns / (2 * np.pi))
    radians = to_radians(phase, find_scale(phase))
    assert apart(radians, wrapped()) < 1e-3
    assert np.abs(radians).max() <= np.pi * 1.02


def test_twelve_bits_about_zero():
    phase = np.round(wrapped() / np.pi * 2047)
    assert find_scale(phase).name == "-2048..2047"
    assert apart(to_radians(phase, find_scale(phase)), wrapped()) < 3e-3


@pytest.mark.parametrize("reach", [0.003674, 1.0, 10_000.0])
def test_arbitrary_symmetric_range_is_taken_as_pi(reach):
    phase = wrapped() / np.float32(np.pi / reach)
    scale = find_scale(phase)
    assert scale.name == "arbitrary"
    assert scale.guessed
    assert apart(to_radians(phase, scale), wrapped()) < 1e-3


def test_arbitrary_unsigned_range():
    phase = (wrapped() + np.float32(np.pi)) * np.float32(1000)
    scale = find_scale(phase)
    assert scale.name == "arbitrary"
    assert apart(to_radians(phase, scale), wrapped()) < 1e-3


class TestMaskedFilteredPhase:
    """A mask removes the noise that would reach the ends of the scale."""

    phase = np.clip(np.random.default_rng(0).normal(0, 0.3, 20_000), -1.8, 1.8).astype(np.float32)

    def test_radians(self):
        assert find_scale(self.phase).name == "radians"

    def test_even_values_are_siemens(self):
        scale = find_scale(2 * np.round(self.phase / np.pi * 2048))
        assert (scale.name, scale.guessed) == ("-4096..4095", False)

    @pytest.mark.parametrize(
        ("manufacturer", "name"), [("Siemens", "-4096..4095"), ("Philips", "milliradians"), (None, "milliradians")]
    )
    def test_the_scanner_settles_it(self, manufacturer, name):
        scale = find_scale(np.round(self.phase * 1000), manufacturer=manufacturer)
        assert (scale.name, scale.guessed) == (name, True)

    def test_median_in_the_middle_of_twelve_bits(self):
        assert find_scale(np.round(self.phase / np.pi * 2048 + 2048)).name == "0..4095"


def test_sidecar_units_settle_a_small_range():
    phase = np.linspace(-0.2, 0.2, 1000, dtype=np.float32)
    assert find_scale(phase).name == "arbitrary"
    assert find_scale(phase, units="rad").name == "radians"


@settings(max_examples=60, deadline=None)
@given(low=st.floats(-1e6, 1e6, width=32), span=st.floats(0.001953125, 1e6, width=32), seed=st.integers(0, 9))
def test_any_range_gives_finite_radians(low, span, seed):
    phase = (low + span * np.random.default_rng(seed).random(500)).astype(np.float32)
    if phase.min() < phase.max():
        radians = to_radians(phase, find_scale(phase))
        assert np.abs(radians).max() <= np.pi * 1.02
