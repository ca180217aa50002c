"""The high-pass takes the background and leaves the veins."""

from __future__ import annotations

import numpy as np
import pytest
from head_phantom import head_phantom

from microbleeds.susceptibility.foreground import head_core
from microbleeds.susceptibility.highpass import cosine_low_pass, decide_high_pass, homodyne, low_pass


@pytest.fixture(scope="module")
def phantom():
    return head_phantom()


@pytest.fixture(scope="module")
def filtered(phantom):
    return homodyne(phantom.raw_phase_rad, phantom.magnitude, phantom.spacing_mm)


class TestLowPass:
    def test_keeps_a_constant(self):
        image = np.full((20, 30, 8), 3.0, np.float32)
        np.testing.assert_allclose(low_pass(image, (0.5, 0.5, 2)), 3.0, rtol=1e-5)

    @pytest.mark.parametrize("slice_axis", [0, 1, 2])
    def test_works_within_slices_only(self, slice_axis):
        image = np.zeros((16, 18, 20), np.float32)
        place = [8, 9, 10]
        image[tuple(place)] = 1
        got = low_pass(image, (1, 1, 1), slice_axis=slice_axis)
        others = np.delete(got, place[slice_axis], axis=slice_axis)
        assert np.abs(others).max() == 0
        assert got.sum() == pytest.approx(1, rel=1e-4)

    @pytest.mark.parametrize("cycles_per_mm", [0.02, 0.05, 0.09, 0.2])
    def test_hann_weight_of_a_cosine(self, cycles_per_mm):
        # A cosine of whole half periods is one row of the basis.
        length, spacing_mm, cutoff = 200, 0.5, 0.14
        order = round(2 * length * spacing_mm * cycles_per_mm)
        wave = np.cos(np.pi * order * (np.arange(length) + 0.5) / length).astype(np.float32)
        rows = cosine_low_pass(length, spacing_mm, cutoff)
        expected = 0.5 * (1 + np.cos(np.pi * cycles_per_mm / cutoff)) if cycles_per_mm < cutoff else 0
        np.testing.assert_allclose(rows.T @ (rows @ wave), expected * wave, atol=1e-4)

    def test_means_the_same_on_every_matrix(self):
        # A blob of 2 mm keeps the same share of its height at 0.5 and at 1 mm voxels.
        heights = []
        for spacing_mm in (0.5, 1.0):
            x = (np.arange(int(60 / spacing_mm)) + 0.5) * spacing_mm - 30
            blob = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 2.0**2)).astype(np.float32)[:, :, None]
            heights.append(low_pass(blob, (spacing_mm, spacing_mm, 2)).max())
        assert heights[0] == pytest.approx(heights[1], rel=0.02)
        assert 0.1 < heights[0] < 0.9


class TestHomodyne:
    def test_takes_the_background(self, phantom, filtered):
        core = head_core(phantom.magnitude, phantom.spacing_mm) & ~phantom.veins
        assert np.abs(phantom.raw_phase_rad[core]).mean() > 1
        assert np.median(np.abs(filtered[core])) < 0.08

    def test_keeps_the_veins_phase(self, phantom, filtered):
        core = head_core(phantom.magnitude, phantom.spacing_mm)
        inside = phantom.veins & core
        assert np.corrcoef(filtered[inside], phantom.local_phase_rad[inside])[0, 1] > 0.9

    def test_the_bleed_is_positive_at_its_poles(self, phantom, filtered):
        # 4 mm above and below a sphere of 1.8 mm and 1 ppm: 16.05 * 2/3 * (1.8 / 4)^3 = 0.98 rad, less what the
        # one slice of the voxelised sphere and the filter take.
        i, j, k = phantom.bleed
        assert 0.15 < filtered[i, j, k - 2] < 1
        assert 0.15 < filtered[i, j, k + 2] < 1
        assert filtered[i + 3, j, k] < 0 > filtered[i, j - 3, k]

    def test_a_steep_ramp_leaves_nothing_even_at_the_border(self):
        x, y = np.arange(50)[:, None, None], np.arange(40)[None, :, None]
        ramp = np.angle(np.exp(1j * (0.9 * x - 0.6 * y + np.arange(9)))).astype(np.float32)
        assert np.abs(homodyne(ramp, np.ones_like(ramp), (0.5, 0.5, 1))).max() < 0.01

    def test_sign_turns_with_the_input(self, phantom, filtered):
        opposite = homodyne(-phantom.raw_phase_rad, phantom.magnitude, phantom.spacing_mm)
        assert np.abs(np.angle(np.exp(1j * (opposite + filtered)))).max() < 1e-3

    def test_slice_axis(self, phantom, filtered):
        turned = homodyne(
            np.ascontiguousarray(np.moveaxis(phantom.raw_phase_rad, 2, 0)),
            np.ascontiguousarray(np.moveaxis(phantom.magnitude, 2, 0)),
            (2.0, 1.0, 1.0),
            slice_axis=0,
        )
        difference = np.abs(np.angle(np.exp(1j * (np.moveaxis(turned, 0, 2) - filtered))))
        # Where the low-pass is near zero its phase hangs on the order of a sum, which differs between processors.
        assert np.quantile(difference, 0.9999) < 1e-3
        assert difference.max() < 0.02

    def test_a_crop_is_filtered_like_the_whole(self, phantom, filtered):
        cut = (slice(44, 84), slice(52, 92), slice(None))
        small = homodyne(
            np.ascontiguousarray(phantom.raw_phase_rad[cut]),
            np.ascontiguousarray(phantom.magnitude[cut]),
            phantom.spacing_mm,
        )
        # Away from the crop's border by one kernel (7 mm).
        inner = (slice(8, -8), slice(8, -8), slice(None))
        assert np.abs(np.angle(np.exp(1j * (small - filtered[cut])))[inner].mean()) < 0.02
        assert np.corrcoef(small[inner].ravel(), filtered[cut][inner].ravel())[0, 1] > 0.95


class TestDecision:
    def judged(self, phantom, phase):
        core = head_core(phantom.magnitude, phantom.spacing_mm)
        return decide_high_pass(phase, phantom.magnitude, core, phantom.spacing_mm)

    def test_raw(self, phantom):
        decision = self.judged(phantom, phantom.raw_phase_rad)
        assert not decision.filtered
        assert "raw" in decision.source

    @pytest.mark.parametrize("cutoff_per_mm", [0.07, 0.14, 0.21])
    def test_filtered_with_any_width(self, phantom, cutoff_per_mm):
        phase = homodyne(phantom.raw_phase_rad, phantom.magnitude, phantom.spacing_mm, cutoff_per_mm=cutoff_per_mm)
        assert self.judged(phantom, phase).filtered

    def test_a_weak_background_is_still_raw(self, phantom):
        phase = phantom.local_phase_rad + 0.25 * np.linspace(-3, 3, 128, dtype=np.float32)[:, None, None]
        assert not self.judged(phantom, phase).filtered
