"""Volume fractions of tubes: what goes in comes out, wherever the voxels lie."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from microbleeds.geometry import Grid
from microbleeds.simulate.vessels import Vessel, splat


def grid_of_spacing(
    spacing: tuple[float, float, float], oblique: bool = False, reversed_axes: bool = False
) -> Grid:
    """Return a grid of about 40 mm a side around the origin."""
    axes = np.diag(np.asarray(spacing, dtype=float))
    if reversed_axes:
        axes = np.diag([-spacing[0], 1.0, 1.0]) @ np.array([[1.0, 0, 0], [0, 0, spacing[2]], [0, -spacing[1], 0]])
    if oblique:
        a, b = np.radians([20.0, 35.0])
        turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        tip = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        axes = tip @ turn @ axes
    shape = np.ceil(44 / np.linalg.norm(axes, axis=0)).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = -axes @ ((shape - 1) / 2)
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def bent_tube(radius_mm: float) -> Vessel:
    """Return a gentle arc of 30 mm that is no multiple of any voxel."""
    t = np.linspace(-15, 15, 61)
    points = np.stack([0.31 + t * 0.8, 0.17 + 4 * np.cos(t / 12), 0.23 + 0.55 * t], axis=1)
    return Vessel("pial", points, np.full(len(t), radius_mm))


def volume_mm3(fraction: NDArray[np.float32], grid: Grid) -> float:
    return float(fraction.sum(dtype=float) * np.prod(grid.spacing_mm))


class TestVolume:
    @pytest.mark.parametrize("radius_mm", [0.08, 0.25, 0.6, 0.99, 1.2, 2.5])
    @pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.667), (0.8, 0.8, 1.0)])
    def test_of_a_tube_is_conserved(self, radius_mm: float, spacing: tuple[float, float, float]) -> None:
        grid, tube = grid_of_spacing(spacing), bent_tube(radius_mm)
        analytic = np.pi * radius_mm**2 * tube.length_mm
        found = volume_mm3(splat([tube], grid, np.random.default_rng(1)), grid)
        assert found == pytest.approx(analytic, rel=0.02)

    @pytest.mark.parametrize("radius_mm", [0.1, 0.5, 2.0])
    def test_is_conserved_on_oblique_and_reversed_grids(self, radius_mm: float) -> None:
        tube = bent_tube(radius_mm)
        for grid in (
            grid_of_spacing((0.5, 0.6, 0.7), oblique=True),
            grid_of_spacing((0.5, 0.6, 0.7), reversed_axes=True),
        ):
            found = volume_mm3(splat([tube], grid, np.random.default_rng(1)), grid)
            assert found == pytest.approx(tube.volume_mm3, rel=0.02)

    def test_of_a_tube_that_widens_across_the_limit_of_points(self) -> None:
        grid, tube = grid_of_spacing((0.5, 0.5, 0.667)), bent_tube(1.0)
        cone = Vessel("galen", tube.points_mm, np.linspace(0.3, 2.2, len(tube.points_mm)))
        found = volume_mm3(splat([cone], grid, np.random.default_rng(1)), grid)
        assert found == pytest.approx(cone.volume_mm3, rel=0.02)

    def test_lost_outside_the_grid_is_what_lies_outside(self) -> None:
        grid = grid_of_spacing((0.5, 0.5, 0.5))
        edge = grid.to_mm(np.asarray(grid.shape) - 0.5)[0]
        for radius in (0.4, 1.5):
            points = np.array([[edge - 10, 0, 0], [edge + 30, 0, 0]])
            tube = Vessel("pial", points, np.full(2, radius))
            found = volume_mm3(splat([tube], grid, np.random.default_rng(1)), grid)
            assert found == pytest.approx(np.pi * radius**2 * 10, rel=0.03)

    def test_is_nothing_when_all_lies_outside(self) -> None:
        grid = grid_of_spacing((0.5, 0.5, 0.5))
        for radius in (0.4, 1.5):
            away = Vessel("pial", bent_tube(radius).points_mm + np.array([300.0, 0, 0]), np.full(61, radius))
            assert not splat([away], grid, np.random.default_rng(1)).any()


class TestPlace:
    @pytest.mark.parametrize("radius_mm", [0.2, 1.5])
    @pytest.mark.parametrize("oblique", [False, True])
    def test_centroid_is_that_of_the_tube(self, radius_mm: float, oblique: bool) -> None:
        grid = grid_of_spacing((0.5, 0.5, 0.667), oblique=oblique)
        points = np.array([[-4.0, 2.1, 3.3], [7.3, -1.2, 0.4]])
        fraction = splat([Vessel("pial", points, np.full(2, radius_mm))], grid, np.random.default_rng(2))
        voxels = np.argwhere(fraction > 0)
        weights = fraction[tuple(voxels.T)]
        centroid = (grid.to_mm(voxels) * weights[:, None]).sum(0) / weights.sum()
        assert np.abs(centroid - points.mean(0)).max() < 0.05

    def test_lumen_of_a_wide_tube_is_full_and_its_outside_empty(self) -> None:
        grid, tube = grid_of_spacing((0.5, 0.5, 0.667)), bent_tube(3.0)
        fraction = splat([tube], grid, np.random.default_rng(1))
        centre = grid.to_mm(np.argwhere(np.ones(grid.shape, dtype=bool)))
        flat = fraction.ravel()
        inside, _ = cKDTree(tube.points_mm[5:-5]).query(centre, distance_upper_bound=2.3)
        assert flat[np.isfinite(inside)].min() == 1.0
        near, _ = cKDTree(tube.points_mm).query(centre, distance_upper_bound=4.2)
        away = ~np.isfinite(near)
        assert flat[away].max() == 0.0


class TestValues:
    def test_stay_within_zero_and_one_where_tubes_overlap(self) -> None:
        grid = grid_of_spacing((0.5, 0.5, 0.5))
        tubes = [bent_tube(r) for r in (0.8, 0.9, 0.95, 1.5, 2.0)]
        fraction = splat(tubes, grid, np.random.default_rng(1))
        assert fraction.dtype == np.float32
        assert fraction.min() == 0.0
        assert fraction.max() == 1.0

    def test_noise_in_a_filled_lumen_is_small(self) -> None:
        grid = grid_of_spacing((0.5, 0.5, 0.667))
        straight = Vessel("pial", np.array([[-15.0, 0, 0], [15.0, 0, 0]]), np.full(2, 0.98))
        fraction = splat([straight], grid, np.random.default_rng(1))
        rows = fraction[20:-20].reshape(len(fraction) - 40, -1)  # one row a slice across the tube
        partly = (rows.mean(0) > 0.05) & (rows.max(0) < 1)  # nothing is clipped there
        assert np.count_nonzero(partly) >= 8
        # Independent points at this density would give about 0.1.
        assert (rows[:, partly].std(0) / rows[:, partly].mean(0)).max() < 0.05

    def test_same_generator_state_same_bits_and_another_differs(self) -> None:
        grid, tubes = grid_of_spacing((0.5, 0.5, 0.667)), [bent_tube(0.2), bent_tube(1.4)]
        first = splat(tubes, grid, np.random.default_rng(7))
        again = splat(tubes, grid, np.random.default_rng(7))
        other = splat(tubes, grid, np.random.default_rng(8))
        assert first.tobytes() == again.tobytes()
        assert first.tobytes() != other.tobytes()

    def test_a_tube_of_no_width_gives_zeros(self) -> None:
        line = Vessel("pial", np.array([[0.0, 0, 0], [5.0, 0, 0]]), np.zeros(2))
        assert not splat([line], grid_of_spacing((1.0, 1.0, 1.0)), np.random.default_rng(0)).any()

    def test_no_vessel_gives_zeros(self) -> None:
        grid = grid_of_spacing((1.0, 1.0, 1.0))
        assert not splat([], grid, np.random.default_rng(0)).any()


class TestVessel:
    def test_refuses_an_unknown_kind(self) -> None:
        with pytest.raises(ValueError, match="Unknown kind"):
            Vessel("lymphatic", np.zeros((2, 3)), np.ones(2))

    @pytest.mark.parametrize(("points", "radius"), [((1, 3), (1,)), ((4, 2), (4,)), ((4, 3), (3,))])
    def test_refuses_wrong_shapes(self, points: tuple[int, int], radius: tuple[int]) -> None:
        with pytest.raises(ValueError, match="vessel"):
            Vessel("pial", np.zeros(points), np.ones(radius))

    def test_measures_a_cone_by_hand(self) -> None:
        cone = Vessel("pial", np.array([[0.0, 0, 0], [0, 0, 3.0]]), np.array([1.0, 2.0]))
        assert cone.length_mm == pytest.approx(3.0)
        assert cone.volume_mm3 == pytest.approx(7 * np.pi)  # pi/3 * 3 * (1 + 2 + 4)
