from __future__ import annotations

import itertools

import numpy as np
import pytest

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.prepare import (
    PreparationSpec,
    Prepared,
    depth_below_surface,
    prepare,
    resampling_matrix,
)
from microbleeds.scan import Scan

SPEC = PreparationSpec()


def grid_of(shape: tuple[int, int, int], spacing: tuple[float, float, float], angle: float = 0.0) -> Grid:
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing)
    affine[:3, 3] = (-12.0, 7.0, 30.0)
    return Grid(shape, affine)


def ellipsoid(grid: Grid, radius_mm: float = 12.0) -> np.ndarray:
    """Points within ``radius_mm`` of the grid's centre."""
    places = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))
    return np.linalg.norm(places - grid.centre_mm, axis=-1) < radius_mm


def blob_scan(
    grid: Grid, centre_mm: np.ndarray, width_mm: float = 1.5, phase: float | None = 1.0
) -> tuple[Scan, np.ndarray]:
    """A bright ball with a dark blob at a known place; the phase follows the blob."""
    places = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))
    blob = np.exp(-0.5 * (np.linalg.norm(places - centre_mm, axis=-1) / width_mm) ** 2)
    swi = (300 * (1 - 0.6 * blob)).astype(np.float32)
    phase_rad = None if phase is None else (phase * blob).astype(np.float32)
    return Scan("swi", grid, grid, swi, phase_rad=phase_rad), ellipsoid(grid)


def found_blob(prepared: Prepared) -> np.ndarray:
    """RAS mm of the middle of the dark blob."""
    depth = np.maximum(0, 0.9 - prepared.image[0]) * prepared.brain
    ijk = np.array([(depth * index).sum() / depth.sum() for index in np.indices(depth.shape)])
    return prepared.grid.to_mm(ijk)


class TestNative:
    def test_half_by_half_by_two_mm_stays_bit_exact(self) -> None:
        grid = grid_of((60, 56, 14), (0.5, 0.5, 2.0))
        noise = np.random.default_rng(0).uniform(1, 2, grid.shape).astype(np.float32)
        phase = np.random.default_rng(1).uniform(-1, 1, grid.shape).astype(np.float32)
        brain = ellipsoid(grid, 9.0)
        prepared = prepare(Scan("swi", grid, grid, noise, phase_rad=phase), brain, SPEC)
        start = np.round(grid.to_ijk(prepared.grid.to_mm([0, 0, 0]))).astype(int)
        box = tuple(slice(a, a + n) for a, n in zip(start, prepared.grid.shape, strict=True))
        assert np.array_equal(prepared.image[1], phase[box])
        ratio = prepared.image[0] / noise[box]
        assert ratio.max() - ratio.min() < 1e-6
        assert np.array_equal(prepared.brain, brain[box])
        assert prepared.brain.sum() == brain.sum()

    def test_box_keeps_the_margin_within_the_image(self) -> None:
        grid = grid_of((80, 80, 14), (0.5, 0.5, 2.0))
        prepared = prepare(*blob_scan(grid, grid.centre_mm), SPEC.model_copy(update={"margin_mm": 2.0}))
        assert not prepared.brain[:4].any()
        assert prepared.brain[4].any()

    def test_deep_brain_becomes_one_and_values_are_clipped(self) -> None:
        grid = grid_of((80, 80, 20), (0.5, 0.5, 2.0))
        scan, brain = blob_scan(grid, grid.centre_mm + 5, phase=9.0)
        scan.swi[40:43, 40:43] = 5000
        prepared = prepare(scan, brain, SPEC)
        assert np.median(prepared.image[0][prepared.brain]) == pytest.approx(1.0, abs=0.02)
        assert prepared.image[0].max() == 2.0
        assert prepared.image[1].max() == pytest.approx(np.pi)

    def test_masked_is_zero_outside_the_brain(self) -> None:
        grid = grid_of((60, 60, 14), (0.5, 0.5, 2.0))
        prepared = prepare(*blob_scan(grid, grid.centre_mm), SPEC)
        assert not prepared.masked()[:, ~prepared.brain].any()
        assert prepared.image[0][~prepared.brain].all()


