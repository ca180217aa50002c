"""The anatomy network: shapes, gradients, and the table from tissues to its classes."""

from __future__ import annotations

import pytest
import torch

from microbleeds.networks.anatomy import (
    MULTIPLE,
    POSITION_STRIDE,
    AnatomyClass,
    AnatomyNetwork,
    class_of_tissue,
)
from microbleeds.tissues import PARENCHYMA, VENTRICLES, Tissue


@pytest.fixture
def network() -> AnatomyNetwork:
    torch.manual_seed(0)
    return AnatomyNetwork((8, 8, 16, 16))


class TestForward:
    @pytest.mark.parametrize("shape", [(32, 32, 32), (48, 32, 64)])
    def test_output_shapes(self, network: AnatomyNetwork, shape: tuple[int, int, int]) -> None:
        with torch.inference_mode():
            output = network(torch.rand(2, 1, *shape))
        assert output.classes.shape == (2, len(AnatomyClass), *shape)
        assert output.right.shape == (2, 1, *shape)
        assert output.position.shape == (2, 3, *(n // POSITION_STRIDE for n in shape))

    def test_every_parameter_gets_a_gradient(self, network: AnatomyNetwork) -> None:
        output = network(torch.rand(1, 1, 2 * MULTIPLE, 2 * MULTIPLE, 2 * MULTIPLE))
        (output.classes.square().sum() + output.right.square().sum() + output.position.square().sum()).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name

    def test_answers_depend_on_far_context(self, network: AnatomyNetwork) -> None:
        image = torch.rand(1, 1, 64, 32, 32)
        changed = image.clone()
        changed[..., :8, :, :] = 0
        with torch.inference_mode():
            difference = (network(image).classes - network(changed).classes)[..., -1, 16, 16]
        assert difference.abs().max() > 1e-4


class TestClassOfTissue:
    def test_sides_share_a_class(self) -> None:
        table = class_of_tissue()
        for tissue in Tissue:
            if tissue.name.endswith("_LEFT"):
                assert table[tissue] == table[tissue + 1], tissue.name

    def test_parenchyma_ventricles_and_the_rest_stay_apart(self) -> None:
        table = class_of_tissue()
        ventricles = {AnatomyClass.VENTRICLE, AnatomyClass.FOURTH_VENTRICLE}
        assert {int(table[t]) for t in VENTRICLES} == {int(v) for v in ventricles}
        assert min(int(table[t]) for t in PARENCHYMA) == AnatomyClass.CORTEX
        assert {int(table[t]) for t in (Tissue.AIR, Tissue.SKULL, Tissue.SCALP, Tissue.EYE)} == {0}
