from __future__ import annotations

import pytest
import torch

from microbleeds.networks.blocks import ResidualBlock, SpaceToDepth, Upsample, fold_norms


def test_space_to_depth_keeps_every_value_where_it_belongs() -> None:
    image = torch.arange(2 * 4 * 6 * 3, dtype=torch.float32).reshape(1, 2, 4, 6, 3)
    folded = SpaceToDepth()(image)
    assert folded.shape == (1, 8, 2, 3, 3)
    # Channel 1 * 4 + 1 * 2 + 0: second channel, odd i, even j.
    assert torch.equal(folded[0, 6], image[0, 1, 1::2, 0::2])


def test_residual_block_is_entry_plus_branch() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(2, 4).eval()
    x = torch.randn(1, 2, 4, 4, 4)
    entry = block.entry(x)
    expected = torch.relu(entry + block.second(torch.relu(block.first(entry))))
    assert torch.allclose(block(x), expected)
    assert block(x).min() >= 0


@pytest.mark.parametrize("stride", [(2, 2, 1), (2, 2, 2), (4, 4, 4)])
def test_upsample_multiplies_the_grid(stride: tuple[int, int, int]) -> None:
    out = Upsample(3, 5, stride)(torch.randn(2, 3, 2, 3, 4))
    assert out.shape == (2, 5, 2 * stride[0], 3 * stride[1], 4 * stride[2])


def test_folded_norms_change_nothing() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(ResidualBlock(2, 4), Upsample(4, 3, (2, 2, 1)))
    x = torch.randn(2, 2, 4, 4, 4)
    for _ in range(3):
        module(x)  # running means and variances move away from 0 and 1
    module.eval()
    before = module(x)
    fold_norms(module)
    assert not any(isinstance(part, torch.nn.BatchNorm3d) for part in module.modules())
    assert torch.allclose(module(x), before, atol=1e-5)
