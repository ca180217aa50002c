"""Training examples of the anatomy network: image and answer belong together, and draws can be repeated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator
from toy_anatomy import toy_anatomy

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import IGNORED
from microbleeds.regions import CSF, OUTSIDE, REGIONS, VENTRICLE, code_of
from microbleeds.simulate.dataset import write_nifti
from microbleeds.tissues import Tissue
from microbleeds.training.anatomy import contrast
from microbleeds.training.anatomy.examples import Sources, example, stream
from microbleeds.training.anatomy.sample import Head, Sample, draw_painted, prepare_head, with_coordinates
from microbleeds.training.anatomy.scans import ScanView, draw_scan, load_scan_views, middle_of, most_of
from microbleeds.training.anatomy.view import is_brain, limit_view, strip_skull

SHAPE = (96, 112, 48)


@pytest.fixture(scope="module")
def head() -> Head:
    return prepare_head(toy_anatomy())


@pytest.fixture(scope="module")
def view() -> ScanView:
    """A scan whose SWI is 0.1 for each unit of the region code, and whose magnitude is twice that."""
    regions = torch.zeros(80, 96, 40, dtype=torch.uint8)
    regions[10:70, 10:86, 5:35] = code_of("frontal_cortex", "left")
    regions[40:70, 10:86, 5:35] = code_of("frontal_cortex", "right")
    image = regions.half() / 10
    return ScanView(torch.stack([image, 2 * image]), regions, middle_of(regions))


@pytest.fixture(scope="module")
def samples(head: Head, view: ScanView) -> list[Sample]:
    painted = [draw_painted(head, SHAPE, Generator().manual_seed(seed)) for seed in range(8)]
    return painted + [draw_scan(view, SHAPE, Generator().manual_seed(seed)) for seed in range(8)]


class TestSample:
    def test_shapes_and_ranges(self, samples: list[Sample]) -> None:
        for sample in samples:
            assert sample.image.shape == (1, *SHAPE)
            assert sample.regions.shape == SHAPE
            assert torch.isfinite(sample.image).all()
            assert sample.image.min() >= 0
            assert sample.image.max() <= 1.5
            assert set(sample.regions.unique().tolist()) <= {*REGIONS, IGNORED}

    def test_same_seed_same_example(self, head: Head, view: ScanView) -> None:
        for draw, source in ((draw_painted, head), (draw_scan, view)):
            one, two, other = (draw(source, SHAPE, Generator().manual_seed(seed)) for seed in (5, 5, 6))
            assert torch.equal(one.image, two.image)
            assert torch.equal(one.regions, two.regions)
            assert not torch.equal(one.image, other.image)

    def test_most_examples_show_the_brain(self, samples: list[Sample]) -> None:
        shares = [is_brain(sample.regions).float().mean() for sample in samples]
        assert sum(share > 0.05 for share in shares) >= 12

    def test_the_right_half_is_at_high_x_mirrored_or_not(self, samples: list[Sample]) -> None:
        for sample in samples:
            x = torch.arange(SHAPE[0])[:, None, None].expand(SHAPE).float()
            left, right = (sample.regions == code_of("frontal_cortex", side) for side in ("left", "right"))
            if left.sum() > 500 and right.sum() > 500:
                assert x[right].mean() > x[left].mean()

    def test_coordinate_maps_are_added_on_request(self, head: Head, view: ScanView) -> None:
        sample = with_coordinates(draw_scan(view, SHAPE, Generator().manual_seed(1)), Generator().manual_seed(2))
        assert sample.image.shape == (4, *SHAPE)
        assert 0 <= sample.image[1:].min() < sample.image[1:].max() <= 1
        assert example(Sources([head]), 3, 10, seed=1, coordinates=True).image.shape[0] == 4


class TestScans:
    def test_image_and_regions_stay_together(self, view: ScanView) -> None:
        for seed in range(12):
            sample = draw_scan(view, SHAPE, Generator().manual_seed(seed))
            inside = is_brain(sample.regions)
            dark = (sample.regions == OUTSIDE) | (sample.regions == IGNORED)
            if inside.sum() > 500 and dark.sum() > 500:
                assert sample.image[0][inside].median() > 4 * sample.image[0][dark].median()

    def test_outside_of_the_scan_nothing_is_asked(self, view: ScanView) -> None:
        wide = (160, 192, 96)
        for seed in range(6):
            sample = draw_scan(view, wide, Generator().manual_seed(seed))
            assert (sample.regions == IGNORED).float().mean() > 0.3

    def test_codes_of_a_finer_grid(self) -> None:
        codes = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
        fine = Grid((4, 4, 4), np.diag([0.5, 0.5, 0.5, 1.0]))
        found = most_of(codes, Grid((2, 2, 2), np.eye(4)), fine)
        assert np.array_equal(found, codes.repeat(2, 0).repeat(2, 1).repeat(2, 2))

    def test_a_voxel_has_the_code_that_fills_most_of_it(self) -> None:
        codes = np.array([3, 3, 7, 3, 7, 7, 7, 7, 3], dtype=np.uint8).reshape(9, 1, 1)
        coarse = Grid((3, 1, 1), np.diag([3.0, 1.0, 1.0, 1.0]))
        assert most_of(codes, Grid((9, 1, 1), np.eye(4)), coarse).ravel().tolist() == [3, 7, 7]

    def test_a_data_set_is_read_on_the_networks_grid(self, tmp_path: Path) -> None:
        grid = Grid((40, 48, 20), np.diag([0.5, 0.5, 4.0, 1.0]))
        truth = np.full(grid.shape, CSF, dtype=np.uint8)
        truth[:, :24] = VENTRICLE
        for path, array in (
            (tmp_path / "sub-001" / "anat" / "sub-001_swi", truth.astype(np.float32)),
            (tmp_path / "sub-001" / "anat" / "sub-001_part-mag_GRE", 100 * truth.astype(np.float32)),
            (tmp_path / "derivatives" / "truth" / "sub-001" / "anat" / "sub-001_dseg", truth),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_nifti(path.with_name(path.name + ".nii.gz"), array, grid)
        (view,) = load_scan_views(tmp_path)
        assert view.images.shape == (2, 20, 24, 40)
        assert view.regions.shape == (20, 24, 40)
        assert (view.regions[:, :12] == VENTRICLE).all()
        assert (view.regions[:, 12:] == CSF).all()
        torch.testing.assert_close(view.images[0], view.images[1], rtol=2e-3, atol=2e-3)

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no sub-"):
            load_scan_views(tmp_path)
        (tmp_path / "sub-001" / "anat").mkdir(parents=True)
        with pytest.raises(InputError, match=r"sub-001_swi\.nii\.gz"):
            load_scan_views(tmp_path)


class TestStream:
    def test_a_process_draws_the_same_and_a_later_start_goes_on(self, head: Head) -> None:
        sources = Sources([head])
        here = list(stream(sources, 0, 3, seed=4, workers=0))
        there = list(stream(sources, 1, 3, seed=4, workers=1))
        for one, two in zip(here[1:], there, strict=True):
            assert torch.equal(one.image, two.image)


class TestView:
    @pytest.fixture
    def regions(self) -> torch.Tensor:
        regions = torch.zeros(48, 48, 24, dtype=torch.uint8)
        regions[6:42, 6:42, 3:21] = CSF
        regions[12:36, 12:36, 6:18] = code_of("frontal_white", "left")
        return regions

    def test_stripping_blanks_what_is_outside(self, regions: torch.Tensor) -> None:
        for seed in range(6):
            image, answer = strip_skull(torch.ones(48, 48, 24), regions, Generator().manual_seed(seed))
            assert image[0].sum() == 0
            assert image[24, 24, 12] == 1
            assert not ((image == 0) & (answer > 0)).any(), "what was cut must not be asked for"

    def test_fluid_inside_of_the_brain_stays(self, regions: torch.Tensor) -> None:
        regions[22:26, 22:26, 11:13] = CSF
        for seed in range(6):
            image, _ = strip_skull(torch.ones(48, 48, 24), regions, Generator().manual_seed(seed))
            assert image[24, 24, 12] == 1

    def test_outside_of_the_view_is_blank_and_ignored(self, regions: torch.Tensor) -> None:
        limited = 0
        for seed in range(40):
            image, answer = limit_view(torch.ones(48, 48, 24), regions, Generator().manual_seed(seed))
            assert torch.equal(image == 0, answer == IGNORED)
            limited += bool((answer == IGNORED).any())
        assert 2 <= limited <= 20


class TestHead:
    def test_tissues_and_regions_are_of_the_same_voxels(self, head: Head) -> None:
        lentiform = (head.regions == code_of("lentiform", "left")) | (
            head.regions == code_of("lentiform", "right")
        )
        putamen = (head.codes == Tissue.PUTAMEN_LEFT) | (head.codes == Tissue.PUTAMEN_RIGHT)
        assert torch.equal(lentiform, putamen)

    def test_faces_are_air(self, head: Head) -> None:
        full = toy_anatomy()
        full = replace(full, labels=np.where(full.labels == 0, np.uint8(Tissue.SCALP), full.labels))
        codes = prepare_head(full).codes
        assert codes[0].sum() == codes[:, -1].sum() == codes[..., 0].sum() == 0


class TestContrast:
    def test_left_and_right_are_equally_bright(self) -> None:
        for seed in range(10):
            table = contrast.draw_brightness(Generator().manual_seed(seed))
            assert table[Tissue.CAUDATE_LEFT] == table[Tissue.CAUDATE_RIGHT]
            assert table[Tissue.AIR] < 0.05

    def test_partial_volume_at_borders(self) -> None:
        codes = torch.zeros(4, 8, 8, 8, dtype=torch.uint8)
        codes[:2, 4] = codes[:, 5:] = int(Tissue.WHITE_LEFT)
        image = contrast.paint(codes, Generator().manual_seed(1))
        white, mixed = image[6].mean(), image[4].mean()
        assert 0.25 * white < mixed < 0.75 * white

    def test_veins_darken_only_inside_the_skull(self) -> None:
        codes = torch.full((4, 32, 32, 32), int(Tissue.SCALP), dtype=torch.uint8)
        codes[:, 16:] = int(Tissue.WHITE_LEFT)
        dark = torch.stack(
            [contrast.darken_veins(torch.ones(32, 32, 32), codes, Generator().manual_seed(n)) for n in range(8)]
        )
        assert (dark[:, 16:] < 0.9).any()
        spots = (dark[:, :16] < 0.99).float().mean()  # small dark spots are allowed everywhere
        assert spots < 2e-3

    def test_signal_falls_near_air(self) -> None:
        nearness = torch.zeros(16, 16, 16)
        nearness[8:] = 0.5
        darker = [
            contrast.darken_near_air(torch.ones(16, 16, 16), nearness, Generator().manual_seed(n))
            for n in range(12)
        ]
        assert min(float(d[8:].mean()) for d in darker) < 0.6

    def test_thick_slices_keep_the_mean(self) -> None:
        image = torch.rand(24, 24, 24, generator=Generator().manual_seed(0))
        for seed in range(6):
            thick = contrast.thicken(image, Generator().manual_seed(seed))
            assert thick.shape == image.shape
            assert thick.mean().item() == pytest.approx(image.mean().item(), rel=0.03)

    def test_noise_never_turns_negative(self) -> None:
        noisy = contrast.add_noise(torch.zeros(16, 16, 16), Generator().manual_seed(3))
        assert (noisy >= 0).all()
        assert noisy.std() > 0
