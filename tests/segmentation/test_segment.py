"""From a scan to brain and regions, on any grid; with a stand-in for the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from oracle_anatomy import BRIGHTNESS, OracleNetwork
from phantom_head import HALF_AXES_MM, centred_grid, phantom, scan_of

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.localise import localise
from microbleeds.networks.anatomy_classes import AnatomyClass
from microbleeds.regions import CSF, OUTSIDE, REGIONS, VENTRICLE, code_of
from microbleeds.scan import Candidate, Scan
from microbleeds.segmentation import Segmentation, segment
from microbleeds.segmentation.look import normalise, to_view
from microbleeds.segmentation.on_scan import filled
from microbleeds.segmentation.position import CENTRES_MNI_MM, Position, fit_mni
from microbleeds.simulate.default_anatomy import default_anatomy

pytestmark = pytest.mark.slow

REGIONS_OF_PARENCHYMA = np.array([code in REGIONS and REGIONS[code].group != "none" for code in range(256)])
FLOAT32 = Compute(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def oracle() -> OracleNetwork:
    return OracleNetwork((4, 4, 4, 4, 4), 4).eval()


def brain_ml(rim_mm: float) -> float:
    """Return the volume of the phantom's brain with a rim around it."""
    a, b, c = np.array(HALF_AXES_MM) + rim_mm
    return float(4 / 3 * np.pi * a * b * c / 1000)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return centred_grid((168.0, 204.0, 160.0), (1.0, 1.0, 2.5))


@pytest.fixture(scope="module")
def whole(grid: Grid, oracle: OracleNetwork) -> Segmentation:
    return segment(scan_of(phantom(grid), grid), oracle, FLOAT32)


class TestWholeBrain:
    def test_the_brain_has_the_right_volume_and_a_rim(self, whole: Segmentation, grid: Grid) -> None:
        found_ml = whole.brain.sum() * np.prod(grid.spacing_mm) / 1000
        assert brain_ml(0) < found_ml < brain_ml(5.0)

    def test_the_ventricle_is_inside_of_the_brain(self, whole: Segmentation) -> None:
        ventricle = whole.regions == VENTRICLE
        assert ventricle.any()
        assert whole.brain[ventricle].all()

    def test_sides_and_regions(self, whole: Segmentation, grid: Grid) -> None:
        for x_mm, side in ((-25, "left"), (25, "right")):
            i, j, k = np.round(grid.to_ijk([x_mm, 0, 0])).astype(int)
            region = REGIONS[int(whole.regions[i, j, k])]
            assert (region.name, region.side, region.group) == ("lentiform", side, "deep")

    def test_lobes_lie_where_they_belong(self, whole: Segmentation, grid: Grid) -> None:
        for position, lobe in (((20, 45, 10), "frontal"), ((15, -80, 10), "occipital")):
            i, j, k = np.round(grid.to_ijk(position)).astype(int)
            assert REGIONS[int(whole.regions[i, j, k])].name.startswith(lobe)

    def test_only_white_matter_near_the_ventricle_is_deep(self, whole: Segmentation, grid: Grid) -> None:
        # The stand-in calls (26, -30, 12) rim, too; it lies 19 mm from the ventricle.
        for position, group in (((14, -24, 12), "deep"), ((26, -30, 12), "lobar"), ((15, 45, 8), "lobar")):
            i, j, k = np.round(grid.to_ijk(position)).astype(int)
            assert REGIONS[int(whole.regions[i, j, k])].group == group

    def test_the_position_is_near_that_of_an_ellipsoid_in_mni152(self, whole: Segmentation) -> None:
        assert whole.mni_from_ras is not None
        x, y, z = whole.mni_from_ras[:3, 3]
        assert abs(x) < 2
        assert abs(y) < 25
        assert abs(z) < 25
        assert np.linalg.det(whole.mni_from_ras[:3, :3]) > 0.5

    def test_it_is_sure(self, whole: Segmentation) -> None:
        assert whole.located
        assert whole.confident
        assert whole.warnings == ()

    def test_regions_outside_of_the_parenchyma_are_none(self, whole: Segmentation) -> None:
        assert not (REGIONS_OF_PARENCHYMA[whole.regions] & ~whole.brain).any()


