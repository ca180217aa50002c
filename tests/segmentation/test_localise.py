"""Where a candidate lies, and when it is removed."""

from __future__ import annotations

import numpy as np
import pytest

from microbleeds.geometry import Grid
from microbleeds.localise import LEAST_PARENCHYMA, MARGIN_LIMIT_MM, localise
from microbleeds.regions import CSF, OUTSIDE, VENTRICLE, code_of
from microbleeds.scan import Candidate
from microbleeds.segmentation import Segmentation

LOBAR = code_of("frontal_white", "right")
DEEP = code_of("thalamus", "right")


def segmentation(regions: np.ndarray, located: bool = True, confident: bool = True) -> Segmentation:
    """Return a segmentation on a grid of 0.5 x 0.5 x 2 mm whose first voxel is at (-10, -10, -20) mm."""
    affine = np.diag([0.5, 0.5, 2.0, 1.0])
    affine[:3, 3] = [-10, -10, -20]
    grid = Grid(regions.shape, affine)
    return Segmentation(grid, regions > 0, regions, np.eye(4), located, located and confident)


@pytest.fixture
def regions() -> np.ndarray:
    """Thalamus at x < 0 mm, frontal white matter at x >= 0 mm."""
    codes = np.full((40, 40, 20), LOBAR, dtype=np.uint8)
    codes[:20] = DEEP
    return codes


def at(x: float, y: float = 0.0, z: float = 0.0) -> Candidate:
    return Candidate((x, y, z), 0.9)


class TestRegion:
    def test_majority_of_the_surroundings_decides(self, regions: np.ndarray) -> None:
        regions[24:26, 20, 10] = VENTRICLE  # one odd voxel at the very centre
        placement = localise([at(2.0)], segmentation(regions))[0]
        assert (placement.region, placement.side, placement.group) == ("frontal_white", "right", "lobar")
        assert placement.kept
        assert placement.parenchyma_share > 0.9

    def test_margin_is_the_distance_to_the_other_group(self, regions: np.ndarray) -> None:
        near, far = localise([at(3.0), at(-6.0)], segmentation(regions))
        assert near.margin_mm == pytest.approx(3.25)  # to the face of the last voxel of the thalamus, at -0.25 mm
        assert near.group == "lobar"
        assert far.margin_mm == pytest.approx(5.75)
        assert far.group == "deep"

    def test_margin_is_measured_from_the_centre_to_the_face_of_a_slice(self, regions: np.ndarray) -> None:
        regions[:] = LOBAR
        regions[:, :, 11:] = DEEP  # the slice at z = 2 mm begins at 1 mm
        assert localise([at(0.0, 0.0, 0.8)], segmentation(regions))[0].margin_mm == pytest.approx(0.2)

    def test_brainstem_and_cerebellum_are_told_apart(self, regions: np.ndarray) -> None:
        regions[:20] = code_of("brainstem", "right")
        regions[20:] = code_of("cerebellum", "right")
        placement = localise([at(1.0)], segmentation(regions))[0]
        assert (placement.group, placement.region) == ("infratentorial", "cerebellum")
        assert placement.margin_mm == pytest.approx(1.25)

    def test_margin_has_a_limit(self) -> None:
        codes = np.full((40, 40, 20), LOBAR, dtype=np.uint8)
        assert localise([at(0.0)], segmentation(codes))[0].margin_mm == MARGIN_LIMIT_MM

    def test_group_is_decided_before_the_region(self) -> None:
        codes = np.full((40, 40, 20), code_of("parietal_white", "left"), dtype=np.uint8)
        codes[:, 20:] = code_of("parietal_cortex", "left")
        codes[20:, :20] = code_of("frontal_white", "left")
        codes[20:, 20:] = code_of("frontal_cortex", "left")
        codes[:, 18:20] = DEEP
        # Deep has the most votes of a single region along this line, lobar the most of a group.
        placement = localise([at(-0.25, -0.75)], segmentation(codes))[0]
        assert placement.group == "lobar"

    def test_what_is_near_counts_more(self) -> None:
        codes = np.full((40, 40, 20), LOBAR, dtype=np.uint8)
        codes[:, 17:20] = DEEP  # 1.5 mm wide: less than half of the ball, more than half of the votes
        assert localise([at(0.0, -1.0)], segmentation(codes))[0].group == "deep"

    def test_order_is_kept(self, regions: np.ndarray) -> None:
        placements = localise([at(5.0), at(-5.0), at(6.0)], segmentation(regions))
        assert [p.group for p in placements] == ["lobar", "deep", "lobar"]
        assert localise([], segmentation(regions)) == []


class TestRemoval:
    @pytest.mark.parametrize(("code", "name"), [(VENTRICLE, "ventricle"), (CSF, "csf"), (OUTSIDE, "outside")])
    def test_removed_where_no_bleed_can_be(self, code: int, name: str) -> None:
        codes = np.full((40, 40, 20), code, dtype=np.uint8)
        placement = localise([at(0.0)], segmentation(codes))[0]
        assert not placement.kept
        assert placement.group == "none"
        assert placement.region == name
        assert placement.reason.startswith("Removed")
        assert placement.margin_mm is None

    def test_nothing_is_removed_by_a_segmentation_that_looks_wrong(self) -> None:
        codes = np.full((40, 40, 20), VENTRICLE, dtype=np.uint8)
        placement = localise([at(0.0)], segmentation(codes, confident=False))[0]
        assert placement.kept
        assert (placement.group, placement.region) == ("none", "unknown")
        assert "looks wrong" in placement.reason

    def test_kept_at_the_border(self, regions: np.ndarray) -> None:
        regions[:] = OUTSIDE
        regions[23:] = LOBAR  # the parenchyma begins 1.5 mm from the centre
        placement = localise([at(0.0)], segmentation(regions))[0]
        assert placement.kept
        assert LEAST_PARENCHYMA < placement.parenchyma_share < 0.5

    def test_outside_of_the_image_is_removed(self, regions: np.ndarray) -> None:
        assert not localise([at(200.0)], segmentation(regions))[0].kept

    def test_at_the_edge_of_the_image_only_what_is_seen_counts(self, regions: np.ndarray) -> None:
        placement = localise([at(-10.0, -10.0, -20.0)], segmentation(regions))[0]
        assert placement.kept
        assert placement.parenchyma_share == 1.0


class TestUnknown:
    def test_all_are_kept_without_a_region(self, regions: np.ndarray) -> None:
        placement = localise([at(0.0)], segmentation(np.zeros_like(regions), located=False))[0]
        assert placement.kept
        assert placement.region == "unknown"
        assert placement.group == "none"
        assert placement.parenchyma_share is None
        assert "too little of the head" in placement.reason
