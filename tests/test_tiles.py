from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, score_map
from microbleeds.networks.config import KIM_2023, DetectorConfig
from microbleeds.networks.detector import Detector
from microbleeds.tiles import Tile, largest_tiles, window_tiles

CONFIG = DetectorConfig(widths=(4, 4, 4), pools=((2, 2, 1), (2, 2, 2)), fusion_channels=4, head_channels=4)
COARSE = (2, 2, 2)  # cells per voxel of its coarsest level
WINDOW = (64, 64, 16)  # 16 x 16 x 16 cells, of which the middle 12 are decided
OVERLAP = DetectSettings.window_overlap
SHAPES = st.tuples(*[st.integers(1, 40)] * 3)
CPU = Compute(torch.device("cpu"), torch.float32)


class TestCores:
    @settings(max_examples=60, deadline=None)
    @given(SHAPES, st.sampled_from([2_000, 60_000, 10_000_000]))
    def test_each_cell_is_decided_once(self, shape: tuple[int, int, int], most: int) -> None:
        for tiles in (
            largest_tiles(shape, CONFIG, most, halo_cells=4),
            window_tiles(shape, CONFIG, WINDOW, OVERLAP),
        ):
            times = np.zeros(shape, dtype=int)
            for tile in tiles:
                times[tile.core] += 1
                seen = np.zeros(tile.size)[tile.inner]
                assert seen.shape == times[tile.core].shape, "a tile sees all that it decides"
                assert all(start % coarse == 0 for start, coarse in zip(tile.start, COARSE, strict=True))
            assert (times == 1).all()

    def test_one_tile_where_the_whole_fits(self) -> None:
        (tile,) = largest_tiles((20, 20, 10), CONFIG, 64_000, halo_cells=4)
        assert tile.size == (20, 20, 10)
        assert len(list(largest_tiles((20, 20, 10), CONFIG, 63_999, halo_cells=4))) > 1

    @pytest.mark.parametrize(
        ("shape", "most", "tiles", "voxels"), [((73, 90, 78), 6e6, 2, 11.2e6), ((85, 105, 160), 12e6, 4, 36e6)]
    )
    def test_as_little_halo_as_can_be(
        self, shape: tuple[int, int, int], most: float, tiles: int, voxels: float
    ) -> None:
        """A cut across the longest axis may save nothing, where its halo is as wide as what is cut off."""
        found = list(largest_tiles(shape, DetectorConfig(), int(most), halo_cells=16))
        sizes = [float(np.prod(np.multiply(tile.size, DetectorConfig().cell))) for tile in found]
        assert len(found) == tiles
        assert max(sizes) <= most
        assert sum(sizes) < voxels

    def test_a_limit_that_nothing_keeps(self) -> None:
        found = list(largest_tiles((40, 40, 40), CONFIG, 10, halo_cells=4))
        assert {tile.core[0].stop - tile.core[0].start for tile in found} == {4}


class TestWindow:
    def test_every_window_is_whole(self) -> None:
        assert {tile.size for tile in window_tiles((30, 9, 5), CONFIG, WINDOW, OVERLAP)} == {(16, 16, 16)}

    def test_it_decides_about_its_middle(self) -> None:
        first, second, *_ = window_tiles((30, 9, 5), CONFIG, WINDOW, OVERLAP)
        assert (first.start, second.start) == ((-2, -2, -2), (10, -2, -2))
        assert (first.inner[0], second.inner[0]) == (slice(2, 14), slice(2, 14))

    @pytest.mark.parametrize(("overlap", "middle"), [(0.0, 16), (0.25, 12), (0.5, 8), (0.9, 2), (1.0, 2)])
    def test_an_overlap_of_ones_own(self, overlap: float, middle: int) -> None:
        """What overlaps is not decided; the cores fill the map all the same."""
        times = np.zeros((40, 9, 5), dtype=int)
        for tile in window_tiles(times.shape, CONFIG, WINDOW, overlap):
            assert tile.size == (16, 16, 16)
            assert tile.core[0].stop - tile.core[0].start <= middle
            times[tile.core] += 1
        assert (times == 1).all()

    def test_that_of_the_paper(self) -> None:
        """Of 128 voxels (32 cells) the middle 96 count."""
        tiles = list(window_tiles((60, 40, 24), KIM_2023, (128, 128, 128), OVERLAP))
        assert len(tiles) == 3 * 2 * 1
        assert tiles[0].core == (slice(0, 24), slice(0, 24), slice(0, 24))
        assert tiles[0].start == (-4, -4, -4)


class TestCut:
    IMAGE = np.random.default_rng(0).normal(size=(2, 30, 20, 7)).astype(np.float32)

    @pytest.mark.parametrize(
        ("start", "size"), [((0, 0, 0), (8, 5, 7)), ((-2, 1, -3), (4, 3, 5)), ((6, 3, 5), (4, 6, 4))]
    )
    def test_zero_outside_of_the_image(self, start: tuple[int, int, int], size: tuple[int, int, int]) -> None:
        cut = Tile((slice(0, 1),) * 3, start, size).cut(self.IMAGE, (4, 4, 1))
        assert cut.shape == (2, 4 * size[0], 4 * size[1], size[2])
        for voxel in np.ndindex(cut.shape[1:]):
            source = np.add(np.multiply(start, (4, 4, 1)), voxel)
            inside = (source >= 0).all() and (source < self.IMAGE.shape[1:]).all()
            expected = self.IMAGE[:, source[0], source[1], source[2]] if inside else 0
            assert (cut[:, voxel[0], voxel[1], voxel[2]] == expected).all()


def test_a_search_in_windows_says_what_the_network_says_of_each_crop() -> None:
    torch.manual_seed(0)
    model = Detector(CONFIG).eval()
    image = np.random.default_rng(0).normal(size=(2, 130, 40, 9)).astype(np.float32)
    logit, offset = score_map(image, model, DetectSettings(window=WINDOW), CPU)
    crop = np.zeros((2, *WINDOW), dtype=np.float32)
    crop[:, :, 8:48, 2:11] = image[:, 40:104]  # the second window along i, from cell 10, and -2 along j and k
    with torch.inference_mode():
        alone = model(torch.from_numpy(crop)[None])
    assert np.allclose(logit[12:24, :10, :9], alone.logit[0, 2:14, 2:12, 2:11], atol=1e-4)
    assert np.allclose(offset[:, 12:24, :10, :9], alone.offset[0, :, 2:14, 2:12, 2:11], atol=1e-4)
    whole, _ = score_map(image, model, DetectSettings(), CPU)
    assert not np.allclose(logit, whole, atol=1e-4), "this network looks farther than its window"
