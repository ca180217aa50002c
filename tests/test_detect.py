from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from little_card import little_card
from microbleeds import compute
from microbleeds.compute import Compute, choose
from microbleeds.detect import DetectSettings, detect, score_map, settings_for, suppress
from microbleeds.diameter import apparent_diameter_mm
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.config import DetectorConfig
from microbleeds.networks.detector import Detector, Proposals
from microbleeds.prepare import Prepared
from microbleeds.tiles import largest_tiles
from microbleeds.weights import Calibration, OperatingPoints, Scoring

CONFIG = DetectorConfig(widths=(4, 4, 4), pools=((2, 2, 1), (2, 2, 2)), fusion_channels=4, head_channels=4)
CPU = Compute(torch.device("cpu"), torch.float32)


class Planted(Detector):
    """Says what it is told, wherever the image is what it is told."""

    def __init__(self) -> None:
        super().__init__(CONFIG)

    def forward(self, image: torch.Tensor) -> Proposals:
        # The first channel holds the logit and the second the offset along i, in every voxel of a cell.
        logit = image[:, 0, ::4, ::4, :].float()
        offset = torch.zeros(len(image), 3, *logit.shape[1:])
        offset[:, 0] = image[:, 1, ::4, ::4, :].float()
        return Proposals(logit, offset, offset)


def planted(cells: dict[tuple[int, int, int], tuple[float, float]]) -> Prepared:
    """A scan in which a :class:`Planted` network says ``cell -> (logit, offset)`` and -9 elsewhere."""
    affine = np.diag([0.5, 0.5, 2.0, 1.0])
    affine[:3, 3] = (10, -20, 5)
    image = np.zeros((2, 46, 40, 10), dtype=np.float32)
    image[0] = -9
    for (i, j, k), (logit, offset) in cells.items():
        where = (slice(4 * i, 4 * i + 4), slice(4 * j, 4 * j + 4), k)
        image[0][where], image[1][where] = logit, offset
    return Prepared(image, np.ones(image.shape[1:], dtype=bool), Grid((46, 40, 10), affine), True)


class TestPeaks:
    def test_centre_follows_the_offset_in_mm(self) -> None:
        (found,) = detect(planted({(3, 4, 5): (2.0, 0.25)}), Planted(), DetectSettings(), CPU)
        # Middle of cell 3 is voxel 13.5, a quarter of 4 voxels further 14.5; cell 4: voxel 17.5.
        assert found.position_ras_mm == pytest.approx((10 + 7.25, -20 + 8.75, 5 + 10))
        assert found.score == pytest.approx(1 / (1 + np.exp(-2)))

    def test_neighbours_give_one_candidate_and_distant_ones_two(self) -> None:
        scan = planted({(3, 4, 5): (2.0, 0), (4, 4, 5): (1.0, 0), (8, 4, 5): (3.0, 0)})
        found = detect(scan, Planted(), DetectSettings(), CPU)
        assert [round(c.position_ras_mm[0], 2) for c in found] == [10 + 16.75, 10 + 6.75]

    def test_separation_in_mm_not_in_cells(self) -> None:
        scan = planted({(3, 4, 5): (2.0, 0), (5, 4, 5): (1.0, -0.3)})  # 3.4 mm apart, each a peak
        assert len(detect(scan, Planted(), DetectSettings(separation_mm=3.0), CPU)) == 2
        assert len(detect(scan, Planted(), DetectSettings(separation_mm=4.0), CPU)) == 1

    def test_floor_and_calibration(self) -> None:
        scan = planted({(3, 4, 5): (2.0, 0), (8, 4, 5): (-4.0, 0)})
        assert len(detect(scan, Planted(), DetectSettings(floor=0.05), CPU)) == 1
        calibrated = DetectSettings(calibration=Calibration(intercept=1.0, slope=0.5))
        scores = [c.score for c in detect(scan, Planted(), calibrated, CPU)]
        assert scores == pytest.approx([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(1))])

    def test_outside_the_brain_nothing_is_found(self) -> None:
        scan = planted({(3, 4, 5): (2.0, 0), (8, 4, 5): (3.0, 0)})
        brain = scan.brain.copy()
        brain[30:] = False
        image = scan.image.copy()
        image[0][~brain] = 3.0
        (found,) = detect(replace(scan, image=image, brain=brain), Planted(), DetectSettings(), CPU)
        assert found.score < 0.9

    def test_there_are_no_settings_without_being_given(self) -> None:
        """The calibration stands in the card of the weights: defaults would be those of no weights."""
        with pytest.raises(TypeError, match="settings"):
            detect(planted({}), Planted(), compute=CPU)  # type: ignore[call-arg]

    def test_nothing_there(self) -> None:
        assert detect(planted({}), Planted(), DetectSettings(), CPU) == []

    def test_last_incomplete_cell_is_searched(self) -> None:
        (found,) = detect(planted({(11, 9, 9): (2.0, -0.25)}), Planted(), DetectSettings(), CPU)
        assert found.position_ras_mm[0] == pytest.approx(10 + 0.5 * (45.5 - 1))


class TestTiles:
    def test_tiles_say_what_the_whole_says(self) -> None:
        torch.manual_seed(0)
        model = Detector(CONFIG).eval()
        image = np.random.default_rng(0).normal(size=(2, 318, 24, 4)).astype(np.float32)
        whole = score_map(image, model, DetectSettings(), CPU)
        tiled = score_map(image, model, DetectSettings(whole_voxels=40_000), CPU)
        assert whole[0].shape == (80, 6, 4)
        # half as many voxels are allowed in float32
        assert len(list(largest_tiles((80, 6, 4), CONFIG, 20_000, DetectSettings.halo_cells))) == 4
        assert np.allclose(whole[0], tiled[0], atol=1e-4)
        assert np.allclose(whole[1], tiled[1], atol=1e-4)

    def test_any_shape(self) -> None:
        model = Detector(CONFIG).eval()
        logit, offset = score_map(np.zeros((2, 9, 5, 3), dtype=np.float32), model, DetectSettings(), CPU)
        assert logit.shape == (3, 2, 3)
        assert offset.shape == (3, 3, 2, 3)


