"""What a segmentation says of itself where something is odd, and that it follows the head on any grid."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
from oracle_anatomy import OracleNetwork
from phantom_head import centred_grid, phantom, scan_of
from torch import Tensor

from little_card import little_anatomy_card
from microbleeds.compute import Compute
from microbleeds.geometry import Grid, canonical
from microbleeds.networks.anatomy import AnatomyOutput
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation, segment
from microbleeds.segmentation.position import Position

pytestmark = pytest.mark.slow

FLOAT32 = Compute(torch.device("cpu"), torch.float32)
SPACING_MM = (2.0, 2.0, 2.0)


class UnsureNetwork(OracleNetwork):
    """Knows the same, but is hardly more sure of one class than of the next."""

    def forward(self, image: Tensor) -> AnatomyOutput:
        sure = super().forward(image)
        return sure._replace(classes=sure.classes * 0.15)


@pytest.fixture(scope="module")
def oracle() -> OracleNetwork:
    return OracleNetwork((4, 4, 4, 4, 4), 4).eval()


@pytest.fixture(scope="module")
def scan() -> Scan:
    grid = centred_grid((168.0, 204.0, 160.0), SPACING_MM)
    return scan_of(phantom(grid), grid)


@pytest.fixture(scope="module")
def whole(scan: Scan, oracle: OracleNetwork) -> Segmentation:
    return segment(scan, oracle, FLOAT32)


class TestDoubts:
    def test_an_unsure_network_is_doubted(self, scan: Scan) -> None:
        found = segment(scan, UnsureNetwork((4, 4, 4, 4, 4), 4).eval(), FLOAT32)
        assert found.located
        assert not found.confident
        assert "uncertain (mean probability" in found.warnings[0]

    def test_volumes_that_no_head_has_are_doubted(self, scan: Scan, oracle: OracleNetwork) -> None:
        ordinary = {"left frontal lobe": (10.0, 900.0)}
        assert segment(scan, oracle, FLOAT32, little_anatomy_card(volume_ranges_ml=ordinary)).confident
        found = segment(
            scan, oracle, FLOAT32, little_anatomy_card(volume_ranges_ml={"left frontal lobe": (5.0, 10.0)})
        )
        assert not found.confident
        assert "left frontal lobe" in found.warnings[0]

    def test_how_often_groups_are_wrong_is_said_without_doubting(self, scan: Scan, oracle: OracleNetwork) -> None:
        found = segment(scan, oracle, FLOAT32, little_anatomy_card(scores={"validation_right_group_all": 0.87}))
        assert found.confident
        assert "87%" in found.warnings[0]
        assert "validation scans 87%" in found.warnings[0]
        tested = {"test_full_right_group_all": 0.85, "test_full_deep_called_lobar": 0.28}
        found = segment(
            scan, oracle, FLOAT32, little_anatomy_card(scores={"validation_right_group_all": 0.87} | tested)
        )
        assert "test scans 85% of the microbleeds" in found.warnings[0]
        assert "28% of the deep ones" in found.warnings[0]
        assert "called lobar" in found.warnings[0]
        sure = segment(scan, oracle, FLOAT32, little_anatomy_card(scores={"validation_right_group_all": 0.99}))
        assert sure.warnings == ()

    @pytest.mark.parametrize(
        ("position", "sentence"),
        [
            ((np.eye(4), 8.1), "misfit 8 mm"),
            ((np.diag([1.8, 1.5, 1.5, 1.0]), 3.0), "size or shape"),
            ((np.diag([1.1, 1.1, 0.7, 1.0]), 3.0), "size or shape"),
            (None, "Too few regions"),
        ],
    )
    def test_an_odd_position_is_doubted(
        self,
        scan: Scan,
        oracle: OracleNetwork,
        monkeypatch: pytest.MonkeyPatch,
        position: Position | None,
        sentence: str,
    ) -> None:
        module = import_module("microbleeds.segmentation.segment")  # the room exports a function of that name
        monkeypatch.setattr(module, "fit_mni", lambda regions, grid: position)
        found = segment(scan, oracle, FLOAT32)
        assert not found.confident
        assert sentence in found.warnings[0]

    def test_a_brain_larger_than_any_is_doubted(self, scan: Scan, oracle: OracleNetwork) -> None:
        larger = Grid(scan.grid.shape, scan.grid.affine @ np.diag([1.15, 1.15, 1.15, 1.0]))
        found = segment(scan_of(scan.swi, larger), oracle, FLOAT32)
        assert not found.confident
        assert "ml; check it" in found.warnings[0]


class TestPlacement:
    def test_air_around_the_head_changes_nothing(
        self, scan: Scan, oracle: OracleNetwork, whole: Segmentation
    ) -> None:
        before, after = (24, 6, 4), (2, 30, 16)  # so that the brightness of the same voxels is measured
        padded = np.pad(scan.swi, list(zip(before, after, strict=True)))
        affine = scan.grid.affine.copy()
        affine[:3, 3] -= affine[:3, :3] @ before
        found = segment(scan_of(padded, Grid(padded.shape, affine)), oracle, FLOAT32)
        cut = tuple(slice(b, b + n) for b, n in zip(before, scan.grid.shape, strict=True))
        assert np.mean(found.regions[cut] != whole.regions) < 0.01
        assert np.mean(found.brain[cut] != whole.brain) < 0.01
        assert found.brain.sum() == found.brain[cut].sum()

    def test_an_oblique_head_is_the_same_head(
        self, scan: Scan, oracle: OracleNetwork, whole: Segmentation
    ) -> None:
        turned = np.eye(4)
        angle = np.radians(20)
        turned[:3, :3] = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
        found = segment(scan_of(scan.swi, Grid(scan.grid.shape, turned @ scan.grid.affine)), oracle, FLOAT32)
        np.testing.assert_array_equal(found.regions, whole.regions)
        assert found.mni_from_ras is not None
        assert whole.mni_from_ras is not None
        np.testing.assert_allclose(found.mni_from_ras @ turned, whole.mni_from_ras, atol=0.5)

    def test_a_file_in_lps_gives_the_same_sides(
        self, scan: Scan, oracle: OracleNetwork, whole: Segmentation
    ) -> None:
        flipped = np.diag([-1.0, -1.0, 1.0, 1.0])
        flipped[:2, 3] = [n - 1 for n in scan.grid.shape[:2]]
        source = Grid(scan.grid.shape, scan.grid.affine @ flipped)
        image, grid = canonical(scan.swi[::-1, ::-1], source)
        found = segment(Scan("swi", grid, source, swi=image), oracle, FLOAT32)
        np.testing.assert_array_equal(found.regions, whole.regions)
