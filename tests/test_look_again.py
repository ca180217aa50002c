"""A second look: steady networks, unsteady ones, borders and grids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from little_card import little_card
from microbleeds import look_again as looking
from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, detect
from microbleeds.geometry import Grid
from microbleeds.look_again import CHANGES, Change, Window, changes_for, look_again
from microbleeds.networks.config import DetectorConfig
from microbleeds.networks.detector import Detector, Proposals
from microbleeds.prepare import Prepared
from microbleeds.scan import Candidate
from microbleeds.weights import Calibration

CONFIG = DetectorConfig(widths=(4, 4, 4), pools=((2, 2, 1), (2, 2, 2)), fusion_channels=4, head_channels=4)
CPU = Compute(torch.device("cpu"), torch.float32)
SPACING = np.diag([0.5, 0.5, 2.0, 1.0])


class Toy(Detector):
    """Scores a cell by its largest feature; an image without any has a score near 0."""

    def __init__(self) -> None:
        super().__init__(CONFIG)

    def feature(self, swi: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, image: torch.Tensor) -> Proposals:
        pooled = functional.max_pool3d(self.feature(image[:, :1].float()), CONFIG.cell)[:, 0]
        offset = torch.zeros(len(image), 3, *pooled.shape[1:])
        return Proposals(pooled - 6, offset, offset)


class Steady(Toy):
    """Sees a spot wherever it lies in its cell."""

    def feature(self, swi: torch.Tensor) -> torch.Tensor:
        return swi


class Sided(Toy):
    """Sees a spot only where its bright flank lies before it along the first axis."""

    def feature(self, swi: torch.Tensor) -> torch.Tensor:
        before = functional.pad(swi, (0, 0, 0, 0, 1, 0))[:, :, :-1]
        return swi * (before > 0)


class Gridded(Toy):
    """Sees only each cell's first voxel."""

    def feature(self, swi: torch.Tensor) -> torch.Tensor:
        seen = torch.zeros_like(swi)
        seen[:, :, ::4, ::4] = swi[:, :, ::4, ::4]
        return seen


def scan(
    spots: dict[tuple[int, int, int], float],
    shape: tuple[int, int, int] = (50, 42, 10),
    affine: np.ndarray = SPACING,
) -> Prepared:
    """A scan that is zero but for single voxels."""
    image = np.zeros((2, *shape), dtype=np.float32)
    for voxel, value in spots.items():
        image[0][voxel] = value
    return Prepared(image, np.ones(shape, dtype=bool), Grid(shape, affine), False)


def ranges(prepared: Prepared, model: Detector, **more: object) -> list[tuple[float, float]]:
    """Search, look again at all that is found, and return the ranges of the scores."""
    found = detect(prepared, model, DetectSettings(), CPU)
    looked = look_again(prepared, model, found, [True] * len(found), DetectSettings(), CPU, **more)
    assert [replace(c, score_range=None) for c in looked] == found
    assert all(c.score_range[0] <= c.score <= c.score_range[1] for c in looked)
    return [c.score_range for c in looked]


def sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