def test_suppress_keeps_the_surest_of_each_group() -> None:
    positions = np.array([[0, 0, 0], [3, 0, 0], [6, 0, 0], [20, 0, 0]], dtype=float)
    assert suppress(positions, np.array([0.5, 0.9, 0.7, 0.1]), 4.0) == [1, 3]
    assert suppress(np.zeros((0, 3)), np.zeros(0), 4.0) == []


def test_floor_lies_below_the_operating_points() -> None:
    card = little_card(
        CONFIG,
        operating_points=OperatingPoints(balanced=0.3, screening=0.04),
        calibration=Calibration(intercept=1.0, slope=2.0),
        search_window=(64, 64, 16),
    )
    settings = settings_for(card, with_phase=True)
    assert settings.window == (64, 64, 16)
    assert settings.floor == pytest.approx(0.02)
    assert settings.calibration == card.calibration
    assert settings_for(card, with_phase=False) == settings, "the card says nothing else of scans without"


def test_scans_without_phase_have_a_calibration_and_points_of_their_own() -> None:
    without = Scoring(
        calibration=Calibration(intercept=-2.0, slope=0.5),
        operating_points=OperatingPoints(balanced=0.2, screening=0.01),
    )
    card = little_card(
        CONFIG, operating_points=OperatingPoints(balanced=0.3, screening=0.04), without_phase=without
    )
    settings = settings_for(card, with_phase=False)
    assert settings.floor == pytest.approx(0.005)
    assert settings.calibration == without.calibration
    assert settings_for(card, with_phase=True).calibration == Calibration()
    assert card.scoring(with_phase=True).operating_points == card.operating_points


class TestDiameter:
    SPACING = (0.5, 0.5, 2.0)

    def image(self, width_mm: float) -> np.ndarray:
        i, j, _ = np.indices((80, 80, 3))
        squared = ((i - 40.3) * 0.5) ** 2 + ((j - 38.8) * 0.5) ** 2
        return (1 - 0.6 * np.exp(-squared / (2 * width_mm**2))).astype(np.float32)

    @pytest.mark.parametrize("width_mm", [0.7, 1.2, 2.0])
    def test_full_width_at_half_depth_of_a_gaussian(self, width_mm: float) -> None:
        found = apparent_diameter_mm(self.image(width_mm), (41.5, 38.0, 1.2), self.SPACING)
        assert found == pytest.approx(2.355 * width_mm, rel=0.12)

    def test_no_spot(self) -> None:
        flat = np.ones((80, 80, 3), dtype=np.float32)
        assert apparent_diameter_mm(flat, (40, 40, 1), self.SPACING) is None

    def test_a_vessel_that_runs_through_has_no_diameter(self) -> None:
        image = np.ones((80, 80, 3), dtype=np.float32)
        image[:, 39:42] = 0.4
        assert apparent_diameter_mm(image, (40, 40, 1), self.SPACING) is None

    def test_at_the_border_of_the_image(self) -> None:
        assert apparent_diameter_mm(self.image(1.0), (0, 0, 0), self.SPACING) is None


class TestCompute:
    def test_precision_by_name(self) -> None:
        assert choose("cpu", "float32").dtype == torch.float32
        assert choose("cpu", "bfloat16").dtype == torch.bfloat16
        assert choose("cpu").dtype in (torch.float32, torch.bfloat16)

    @pytest.mark.parametrize(
        ("small", "large", "faster", "timed"), [(6.0, 100.0, False, 2), (1.5, 0.5, True, 4), (1.0, 1.0, False, 4)]
    )
    def test_what_is_emulated_is_not_timed_at_length(
        self, monkeypatch: pytest.MonkeyPatch, small: float, large: float, faster: bool, timed: int
    ) -> None:
        """Seconds of bfloat16 on a small and a large image; float32 takes one second on either."""
        asked: list[torch.dtype] = []

        def seconds(device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int], repeats: int) -> float:
            asked.append(dtype)
            return 1.0 if dtype == torch.float32 else small if shape[0] < 48 else large

        monkeypatch.setattr(compute, "_seconds", seconds)
        assert compute._bfloat16_is_faster.__wrapped__("cpu") is faster
        assert len(asked) == timed

    def test_describes_itself(self) -> None:
        assert choose("cpu", "float32").describe().startswith("cpu, float32, ")

    def test_unknown_names_are_refused(self) -> None:
        with pytest.raises(InputError, match="not available"):
            choose("abacus")
        with pytest.raises(InputError, match="precision"):
            choose("cpu", "float12")  # type: ignore[arg-type]
        for name in ("cpu:x", "cpu:9", "meta"):
            with pytest.raises(InputError, match=f"device '{name}' is not available"):
                choose(name)

    @pytest.mark.parametrize("threads", [-1, 0, 1.5])
    def test_threads_are_one_or_more(self, threads: int) -> None:
        with pytest.raises(InputError, match="number of threads must be a whole number of at least 1"):
            choose("cpu", "float32", threads)

    def test_autocast_only_in_half_precision(self) -> None:
        weight = torch.ones(2, 2)
        with choose("cpu", "bfloat16").autocast():
            assert (weight @ weight).dtype == torch.bfloat16
        with choose("cpu", "float32").autocast():
            assert (weight @ weight).dtype == torch.float32
