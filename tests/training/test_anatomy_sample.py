"""Training examples of the anatomy network: image and answer belong together, and draws can be repeated."""

from __future__ import annotations

import pytest
import torch
from torch import Generator
from toy_anatomy import toy_anatomy

from microbleeds.networks.anatomy import POSITION_STRIDE, POSITION_UNIT_MM, AnatomyClass
from microbleeds.tissues import Tissue
from microbleeds.training.anatomy import contrast
from microbleeds.training.anatomy.sample import Head, Sample, draw_sample, prepare_head
from microbleeds.training.anatomy.view import IGNORED, limit_view, strip_skull

SHAPE = (48, 64, 48)


@pytest.fixture(scope="module")
def head() -> Head:
    return prepare_head(toy_anatomy())


@pytest.fixture(scope="module")
def samples(head: Head) -> list[Sample]:
    return [draw_sample(head, SHAPE, Generator().manual_seed(seed)) for seed in range(12)]


class TestSample:
    def test_shapes_and_ranges(self, samples: list[Sample]) -> None:
        for sample in samples:
            assert sample.image.shape == (1, *SHAPE)
            assert sample.target.shape == sample.right.shape == SHAPE
            assert sample.position.shape == (3, *(n // POSITION_STRIDE for n in SHAPE))
            assert torch.isfinite(sample.image).all()
            assert sample.image.min() >= 0
            assert sample.image.max() <= 1.5
            assert set(sample.target.unique().tolist()) <= {*range(len(AnatomyClass)), IGNORED}

    def test_same_seed_same_example(self, head: Head) -> None:
        one, two = (draw_sample(head, SHAPE, Generator().manual_seed(5)) for _ in range(2))
        assert torch.equal(one.image, two.image)
        assert torch.equal(one.target, two.target)
        other = draw_sample(head, SHAPE, Generator().manual_seed(6))
        assert not torch.equal(one.image, other.image)

    def test_most_examples_show_the_brain(self, samples: list[Sample]) -> None:
        shares = [(s.target.ge(AnatomyClass.VENTRICLE) & s.target.ne(IGNORED)).float().mean() for s in samples]
        assert sum(share > 0.05 for share in shares) >= 9

    def test_side_and_position_agree_and_right_is_at_high_x(self, samples: list[Sample]) -> None:
        for sample in samples:
            middle = sample.position[0, :, SHAPE[1] // 8, SHAPE[2] // 8]
            assert middle[-1] > middle[0], "x must grow to the right, mirrored or not"
            centre = POSITION_STRIDE * torch.arange(len(middle)) + POSITION_STRIDE // 2
            side = sample.right[centre, SHAPE[1] // 2, SHAPE[2] // 2]
            sure = (middle * POSITION_UNIT_MM).abs() > 15
            assert torch.equal(side[sure] > 0, middle[sure] > 0)


class TestView:
    @pytest.fixture
    def target(self) -> torch.Tensor:
        target = torch.zeros(32, 32, 32, dtype=torch.uint8)
        target[6:26, 6:26, 6:26] = AnatomyClass.CSF
        target[10:22, 10:22, 10:22] = AnatomyClass.WHITE
        return target

    def test_stripping_blanks_what_is_outside(self, target: torch.Tensor) -> None:
        image, answer = strip_skull(torch.ones(32, 32, 32), target, Generator().manual_seed(0))
        assert image[0].sum() == 0
        assert image[16, 16, 16] == 1
        assert not ((image == 0) & (answer > 0)).any(), "what was cut must not be asked for"

    def test_outside_of_the_view_is_blank_and_ignored(self, target: torch.Tensor) -> None:
        limited = 0
        for seed in range(30):
            image, answer = limit_view(torch.ones(32, 32, 32), target, Generator().manual_seed(seed))
            assert torch.equal(image == 0, answer == IGNORED)
            limited += bool((answer == IGNORED).any())
        assert 2 <= limited <= 20


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
        spots = (dark[:, :16] < 0.99).float().mean()  # single dark voxels are allowed everywhere
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
