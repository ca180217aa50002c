"""Balls are round, tubes are not, whatever the voxels."""

from __future__ import annotations

import numpy as np
import pytest

from microbleeds.roundness import roundness

OVERSAMPLING = 3
FINE, THICK, THICK_FIRST = (1.0, 1.0, 1.0), (0.8, 0.8, 3.0), (3.0, 0.8, 0.8)
AXES = np.eye(3)


def pictured(inside, spacing_mm, shift=(0.0, 0.0, 0.0), noise=10.0):
    """A bright cube of 24 mm with partial volumes, dark where ``inside(position_mm [..., 3])``, and its middle."""
    spacing = np.asarray(spacing_mm)
    shape = np.ceil(24 / spacing).astype(int) | 1
    steps = [(np.arange(n * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5 for n in shape]
    middle = (shape - 1) / 2 + shift
    position = (np.stack(np.meshgrid(*steps, indexing="ij"), -1) - middle) * spacing
    fine = np.where(inside(position), 0.0, 300.0)
    x, y, z = shape
    image = fine.reshape(x, OVERSAMPLING, y, OVERSAMPLING, z, OVERSAMPLING).mean(axis=(1, 3, 5))
    noisy = image + np.random.default_rng(0).normal(0, noise, image.shape)
    return noisy.astype(np.float32), middle


def phantom(*what, **how):
    """Roundness of what :func:`pictured` shows."""
    image, middle = pictured(*what, **how)
    return roundness(image, middle, what[1])


def ellipsoid(*semi_axes_mm):
    return lambda position: np.linalg.norm(position / semi_axes_mm, axis=-1) < 1


def tube(direction, radius_mm=1.2):
    along = np.asarray(direction, dtype=float) / np.linalg.norm(direction)
    return lambda p: np.linalg.norm(p - (p @ along)[..., None] * along, axis=-1) < radius_mm


class TestRoundness:
    @pytest.mark.parametrize("spacing_mm", [FINE, THICK, THICK_FIRST])
    @pytest.mark.parametrize("radius_mm", [1.2, 2.5])
    @pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5)])
    def test_a_ball_is_round_also_between_thick_slices(self, spacing_mm, radius_mm, shift):
        assert phantom(ellipsoid(*[radius_mm] * 3), spacing_mm, shift) > 0.85

    @pytest.mark.parametrize("spacing_mm", [FINE, THICK, THICK_FIRST])
    @pytest.mark.parametrize("direction", [*AXES, (1, 1, 0), (1, 0.5, 1)])
    def test_a_tube_is_long_in_every_direction(self, spacing_mm, direction):
        assert phantom(tube(direction), spacing_mm) < 0.3

    @pytest.mark.parametrize("semi_axes_mm", [(4.0, 2.0, 2.0), (2.0, 4.0, 2.0), (2.0, 2.0, 4.0)])
    def test_the_ratio_of_an_ellipsoid(self, semi_axes_mm):
        assert phantom(ellipsoid(*semi_axes_mm), (0.6, 0.6, 0.6)) == pytest.approx(0.5, abs=0.07)

    def test_a_disc_is_not_round(self):
        assert phantom(ellipsoid(4.5, 4.5, 1.0), FINE) < 0.45

    def test_mm_matter_and_voxels_do_not(self):
        """The same voxels are a ball or not, by their size."""
        image = np.full((41, 41, 21), 300, dtype=np.float32)
        offset = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in image.shape], indexing="ij"), -1)
        image[np.linalg.norm(offset / (6, 6, 3), axis=-1) < 1] = 0
        assert roundness(image, (20, 20, 10), (0.5, 0.5, 1.0)) > 0.85
        assert roundness(image, (20, 20, 10), (0.5, 0.5, 0.5)) < 0.7

    def test_nothing_dark_has_no_shape(self):
        noise = np.random.default_rng(0).normal(300, 2, (30, 30, 30)).astype(np.float32)
        assert roundness(noise, (15, 15, 15), FINE) is None
        assert roundness(np.zeros((30, 30, 30), np.float32), (15, 15, 15), FINE) is None

    def test_at_the_edge_of_the_image(self):
        image = np.full((20, 20, 20), 300, dtype=np.float32)
        image[0:2, 9:11, 9:11] = 0
        assert 0 < roundness(image, (0, 9.5, 9.5), FINE) <= 1

    @pytest.mark.parametrize("spacing_mm", [(0.5, 0.5, 2.0), THICK, FINE])
    @pytest.mark.parametrize("beyond", [0, 1])
    def test_a_ball_in_the_last_slices_is_none_the_longer(self, spacing_mm, beyond):
        for radius_mm in (1.5, 2.5):
            image, middle = pictured(ellipsoid(*[radius_mm] * 3), spacing_mm)
            assert roundness(image[..., : int(middle[2]) + 1 + beyond], middle, spacing_mm) > 0.4

    @pytest.mark.parametrize("direction", AXES)
    def test_a_tube_in_the_last_slice_stays_long(self, direction):
        image, middle = pictured(tube(direction), FINE)
        assert roundness(image[..., : int(middle[2]) + 1], middle, FINE) < 0.3
