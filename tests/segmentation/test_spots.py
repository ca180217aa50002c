"""A dark spot takes what it lies in for fluid; filled, the scan shows what lies under it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracle_anatomy import BRIGHTNESS, OracleNetwork
from phantom_head import centred_grid, phantom, scan_of

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.localise import localise
from microbleeds.networks.anatomy import AnatomyClass
from microbleeds.scan import Candidate, Scan
from microbleeds.segmentation import Segmentation, segment, segment_without
from microbleeds.segmentation.spots import without_spots

FLOAT32 = Compute(torch.device("cpu"), torch.float32)
BLEED = Candidate((-20.0, 30.0, 10.0), 0.9, 4.0)


@pytest.fixture
def flat() -> Scan:
    """A slope of brightness with a dark spot of 4 mm."""
    grid = centred_grid((60.0, 60.0, 60.0), (1.0, 1.0, 2.0))
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    slope = (300 + grid.to_mm(index)[..., 0]).astype(np.float32)
    return scan_of(slope, grid)


def spotted(scan: Scan, spot: Candidate) -> Scan:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in scan.grid.shape], indexing="ij"), axis=-1)
    inside = np.linalg.norm(scan.grid.to_mm(index) - spot.position_ras_mm, axis=-1) <= (spot.diameter_mm or 4) / 2
    return replace(scan, swi=np.where(inside, np.float32(5), scan.swi))


class TestFilling:
    def test_a_spot_gets_its_surroundings_and_the_rest_stays(self, flat: Scan) -> None:
        spot = Candidate((10.0, -5.0, 4.0), 0.9, 4.0)
        scan = spotted(flat, spot)
        made = without_spots(scan, [spot]).swi
        assert scan.swi.min() == 5
        np.testing.assert_allclose(made, flat.swi, atol=4)
        far = np.abs(flat.swi - 310) > 5
        np.testing.assert_array_equal(made[far], flat.swi[far])

    def test_neighbours_do_not_fill_each_other(self, flat: Scan) -> None:
        spots = [Candidate((x, 0.0, 0.0), 0.9, None) for x in (-3.0, 3.0)]
        scan = spotted(spotted(flat, spots[0]), spots[1])
        assert without_spots(scan, spots).swi.min() > 250
        assert without_spots(scan, spots[:1]).swi.min() == 5

    def test_at_the_edge_and_outside_of_the_image(self, flat: Scan) -> None:
        edge = flat.grid.to_mm(np.zeros(3))
        spots = [Candidate(tuple(edge), 0.9, 3.0), Candidate((500.0, 0.0, 0.0), 0.9, 3.0)]
        np.testing.assert_allclose(without_spots(flat, spots).swi, flat.swi, atol=4)

    def test_the_magnitude_too_since_it_is_what_is_segmented(self, flat: Scan) -> None:
        spot = Candidate((10.0, -5.0, 4.0), 0.9, 4.0)
        scan = replace(flat, magnitude=spotted(flat, spot).swi * 2)
        assert without_spots(scan, [spot]).magnitude.min() > 500

    def test_values_that_are_no_numbers_do_not_spread(self, flat: Scan) -> None:
        spot = Candidate((10.0, -5.0, 4.0), 0.9, 4.0)
        broken = flat.swi.copy()
        broken[tuple(np.round(flat.grid.to_ijk((15.0, -5.0, 4.0))).astype(int))] = np.nan
        assert np.isfinite(without_spots(replace(flat, swi=broken), [spot]).swi).all()

    def test_one_that_covers_all_leaves_no_hole(self, flat: Scan) -> None:
        assert np.isfinite(without_spots(flat, [Candidate((0.0, 0.0, 0.0), 0.9, 400.0)]).swi).all()


@pytest.mark.slow
class TestAnatomy:
    @pytest.fixture(scope="class")
    def grid(self) -> Grid:
        return centred_grid((168.0, 204.0, 160.0), (1.0, 1.0, 2.5))

    @pytest.fixture(scope="class")
    def oracle(self) -> OracleNetwork:
        return OracleNetwork((4, 4, 4, 4, 4), 4).eval()

    def test_a_bleed_lies_in_what_is_around_it(self, grid: Grid, oracle: OracleNetwork) -> None:
        """Its rim is as bright as cortex."""
        image, rim = phantom(grid), replace(BLEED, diameter_mm=6.0)
        dark = spotted(scan_of(image, grid), rim)
        scan = replace(dark, swi=np.where(dark.swi == 5, np.float32(BRIGHTNESS[AnatomyClass.CORTEX]), image))
        found = segment(scan, oracle, FLOAT32)
        again = segment_without(scan, found, [rim], oracle, FLOAT32)
        assert localise([rim], found)[0].region == "frontal_cortex"
        assert localise([rim], again)[0].region == "frontal_white"
        np.testing.assert_array_equal(again.brain, found.brain)

    @pytest.mark.parametrize("change", [{"located": False}, {"confident": False}, None])
    def test_a_second_look_that_is_worse_does_not_count(
        self, grid: Grid, oracle: OracleNetwork, monkeypatch: pytest.MonkeyPatch, change: dict | None
    ) -> None:
        scan = scan_of(phantom(grid), grid)
        found = segment(scan, oracle, FLOAT32)

        def worse(*_: object) -> Segmentation:
            if change is None:
                raise InputError("No brain.")
            return replace(found, **change)

        monkeypatch.setattr("microbleeds.segmentation.spots.segment", worse)
        assert segment_without(scan, found, [BLEED], oracle, FLOAT32) is found

    def test_nothing_to_fill_is_not_segmented_again(self, grid: Grid, oracle: OracleNetwork) -> None:
        scan = scan_of(phantom(grid), grid)
        found = segment(scan, oracle, FLOAT32)
        assert segment_without(scan, found, [], oracle, FLOAT32) is found
        unknown = replace(found, located=False)
        assert segment_without(scan, unknown, [BLEED], oracle, FLOAT32) is unknown
