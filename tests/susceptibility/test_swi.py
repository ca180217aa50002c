"""The phase mask, SWI and the rough head."""

from __future__ import annotations

import numpy as np
import pytest
from head_phantom import head_phantom

from microbleeds.susceptibility.foreground import head_core, otsu
from microbleeds.susceptibility.swi import phase_mask, susceptibility_weighted


class TestSwi:
    def test_mask_by_hand(self):
        phase = np.array([-np.pi, -1, 0, np.pi / 2, np.pi], np.float32)
        np.testing.assert_allclose(phase_mask(phase), [1, 1, 1, 0.5, 0], atol=1e-6)

    def test_fourth_power(self):
        phase = np.full((2, 2, 2), np.pi / 2, np.float32)
        np.testing.assert_allclose(susceptibility_weighted(np.full_like(phase, 160), phase), 10, rtol=1e-5)

    @pytest.mark.parametrize("power", [1, 3, 5])
    def test_other_powers(self, power):
        phase = np.full((2, 2, 2), np.pi / 2, np.float32)
        got = susceptibility_weighted(np.ones_like(phase), phase, power=power)
        np.testing.assert_allclose(got, 0.5**power, rtol=1e-5)

    def test_inputs_are_left_alone(self):
        phase = np.full((2, 2, 2), 1.0, np.float32)
        magnitude = np.full((2, 2, 2), 5.0, np.float32)
        susceptibility_weighted(magnitude, phase)
        assert (phase == 1).all()
        assert (magnitude == 5).all()


class TestHeadCore:
    def test_lies_inside_the_head(self):
        phantom = head_phantom()
        core = head_core(phantom.magnitude, phantom.spacing_mm)
        assert core.sum() > 0.2 * phantom.brain.sum()
        # The phantom's first and last slices hold no brain, and the border of the field of view is not air.
        assert (core & ~phantom.brain)[:, :, 6:-6].sum() < 0.005 * core.sum()

    def test_keeps_veins(self):
        phantom = head_phantom()
        core = head_core(phantom.magnitude, phantom.spacing_mm)
        assert core[phantom.veins].mean() > 0.8 * core[phantom.brain].mean()

    def test_a_crop_without_air_is_taken_whole(self):
        phantom = head_phantom()
        crop = phantom.magnitude[48:80, 56:88, 12:28]
        assert head_core(crop, phantom.spacing_mm).all()

    def test_a_lost_slice_does_not_cut_the_head_in_two(self):
        phantom = head_phantom()
        broken = phantom.magnitude.copy()
        broken[:, :, 20] = 0
        core = head_core(broken, phantom.spacing_mm)
        assert core[:, :, 10].any()
        assert core[:, :, 30].any()

    def test_zero_background(self):
        phantom = head_phantom()
        stripped = np.where(phantom.brain, phantom.magnitude, 0).astype(np.float32)
        core = head_core(stripped, phantom.spacing_mm)
        assert 0 < core.sum() < phantom.brain.sum()
        assert not (core & ~phantom.brain).any()

    @pytest.mark.parametrize("bright", [0, 1, 150])
    def test_hardly_any_signal(self, bright):
        image = np.zeros((200, 200, 30), np.float32)
        image.reshape(-1)[:bright] = 7
        assert head_core(image, (0.5, 0.5, 2.0)).any()

    def test_an_axis_shorter_than_a_block(self):
        image = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)
        assert head_core(image, (0.2, 0.2, 0.2)).any()

    def test_otsu_between_two_classes(self):
        rng = np.random.default_rng(0)
        assert 3 < otsu(np.concatenate([rng.normal(0, 1, 500), rng.normal(8, 1, 1500)])) < 5.5