class TestSpread:
    def test_a_steady_network_has_none(self) -> None:
        ((low, high),) = ranges(scan({(30, 20, 5): 8.0}), Steady())
        assert low == high == pytest.approx(sigmoid(2))

    def test_a_network_that_goes_by_side_is_found_out_by_a_flip(self) -> None:
        sided = scan({(29, 20, 5): 0.1, (30, 20, 5): 8.0})
        ((low, high),) = ranges(sided, Sided())
        assert (low, high) == pytest.approx((sigmoid(-5.9), sigmoid(2)))
        ((low, high),) = ranges(sided, Sided(), changes=[c for c in CHANGES if 0 not in c.flipped])
        assert low == high, "the other axes and shifts leave the side as it is"

    def test_a_network_that_goes_by_its_cells_is_found_out_by_a_shift(self) -> None:
        spot = scan({(32, 20, 5): 8.0})
        shifts = [replace(change, flipped=()) for change in CHANGES]
        assert ranges(spot, Gridded(), changes=shifts) == [pytest.approx((sigmoid(-6), sigmoid(2)))]
        through = Change(shift_voxels=(0, 0, 1))
        assert ranges(spot, Gridded(), changes=(Change(), through)) == [pytest.approx((sigmoid(2),) * 2)]

    def test_each_axis_is_mirrored_and_shifted(self) -> None:
        assert {axis for change in CHANGES for axis in change.flipped} == {0, 1, 2}
        assert all(any(change.shift_voxels[axis] for change in CHANGES) for axis in range(3))

    def test_calibrated(self) -> None:
        settings = DetectSettings(calibration=Calibration(intercept=1.0, slope=0.5))
        prepared = scan({(29, 20, 5): 0.1, (30, 20, 5): 8.0})
        found = detect(prepared, Sided(), settings, CPU)[:1]
        (looked,) = look_again(prepared, Sided(), found, [True], settings, CPU)
        assert looked.score_range == pytest.approx((sigmoid(1 - 5.9 / 2), sigmoid(2)))

    def test_only_the_chosen_are_measured(self) -> None:
        prepared = scan({(30, 20, 5): 8.0, (8, 20, 5): 7.0})
        found = detect(prepared, Steady(), DetectSettings(), CPU)
        looked = look_again(prepared, Steady(), found, [False, True], DetectSettings(), CPU)
        assert [c.score_range is None for c in looked] == [True, False]

    def test_there_are_no_settings_without_being_given(self) -> None:
        with pytest.raises(TypeError, match="settings"):
            look_again(scan({}), None, [], [], compute=CPU)  # type: ignore[call-arg, arg-type]

    def test_where_none_is_chosen_no_network_runs(self) -> None:
        found = [Candidate((1.0, 2.0, 3.0), 0.1)]
        assert look_again(scan({}), None, found, [False], DetectSettings(), CPU) == found  # type: ignore[arg-type]
        assert look_again(scan({}), None, [], [], DetectSettings(), CPU) == []  # type: ignore[arg-type]

    def test_a_neighbour_is_not_taken_for_it(self) -> None:
        weak, strong = (24, 20, 5), (35, 20, 5)  # 5.5 mm apart
        (first, second) = ranges(scan({strong: 12.0, weak: 8.0}), Steady())
        assert first == pytest.approx((sigmoid(6),) * 2)
        assert second == pytest.approx((sigmoid(2),) * 2)

    def test_outside_the_brain_nothing_is_read(self) -> None:
        prepared = scan({(29, 20, 5): 0.1, (30, 20, 5): 8.0})
        (found,) = detect(prepared, Sided(), DetectSettings(), CPU)
        hollow = replace(prepared, brain=np.zeros_like(prepared.brain))
        (looked,) = look_again(hollow, Sided(), [found], [True], DetectSettings(), CPU)
        assert looked.score_range == (0, found.score)


