from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from microbleeds.networks.config import KIM_2023, VARIANTS, DetectorConfig, Variant
from microbleeds.networks.detector import Detector, cell_to_voxel, for_inference, voxel_to_cell

TINY = DetectorConfig(widths=(4, 6, 8), pools=((2, 2, 1), (2, 2, 2)), fusion_channels=5, head_channels=7)


def parameters(config: DetectorConfig) -> int:
    return sum(p.numel() for p in Detector(config).parameters())


class TestPaper:
    def test_has_its_7_4_million_parameters(self) -> None:
        assert parameters(KIM_2023) == pytest.approx(7.4e6, rel=0.01)

    def test_turns_128_into_32_cells_at_stride_4(self) -> None:
        assert KIM_2023.cell == (4, 4, 4)
        assert KIM_2023.total_stride == (16, 16, 16)
        thin = KIM_2023.model_copy(update={"widths": (2, 2, 2, 2, 2)})
        out = Detector(thin).eval()(torch.zeros(1, 2, 128, 128, 128))
        assert out.logit.shape == (1, 32, 32, 32)
        assert out.features.shape == (1, 16, 32, 32, 32)

    def test_offset_stays_inside_the_cell(self) -> None:
        torch.manual_seed(0)
        small = KIM_2023.model_copy(update={"widths": (2, 2, 2, 2, 2)})
        model = Detector(small)
        torch.nn.init.normal_(model.head.offsets.weight, std=10)
        offset = model(torch.randn(1, 2, 32, 32, 32)).offset
        assert offset.abs().max() <= 0.5
        assert offset.abs().max() > 0.1


class TestDefault:
    def test_cells_of_half_by_half_by_two_mm_voxels_are_two_mm_cubes(self) -> None:
        assert np.allclose(np.array(DetectorConfig().cell) * (0.5, 0.5, 2.0), 2.0)

    def test_has_about_two_million_parameters(self) -> None:
        assert 1.5e6 < parameters(DetectorConfig()) < 2.2e6


class TestVariants:
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_shapes(self, variant: Variant) -> None:
        config = TINY.variant(variant)
        out = Detector(config)(torch.randn(2, 2, 16, 24, 4))
        assert out.logit.shape == (2, 4, 6, 4)
        assert out.offset.shape == (2, 3, 4, 6, 4)
        assert out.features.shape == (2, 7, 4, 6, 4)

    def test_switch_the_parts(self) -> None:
        assert Detector(TINY.variant("proposal")).fusion is None
        assert Detector(TINY.variant("+fusion")).fusion is not None
        assert not TINY.variant("+fusion").prototypes
        assert TINY.variant("+prototypes").prototypes

    def test_unknown_name(self) -> None:
        with pytest.raises(ValueError, match="no variant"):
            TINY.variant("fusion")  # type: ignore[arg-type]

    def test_tap_at_the_fused_map(self) -> None:
        model = Detector(TINY.model_copy(update={"prototype_tap": "fusion"}))
        assert model(torch.randn(2, 2, 16, 16, 4)).features.shape[1] == model.tap_channels == 5

    def test_every_parameter_gets_a_gradient(self) -> None:
        torch.manual_seed(0)
        model = Detector(TINY)
        out = model(torch.randn(2, 2, 16, 16, 4))
        (out.logit.square().sum() + out.offset.square().sum()).backward()
        without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert without == []


def test_starts_at_the_prior() -> None:
    torch.manual_seed(0)
    probability = torch.sigmoid(Detector(TINY).eval()(torch.randn(1, 2, 16, 16, 4)).logit)
    assert probability.mean().item() == pytest.approx(0.01, rel=0.3)


def test_inference_copy_says_the_same() -> None:
    torch.manual_seed(0)
    model = Detector(TINY)
    x = torch.randn(2, 2, 16, 16, 4)
    for _ in range(3):
        model(x)
    expected = model.eval()(x)
    fast = for_inference(model, torch.device("cpu"), torch.float32)(x)
    assert torch.allclose(fast.logit, expected.logit, atol=1e-5)
    assert torch.allclose(fast.offset, expected.offset, atol=1e-5)
    half = for_inference(model, torch.device("cpu"), torch.bfloat16)(x.bfloat16())
    assert half.logit.dtype == torch.float32
    assert torch.allclose(half.logit, expected.logit, atol=0.1)


def test_cells_and_voxels_are_inverse_and_centred() -> None:
    config = DetectorConfig()
    # Cell (0, 0, 0) covers voxels 0..3, 0..3, 0: its middle is 1.5, 1.5, 0.
    assert np.allclose(cell_to_voxel([0, 0, 0], config), [1.5, 1.5, 0])
    points = np.random.default_rng(0).uniform(0, 90, (20, 3))
    assert np.allclose(cell_to_voxel(voxel_to_cell(points, config), config), points)


@pytest.mark.parametrize(
    "change",
    [
        {"pools": ((2, 2, 2),)},
        {"output_level": 9},
        {"fusion": False, "prototype_tap": "fusion"},
        {"colour": "red"},
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DetectorConfig(**change)
