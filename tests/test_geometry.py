"""Grids, affines and reorientation."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from microbleeds.geometry import Grid, canonical, from_canonical


def oblique_grid() -> Grid:
    angle = np.deg2rad(20)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = rotation * [0.5, 0.7, 2.0]
    affine[:3, 3] = [-10, 20, 5]
    return Grid((20, 30, 8), affine)


def all_orientations() -> list[np.ndarray]:
    return [
        np.diag([*signs, 1.0])[[*order, 3]]
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]


def test_voxels_and_millimetres_are_inverse() -> None:
    grid = oblique_grid()
    ijk = np.array([[0.0, 0.0, 0.0], [3.5, 2.25, 7.0]])
    assert grid.to_ijk(grid.to_mm(ijk)) == pytest.approx(ijk)
    assert grid.spacing_mm == pytest.approx([0.5, 0.7, 2.0])
    assert grid.to_mm(ijk)[0] == pytest.approx([-10, 20, 5])


@pytest.mark.parametrize(
    ("spacing_mm", "axis"),
    [
        ((2.0, 0.5, 0.5), 0),  # sagittal slices
        ((0.5, 0.5, 2.0), 2),
        ((0.8, 0.8, 0.8), 2),
        ((1.04, 1.0, 1.0), 2),  # a few per cent of a header are no slices
        ((1.0, 1.15, 1.0), 1),
    ],
)
def test_slices_lie_across_the_coarsest_axis(spacing_mm: tuple[float, float, float], axis: int) -> None:
    assert Grid((20, 30, 8), np.diag([*spacing_mm, 1])).slice_axis == axis


@pytest.mark.parametrize("flip", all_orientations(), ids=lambda m: str(np.argmax(np.abs(m[:3, :3]), 1)))
def test_canonical_keeps_every_value_at_its_place(flip: np.ndarray) -> None:
    source = Grid((4, 5, 6), oblique_grid().affine @ flip)
    values = np.arange(120.0).reshape(4, 5, 6)
    array, grid = canonical(values, source)
    assert grid.axis_codes == "RAS"
    for ijk in np.ndindex(4, 5, 6):
        moved = np.round(grid.to_ijk(source.to_mm(ijk))).astype(int)
        assert array[tuple(moved)] == values[ijk]
    assert np.array_equal(from_canonical(array, source), values)


def test_a_finer_grid_covers_the_same_field_of_view() -> None:
    grid = oblique_grid()
    fine = grid.with_spacing(grid.spacing_mm / [1, 1, 4])
    assert fine.shape == (20, 30, 32)
    # The four fine voxels of a voxel surround its centre.
    assert fine.to_mm([3, 4, 4 * 5 + 1.5]) == pytest.approx(grid.to_mm([3, 4, 5]))
    assert fine.to_mm([0, 0, -0.5]) == pytest.approx(grid.to_mm([0, 0, -0.5]))


def test_a_crop_keeps_places() -> None:
    grid = oblique_grid()
    part = grid.cropped([2, -1, 3], [10, 5, 6])
    assert part.shape == (8, 6, 3)
    assert part.to_mm([0, 1, 0]) == pytest.approx(grid.to_mm([2, 0, 3]))


def test_contains_goes_to_the_outer_faces() -> None:
    grid = Grid((2, 2, 2), np.eye(4))
    inside = grid.contains([[-0.4, 0, 0], [-0.6, 0, 0], [1.4, 1, 1], [1.6, 1, 1]])
    assert inside.tolist() == [True, False, True, False]


def test_sameness_has_a_tolerance_in_mm() -> None:
    grid = oblique_grid()
    moved = grid.affine.copy()
    moved[0, 3] += 0.05
    far = grid.affine.copy()
    far[0, 3] += 0.5
    assert grid.same_as(Grid(grid.shape, moved))
    assert not grid.same_as(Grid(grid.shape, far))
    assert not grid.same_as(Grid((20, 30, 9), grid.affine))


@pytest.mark.parametrize("affine", [np.eye(3), np.zeros((4, 5))])
def test_a_wrong_affine_is_refused(affine: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        Grid((2, 2, 2), affine)