class TestGeometry:
    @pytest.mark.parametrize("shape", [(130, 20, 30), (128, 16, 28), (23, 17, 5), (24, 16, 4)])
    def test_borders(self, shape: tuple[int, int, int]) -> None:
        last = tuple(n - 1 for n in shape)
        for voxel in ((0, 0, 0), last, (0, last[1], 2)):
            ((low, high),) = ranges(scan({voxel: 8.0}, shape), Steady())
            assert low == high == pytest.approx(sigmoid(2)), voxel

    def test_oblique_and_mirrored_axes(self) -> None:
        angle = np.deg2rad(20)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        affine = np.eye(4)
        affine[:3, :3] = (turn @ np.diag([-0.5, 0.5, 2.0]))[:, [1, 0, 2]]
        affine[:3, 3] = (40, -30, 12)
        prepared = scan({(29, 20, 5): 0.1, (30, 20, 5): 8.0, (8, 39, 2): 9.0}, affine=affine)
        assert ranges(prepared, Steady()) == [pytest.approx((sigmoid(x),) * 2) for x in (3, 2)]
        assert ranges(prepared, Sided())[0] == pytest.approx((sigmoid(-5.9), sigmoid(2)))

    def test_an_unchanged_window_says_what_the_search_said(self) -> None:
        torch.manual_seed(0)
        model = Detector(CONFIG).eval()
        generator = np.random.default_rng(0)
        prepared = replace(scan({}, (150, 20, 6)), image=generator.normal(size=(2, 150, 20, 6)).astype(np.float32))
        found = detect(prepared, model, DetectSettings(floor=0.0), CPU)[:4]
        looked = look_again(prepared, model, found, [True] * 4, DetectSettings(), CPU, changes=[Change()])
        spreads = [c.score_range[1] - c.score_range[0] for c in looked]
        assert spreads == pytest.approx([0] * 4, abs=1e-4)

    @pytest.mark.parametrize("voxel", [(30, 20, 5), (0, 0, 0), (49, 41, 9)])
    def test_a_network_that_slides_a_window_looks_through_one_of_its_size(
        self, voxel: tuple[int, int, int]
    ) -> None:
        seen = []

        class Watched(Steady):
            def feature(self, swi: torch.Tensor) -> torch.Tensor:
                seen.append(tuple(swi.shape[2:]))
                return swi

        prepared, settings = scan({voxel: 8.0}), DetectSettings(window=(64, 32, 16))
        found = detect(prepared, Watched(), settings, CPU)
        (looked,) = look_again(prepared, Watched(), found, [True], settings, CPU)
        assert looked.score_range == pytest.approx((sigmoid(2),) * 2)
        assert set(seen) == {(64, 32, 16)}

    def test_same_twice_and_with_or_without_phase(self) -> None:
        torch.manual_seed(0)
        model = Detector(CONFIG).eval()
        image = np.random.default_rng(0).normal(size=(2, 24, 20, 6)).astype(np.float32)
        for has_phase in (True, False):
            image[1] *= has_phase
            grid = Grid((24, 20, 6), SPACING)
            prepared = Prepared(image, np.ones(grid.shape, dtype=bool), grid, has_phase)
            found = detect(prepared, model, DetectSettings(floor=0.0), CPU)[:2]
            asked = (prepared, model, found, [True, True], DetectSettings(), CPU)
            once, again = look_again(*asked), look_again(*asked)
            assert once == again
            assert all(0 < c.score_range[1] - c.score_range[0] < 1 for c in once)

    def test_near_ones_share_a_window_and_many_the_whole_brain(self) -> None:
        grid = Grid((400, 400, 60), SPACING)

        def windows(voxels: np.ndarray) -> list[tuple[Window, list[int]]]:
            candidates = [Candidate(tuple(grid.to_mm(v).tolist()), 0.9) for v in voxels]
            return looking._windows(grid, candidates, range(len(voxels)), CONFIG, CHANGES)

        ((near, members),) = windows(np.array([[200, 200, 30], [201, 203, 30]]))
        assert members == [0, 1]
        for voxel in ((200, 200, 30), (201, 203, 30)):
            context = np.minimum(np.subtract(voxel, near.start), np.add(near.start, near.size) - voxel)
            assert (context >= [48, 48, 12]).all()
        assert len(windows(np.array([[100, 100, 30], [300, 300, 30]]))) == 2
        many = np.argwhere(np.ones((6, 6, 3))) * [60, 60, 20]
        ((window, members),) = windows(many)
        assert len(members) == len(many)
        assert window.start == (0, 0, 0)
        assert (np.array(window.size) >= grid.shape).all()


def test_flips_only_where_training_showed_them() -> None:
    card = little_card(CONFIG)
    assert changes_for(card) == CHANGES, "cards without the key are of such"
    without = changes_for(card.model_copy(update={"training": card.training.model_copy(update={"flips": False})}))
    assert [change.shift_voxels for change in without] == [change.shift_voxels for change in CHANGES]
    assert not any(change.flipped for change in without)