class TestPositions:
    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_slice_axis_goes_last_and_mm_stay(self, order: tuple[int, int, int]) -> None:
        shape, spacing = (64, 60, 16), (0.5, 0.5, 2.0)
        grid = grid_of(tuple(shape[a] for a in order), tuple(spacing[a] for a in order))
        centre = grid.centre_mm + np.array([1.3, -2.1, 0.7])
        prepared = prepare(*blob_scan(grid, centre), SPEC)
        assert np.allclose(prepared.grid.spacing_mm, spacing)
        assert np.linalg.norm(found_blob(prepared) - centre) < 0.1

    @pytest.mark.parametrize(
        "spacing",
        [(0.8, 0.8, 2.0), (0.8, 0.8, 3.0), (0.9, 0.9, 5.0), (0.3, 0.3, 1.0), (0.52, 0.49, 2.0), (1.0, 1.0, 1.0)],
    )
    def test_resampled_to_the_working_voxel_at_the_same_place(self, spacing: tuple[float, float, float]) -> None:
        shape = tuple(int(np.ceil(32 / s)) for s in spacing)
        grid = grid_of(shape, spacing, angle=0.3)
        centre = grid.centre_mm + np.array([1.3, -2.1, 0.7])
        width_mm = max(2.0, 0.6 * max(spacing))  # narrower than that the slices alias it
        prepared = prepare(*blob_scan(grid, centre, width_mm=width_mm), SPEC)
        assert np.allclose(prepared.grid.spacing_mm, (0.5, 0.5, 2.0), rtol=0.05)
        assert np.linalg.norm(found_blob(prepared) - centre) < 0.2
        assert prepared.image[0].min() == pytest.approx(0.4, abs=0.2)
        volume = prepared.brain.sum() * np.prod(prepared.grid.spacing_mm)
        assert volume == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.1)

    def test_paper_interpolates_to_224_slices(self) -> None:
        grid = grid_of((48, 48, 16), (0.5, 0.5, 2.0))
        spec = PreparationSpec(slices=224, normalisation="min-max")
        prepared = prepare(*blob_scan(grid, grid.centre_mm), spec)
        assert prepared.grid.spacing_mm[2] == pytest.approx(16 * 2 / 224)
        assert prepared.image.min() >= 0
        assert prepared.image[0][prepared.brain].max() == 1


class TestPhase:
    def test_absent_phase_is_zero(self) -> None:
        grid = grid_of((60, 60, 14), (0.5, 0.5, 2.0))
        prepared = prepare(*blob_scan(grid, grid.centre_mm, phase=None), SPEC)
        assert not prepared.has_phase
        assert not prepared.image[1].any()

    def test_a_wrap_is_not_averaged_away(self) -> None:
        grid = grid_of((64, 60, 32), (0.5, 0.5, 1.0))
        scan, brain = blob_scan(grid, grid.centre_mm)
        wrapped = np.angle(np.exp(1j * np.full(grid.shape, np.pi))).astype(np.float32)
        wrapped[:, :, ::2] = -3.1
        prepared = prepare(Scan("swi", grid, grid, scan.swi, phase_rad=wrapped), brain, SPEC)
        assert np.abs(prepared.image[1][prepared.brain]).min() > 3.0

    def test_unwrapped_phase_is_resampled_as_a_number(self) -> None:
        grid = grid_of((40, 40, 16), (0.8, 0.8, 2.0))
        scan, brain = blob_scan(grid, grid.centre_mm)
        phase = np.full(grid.shape, 2.9, dtype=np.float32)
        phase[0] = 8.0
        prepared = prepare(Scan("swi", grid, grid, scan.swi, phase_rad=phase), brain, SPEC)
        assert np.allclose(prepared.image[1][prepared.brain], 2.9, atol=0.01)


class TestRefusals:
    def test_empty_mask(self) -> None:
        grid = grid_of((20, 20, 10), (0.5, 0.5, 2.0))
        scan, brain = blob_scan(grid, grid.centre_mm)
        with pytest.raises(InputError, match="empty"):
            prepare(scan, np.zeros_like(brain), SPEC)

    def test_mask_of_another_grid(self) -> None:
        grid = grid_of((20, 20, 10), (0.5, 0.5, 2.0))
        scan, brain = blob_scan(grid, grid.centre_mm)
        with pytest.raises(InputError, match="shape"):
            prepare(scan, brain[1:], SPEC)

    def test_dark_brain(self) -> None:
        grid = grid_of((40, 40, 12), (0.5, 0.5, 2.0))
        scan, brain = blob_scan(grid, grid.centre_mm)
        scan.swi[:] = 0
        with pytest.raises(InputError, match="median"):
            prepare(scan, brain, SPEC)


class TestResamplingMatrix:
    def test_area_average_by_hand(self) -> None:
        # Three samples of 1 become two of 1.5: the middle one is shared.
        expected = np.array([[2, 1, 0], [0, 1, 2]]) / 3
        assert np.allclose(resampling_matrix(3, 2, 1.5, "area"), expected)

    @pytest.mark.parametrize("kernel", ["cubic", "linear", "area"])
    @pytest.mark.parametrize("ratio", [0.31, 0.625, 1.6, 2.7])
    def test_keeps_constants_and_ramps(self, kernel: str, ratio: float) -> None:
        outputs = int(np.ceil(40 / ratio))
        matrix = resampling_matrix(40, outputs, ratio, kernel)  # type: ignore[arg-type]
        assert np.allclose(matrix.sum(axis=1), 1, atol=1e-5)
        if kernel == "area" and ratio < 1:
            return  # repeats the nearest sample then
        places = (np.arange(outputs) + 0.5) * ratio - 0.5
        inner = (places > 5) & (places < 34)
        assert np.allclose((matrix @ np.arange(40))[inner], places[inner], atol=0.12)


def test_depth_below_surface_of_a_ball() -> None:
    grid = grid_of((80, 80, 20), (0.5, 0.5, 2.0))
    depth = depth_below_surface(ellipsoid(grid, 15.0), grid)
    assert depth[40, 40, 10] == pytest.approx(15, abs=1.5)
    assert depth[0, 40, 10] == pytest.approx(-5, abs=1.5)
