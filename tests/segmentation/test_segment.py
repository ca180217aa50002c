"""From a scan to brain, tissues and regions, on any grid; with a stand-in for the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from oracle_anatomy import BRIGHTNESS, OracleNetwork

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import AnatomyClass
from microbleeds.regions import CSF, OUTSIDE, REGIONS
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation, segment
from microbleeds.segmentation.coarse import CoarseAnatomy, fit_mni, normalise, to_coarse
from microbleeds.tissues import Tissue

FLOAT32 = Compute(torch.device("cpu"), torch.float32)
HALF_AXES_MM = (60.0, 72.0, 54.0)


@pytest.fixture(scope="module")
def oracle() -> OracleNetwork:
    return OracleNetwork((4, 4, 4, 4)).eval()


def centred_grid(extent_mm: tuple[float, float, float], spacing_mm: tuple[float, float, float]) -> Grid:
    """Return a RAS grid whose middle is at 0."""
    shape = tuple(int(e / s) for e, s in zip(extent_mm, spacing_mm, strict=True))
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = [-s * (n - 1) / 2 for n, s in zip(shape, spacing_mm, strict=True)]
    return Grid(shape, affine)  # type: ignore[arg-type]


def phantom(grid: Grid) -> NDArray[np.float32]:
    """Return an ellipsoid brain with ventricle and nuclei in fluid, painted in the oracle's brightness."""
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    position = grid.to_mm(ijk)
    radius = np.linalg.norm(position / HALF_AXES_MM, axis=-1)
    image = np.zeros(grid.shape, dtype=np.float32)
    for scale, member in ((1.15, AnatomyClass.CSF), (1.0, AnatomyClass.CORTEX), (0.85, AnatomyClass.WHITE)):
        image[radius < scale] = BRIGHTNESS[member]
    x, y, z = np.moveaxis(position, -1, 0)
    image[(np.abs(np.abs(x) - 25) < 8) & (np.abs(y) < 14) & (np.abs(z) < 8)] = BRIGHTNESS[AnatomyClass.LENTIFORM]
    image[(np.abs(x) < 10) & (np.abs(y) < 20) & (np.abs(z - 8) < 8)] = BRIGHTNESS[AnatomyClass.VENTRICLE]
    return image


def brain_ml(rim_mm: float) -> float:
    """Return the volume of the phantom's brain with a rim around it."""
    a, b, c = np.array(HALF_AXES_MM) + rim_mm
    return float(4 / 3 * np.pi * a * b * c / 1000)


def scan_of(image: NDArray[np.float32], grid: Grid) -> Scan:
    return Scan(kind="swi", grid=grid, source_grid=grid, swi=image)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return centred_grid((160.0, 192.0, 150.0), (1.0, 1.0, 2.5))


@pytest.fixture(scope="module")
def whole(grid: Grid, oracle: OracleNetwork) -> Segmentation:
    return segment(scan_of(phantom(grid), grid), oracle, FLOAT32)


class TestWholeBrain:
    def test_the_brain_has_the_right_volume_and_a_rim(self, whole: Segmentation, grid: Grid) -> None:
        found_ml = whole.brain.sum() * np.prod(grid.spacing_mm) / 1000
        assert brain_ml(0) < found_ml < brain_ml(4.5)

    def test_the_ventricle_is_inside_of_the_brain(self, whole: Segmentation) -> None:
        ventricle = np.isin(whole.tissues, (Tissue.VENTRICLE_LEFT, Tissue.VENTRICLE_RIGHT))
        assert ventricle.any()
        assert whole.brain[ventricle].all()

    def test_sides_and_regions(self, whole: Segmentation, grid: Grid) -> None:
        for x_mm, tissue, side in ((-25, Tissue.PUTAMEN_LEFT, "left"), (25, Tissue.PUTAMEN_RIGHT, "right")):
            i, j, k = np.round(grid.to_ijk([x_mm, 0, 0])).astype(int)
            assert whole.tissues[i, j, k] == tissue
            region = REGIONS[int(whole.regions[i, j, k])]
            assert (region.name, region.side, region.group) == ("lentiform", side, "deep")

    def test_lobes_lie_where_they_belong(self, whole: Segmentation, grid: Grid) -> None:
        for position, lobe in (((20, 60, 5), "frontal"), ((15, -66, 5), "occipital")):
            i, j, k = np.round(grid.to_ijk(position)).astype(int)
            assert REGIONS[int(whole.regions[i, j, k])].name.startswith(lobe)

    def test_only_white_matter_near_the_ventricle_is_deep(self, whole: Segmentation, grid: Grid) -> None:
        for position, group in (((6, 25, 12), "deep"), ((15, 45, 8), "lobar"), ((-15, -45, 8), "lobar")):
            i, j, k = np.round(grid.to_ijk(position)).astype(int)  # 5 mm and twice 25 mm from the ventricle
            assert REGIONS[int(whole.regions[i, j, k])].group == group

    def test_position_is_the_oracles(self, whole: Segmentation) -> None:
        points = np.array([[0, 0, 0, 1], [40, -50, 20, 1.0]])
        np.testing.assert_allclose((points @ whole.mni_from_ras.T)[:, :3], points[:, :3], atol=3.0)

    def test_it_is_sure(self, whole: Segmentation) -> None:
        assert whole.located
        assert whole.confident
        assert whole.warnings == ()

    def test_regions_outside_of_the_parenchyma_are_none(self, whole: Segmentation) -> None:
        outside = whole.tissues == Tissue.AIR
        assert (whole.regions[outside] == OUTSIDE).all()