class TestGrids:
    @pytest.mark.parametrize("spacing_mm", [(0.8, 0.8, 3.0), (2.0, 2.0, 2.0), (1.0, 1.0, 4.0)])
    def test_the_brain_does_not_depend_on_the_grid(
        self, spacing_mm: tuple[float, float, float], oracle: OracleNetwork
    ) -> None:
        grid = centred_grid((168.0, 204.0, 160.0), spacing_mm)
        found = segment(scan_of(phantom(grid), grid), oracle, FLOAT32)
        assert found.brain.shape == found.regions.shape == grid.shape
        assert brain_ml(0) < found.brain.sum() * np.prod(grid.spacing_mm) / 1000 < brain_ml(5.0)

    def test_magnitude_is_preferred(self, oracle: OracleNetwork) -> None:
        grid = centred_grid((168.0, 204.0, 160.0), (2.0, 2.0, 2.0))
        image = phantom(grid)
        scan = Scan("swi", grid, grid, swi=np.zeros_like(image), magnitude=image)
        assert segment(scan, oracle, FLOAT32).brain.any()

    def test_the_view_keeps_position_and_mean(self) -> None:
        grid = centred_grid((60.0, 60.0, 60.0), (0.4, 1.0, 3.0))
        position = grid.to_mm(np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1))
        for axis in range(3):
            image, view = to_view(position[..., axis] + 100, grid)
            middle = tuple(n // 2 for n in view.shape)
            assert image[middle] - 100 == pytest.approx(view.to_mm(middle)[axis], abs=0.05)


class TestRepairs:
    def test_holes_are_filled_and_strays_dropped(self, grid: Grid, oracle: OracleNetwork) -> None:
        image = phantom(grid)
        middle = np.round(grid.to_ijk([-10, 40, 0])).astype(int)
        image[tuple(slice(m - 5, m + 6) for m in middle[:2])][:, :, middle[2] - 2 : middle[2] + 3] = 0
        image[:8, :8, :4] = BRIGHTNESS[AnatomyClass.WHITE]
        found = segment(scan_of(image, grid), oracle, FLOAT32)
        assert found.brain[tuple(middle)], "a large bleed is part of the brain"
        assert localise([Candidate(tuple(grid.to_mm(middle)), 0.9)], found)[0].group == "lobar"
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

    def test_a_block_smaller_than_a_cut_of_air_is_no_error(self, oracle: OracleNetwork) -> None:
        grid = centred_grid((4.0, 4.0, 16.0), (0.5, 0.5, 2.0))
        image = (0.5 + 0.2 * np.random.default_rng(0).random(grid.shape)).astype(np.float32)
        assert not segment(scan_of(image, grid), oracle, FLOAT32).located

    def test_a_constant_block_is_refused(self, oracle: OracleNetwork) -> None:
        grid = centred_grid((24.0, 24.0, 40.0), (1.0, 1.0, 1.0))
        with pytest.raises(InputError, match="no brain"):
            segment(scan_of(np.zeros(grid.shape, dtype=np.float32), grid), oracle, FLOAT32)


class TestParts:
    def test_normalise_is_free_of_scale(self) -> None:
        image = torch.rand(20, 20, 20)
        torch.testing.assert_close(normalise(image), normalise(1000 * image))
        assert normalise(torch.zeros(4, 4, 4)).sum() == 0

    def test_holes_are_filled_and_bays_are_not(self) -> None:
        mask = np.zeros((8, 8, 8), dtype=bool)
        mask[2:7, 2:7, 2:7] = True
        mask[4, 4, 4] = mask[2, 4, 4] = False
        whole = filled(mask)
        assert whole[4, 4, 4]
        assert not whole[2, 4, 4]
        assert not whole[0, 0, 0]


def fitted(regions: NDArray[np.uint8], grid: Grid) -> Position:
    """Return the position of a head that has one."""
    found = fit_mni(regions, grid)
    assert found is not None
    return found


class TestPosition:
    def test_the_centres_are_those_of_the_default_head(self) -> None:
        head = default_anatomy()
        affine, misfit_mm = fitted(head.regions, head.grid)
        assert misfit_mm < 1
        np.testing.assert_allclose(affine[:3, 3], head.mni_from_ras[:3, 3], atol=1.5)

    def test_it_follows_the_head(self) -> None:
        head = default_anatomy()
        moved = np.array([[1.1, 0.1, 0, 5], [-0.1, 0.95, 0.2, -8], [0, -0.2, 1.05, 3.0], [0, 0, 0, 1]])
        affine, misfit_mm = fitted(head.regions, Grid(head.grid.shape, np.linalg.inv(moved) @ head.grid.affine))
        np.testing.assert_allclose(affine[:3, :3], moved[:3, :3], atol=0.05)
        assert misfit_mm < 2

    def test_what_the_view_cuts_is_left_out(self) -> None:
        head = default_anatomy()
        start = [0, 0, int(head.grid.to_ijk([0, 0, -5])[2])]
        part = head.regions[:, :, start[2] :]
        affine, misfit_mm = fitted(part, head.grid.cropped(start, head.grid.shape))
        assert misfit_mm < 3
        assert np.abs(affine[:3, 3] - head.mni_from_ras[:3, 3]).max() < 4

    def test_a_few_regions_say_nothing(self) -> None:
        head = default_anatomy()
        little = np.where(head.regions == head.regions.max(), head.regions, 0)
        assert fit_mni(little, head.grid) is None

    def test_one_region_in_a_wrong_place_does_not_pull_it(self) -> None:
        head = default_anatomy()
        wrong = head.regions.copy()
        wrong[wrong == code_of("caudate", "left")] = OUTSIDE
        wrong[20:30, 20:30, 20:30] = code_of("caudate", "left")
        clean, spoiled = fitted(head.regions, head.grid)[0], fitted(wrong, head.grid)[0]
        np.testing.assert_allclose(spoiled[:3, 3], clean[:3, 3], atol=0.5)

    def test_every_centre_is_a_region(self) -> None:
        assert set(CENTRES_MNI_MM) <= {region.name for region in REGIONS.values()}
