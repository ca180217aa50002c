"""The second stage's network, and detectors that have one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from little_card import little_card
from microbleeds.networks.config import DetectorConfig, RefinementConfig
from microbleeds.networks.detector import Detector, for_inference, with_refinement
from microbleeds.networks.refinement import Refinement
from microbleeds.training.presets import find_preset
from microbleeds.weights import load_detector, save_weights

SMALL = RefinementConfig(patch=(8, 8, 3), widths=(4, 6), pools=((2, 2, 1), (2, 2, 2)), hidden=5)
TINY = DetectorConfig(widths=(4, 6, 8), pools=((2, 2, 1), (2, 2, 2)), fusion_channels=5, head_channels=7)


def used(network: Refinement, times: int = 3) -> Refinement:
    """A network whose norms have seen patches."""
    for _ in range(times):
        network(torch.randn(6, 2, *network.config.patch))
    return network.eval()


def test_of_the_default_preset_has_0_6_million_parameters_and_one_logit_for_a_patch() -> None:
    config = find_preset("default").architecture.refinement
    assert config is not None
    network = Refinement(2, config)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(0.588e6, rel=0.01)
    assert network.eval()(torch.zeros(3, 2, 32, 32, 9)).shape == (3,)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    network = Refinement(2, SMALL)
    network(torch.randn(8, 2, *SMALL.patch)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("change", [{"pools": ((2, 2, 1),)}, {"patch": (8, 2, 3)}, {"patch": (8, 8, 1)}])
def test_levels_must_fit_the_patch(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="pools"):
        RefinementConfig(**(SMALL.model_dump() | change))


def test_only_the_last_variant_has_one() -> None:
    for name in ("proposal", "+fusion", "+prototypes"):
        assert TINY.model_copy(update={"refinement": SMALL}).variant(name).refinement is None
    assert TINY.model_copy(update={"refinement": SMALL}).variant("+refinement").refinement == SMALL
    assert TINY.variant("+refinement").refinement == RefinementConfig()
    assert TINY.variant("+refinement").first_stage == TINY.variant("+prototypes")


def test_takes_the_place_of_another_and_leaves_the_first_stage() -> None:
    torch.manual_seed(0)
    first = Detector(TINY).eval()
    once, again = (used(Refinement(2, SMALL)) for _ in range(2))
    joined = with_refinement(with_refinement(first, once), again)
    assert joined.config == TINY.model_copy(update={"refinement": SMALL})
    assert joined.refinement is not None
    patches, image = torch.randn(4, 2, *SMALL.patch), torch.randn(1, 2, 16, 16, 4)
    assert torch.equal(joined.refinement(patches), again(patches))
    assert not torch.equal(joined.refinement(patches), once(patches))
    assert torch.equal(joined(image).logit, first(image).logit), "the first stage does not ask the second"


def test_inference_copy_says_the_same() -> None:
    torch.manual_seed(0)
    model = with_refinement(Detector(TINY), used(Refinement(2, SMALL)))
    patches = torch.randn(5, 2, *SMALL.patch)
    assert model.refinement is not None
    expected = model.refinement(patches)
    fast = for_inference(model, torch.device("cpu"), torch.float32).refinement
    assert fast is not None
    assert torch.allclose(fast(patches), expected, atol=1e-5)
    half = for_inference(model, torch.device("cpu"), torch.bfloat16).refinement
    assert half is not None
    said = half(patches.bfloat16())
    assert said.dtype == torch.float32
    assert torch.allclose(said, expected, atol=0.05)
    assert len(set(said.tolist())) == 5, "no ties by rounding"


def test_weights_with_one_are_stored_and_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = with_refinement(Detector(TINY), used(Refinement(2, SMALL)))
    card = save_weights(tmp_path / "w.safetensors", model, little_card(TINY), half=False)
    assert card.architecture.refinement == SMALL
    loaded = load_detector(tmp_path / "w.safetensors").model
    patches = torch.randn(5, 2, *SMALL.patch)
    assert loaded.refinement is not None
    assert model.refinement is not None
    assert torch.equal(loaded.refinement(patches), model.refinement(patches))