class TestGrids:
    @pytest.mark.parametrize("spacing_mm", [(0.8, 0.8, 3.0), (2.0, 2.0, 2.0), (1.0, 1.0, 4.0)])
    def test_the_brain_does_not_depend_on_the_grid(
        self, spacing_mm: tuple[float, float, float], oracle: OracleNetwork
    ) -> None:
        grid = centred_grid((156.0, 180.0, 144.0), spacing_mm)
        found = segment(scan_of(phantom(grid), grid), oracle, FLOAT32)
        assert found.brain.shape == found.regions.shape == grid.shape
        assert brain_ml(0) < found.brain.sum() * np.prod(grid.spacing_mm) / 1000 < brain_ml(4.5)

    def test_magnitude_is_preferred(self, oracle: OracleNetwork) -> None:
        grid = centred_grid((156.0, 180.0, 144.0), (2.0, 2.0, 2.0))
        image = phantom(grid)
        scan = Scan("swi", grid, grid, swi=np.zeros_like(image), magnitude=image)
        assert segment(scan, oracle, FLOAT32).brain.any()

    def test_coarse_image_keeps_position_and_mean(self) -> None:
        grid = centred_grid((60.0, 60.0, 60.0), (0.5, 1.0, 3.0))
        position = grid.to_mm(np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1))
        for axis in range(3):
            image, coarse = to_coarse(position[..., axis] + 100, grid)
            middle = tuple(n // 2 for n in coarse.shape)
            assert image[middle] - 100 == pytest.approx(coarse.to_mm(middle)[axis], abs=0.05)


class TestRepairs:
    def test_holes_are_filled_and_strays_dropped(self, grid: Grid, oracle: OracleNetwork) -> None:
        image = phantom(grid)
        middle = np.round(grid.to_ijk([-10, 40, 0])).astype(int)
        image[tuple(slice(m - 5, m + 6) for m in middle[:2])][:, :, middle[2] - 2 : middle[2] + 3] = 0
        image[:8, :8, :4] = BRIGHTNESS[AnatomyClass.WHITE]
        found = segment(scan_of(image, grid), oracle, FLOAT32)
        assert found.brain[tuple(middle)], "a large bleed is part of the brain"
        assert not found.brain[:8, :8, :4].any()
        assert np.isin(found.regions[:8, :8, :4], (OUTSIDE, CSF)).all()

    def test_not_a_number_is_taken_for_zero(self, grid: Grid, oracle: OracleNetwork) -> None:
        image = phantom(grid)
        image[0, 0, 0] = np.nan
        assert segment(scan_of(image, grid), oracle, FLOAT32).brain.any()


class TestLittleToSee:
    def test_a_large_image_without_brain_is_refused(self, grid: Grid, oracle: OracleNetwork) -> None:
        with pytest.raises(InputError, match="No brain was found"):
            segment(scan_of(np.zeros(grid.shape, dtype=np.float32), grid), oracle, FLOAT32)

    def test_an_image_that_is_brain_all_over_is_refused(self, grid: Grid, oracle: OracleNetwork) -> None:
        image = np.full(grid.shape, BRIGHTNESS[AnatomyClass.WHITE], dtype=np.float32)
        image[::4] = BRIGHTNESS[AnatomyClass.LENTIFORM]
        with pytest.raises(InputError, match="size and shape"):
            segment(scan_of(image, grid), oracle, FLOAT32)

    def test_a_uniform_phantom_is_refused(self, grid: Grid, oracle: OracleNetwork) -> None:
        image = np.where(phantom(grid) > 0.3, BRIGHTNESS[AnatomyClass.LENTIFORM], 0).astype(np.float32)
        with pytest.raises(InputError, match="uniform"):
            segment(scan_of(image, grid), oracle, FLOAT32)

    def test_a_small_block_is_searched_whole(self, oracle: OracleNetwork) -> None:
        grid = centred_grid((24.0, 24.0, 41.0), (0.5, 0.5, 1.0))
        generator = np.random.default_rng(0)
        image = (0.05 + 0.02 * generator.random(grid.shape)).astype(np.float32)
        image[:, :24] += 0.1
        image[20, 10, 10] = 1
        found = segment(scan_of(image, grid), oracle, FLOAT32)
        assert not found.located
        assert not found.confident
        assert found.brain.mean() > 0.4
        assert not found.regions.any()
        assert "too little of the head" in found.warnings[0]

    def test_a_constant_block_is_refused(self, oracle: OracleNetwork) -> None:
        grid = centred_grid((24.0, 24.0, 40.0), (1.0, 1.0, 1.0))
        with pytest.raises(InputError, match="no brain"):
            segment(scan_of(np.zeros(grid.shape, dtype=np.float32), grid), oracle, FLOAT32)


class TestParts:
    def test_normalise_is_free_of_scale(self) -> None:
        image = torch.rand(20, 20, 20)
        torch.testing.assert_close(normalise(image), normalise(1000 * image))
        assert normalise(torch.zeros(4, 4, 4)).sum() == 0

    def test_the_affine_ignores_outliers(self) -> None:
        generator = np.random.default_rng(0)
        here = generator.normal(size=(500, 3)) * 40
        truth = np.array([[1.1, 0.1, 0, 5], [-0.1, 0.95, 0.2, -8], [0, -0.2, 1.05, 3.0]])
        there = here @ truth[:, :3].T + truth[:, 3] + generator.normal(size=(500, 3))
        there[:40] += 80
        anatomy = CoarseAnatomy(
            Grid((1, 1, 1), np.eye(4)),
            np.zeros((1, 1, 1)),
            np.zeros((12, 1, 1, 1)),
            np.zeros((1, 1, 1)),
            here,
            there,
        )
        affine, misfit_mm = fit_mni(anatomy)
        np.testing.assert_allclose(affine[:3, :3], truth[:, :3], atol=0.03)
        np.testing.assert_allclose(affine[:3, 3], truth[:, 3], atol=1.5)
        assert misfit_mm < 4
