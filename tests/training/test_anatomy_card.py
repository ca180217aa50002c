"""The anatomy network's weights on disk: what is written is read back, and nothing else is accepted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from microbleeds.errors import InputError
from microbleeds.networks.anatomy import AnatomyNetwork
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_card import AnatomyCard
from microbleeds.weights.anatomy_store import SHIPPED, load_anatomy, save_anatomy

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    card = AnatomyCard(
        name="toy",
        created="2026-01-01T00:00:00",
        channels=(4, 4, 8, 8, 8),
        last_channels=4,
        training_data="none",
        steps=0,
        minutes=0,
        seed=1,
    )
    save_anatomy(AnatomyNetwork((4, 4, 8, 8, 8), 4), card, tmp_path / "anatomy.safetensors")
    return tmp_path / "anatomy.safetensors"


def test_round_trip_in_half_precision(saved: Path) -> None:
    torch.manual_seed(1)
    original = AnatomyNetwork((4, 4, 8, 8, 8), 4)
    network, card = load_anatomy(saved)
    assert card.parameters == sum(p.numel() for p in original.parameters())
    for one, two in zip(network.parameters(), original.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)


def test_a_text_serves_as_path(saved: Path) -> None:
    assert load_anatomy(str(saved))[1].name == "toy"
    with pytest.raises(InputError, match=r"x\.safetensors can't be read"):
        load_anatomy("x.safetensors")


def test_altered_weights_are_refused(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(bytes(content))
    with pytest.raises(InputError, match="sha256 differs"):
        load_anatomy(saved)


def test_another_preparation_is_refused(saved: Path) -> None:
    card = saved.with_suffix(".json")
    card.write_text(card.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(InputError, match="not one of this program's version"):
        load_anatomy(saved)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.safetensors can't be read"):
        load_anatomy(tmp_path / "nothing.safetensors")


def test_the_shipped_weights_are_whole_and_small() -> None:
    network, card = load_anatomy()
    assert SHIPPED.stat().st_size < 16e6
    assert all(torch.isfinite(p).all() for p in network.parameters())
    assert not network.coordinates
    assert card.scores["painted_dice_brain"] > 0.8
    assert 0.5 < card.scores["validation_right_group_all"] <= 1, "else no reader hears how often groups are wrong"
    with_detector = RESULTS / f"detection-full-{load_detector().card.name}-swi+phase-balanced.json"
    tested = json.loads(with_detector.read_text(encoding="utf-8"))
    assert tested["anatomy_sha256"] == card.sha256, "score the cohort full again"
    places = tested["scores"]["placement"]
    deep = places["confusion"][places["true_groups"].index("deep")]
    assert card.scores["test_full_right_group_all"] == round(places["right_group"]["value"], 4)
    assert card.scores["test_full_right_group_deep"] == round(deep[1] / sum(deep), 4)
    assert card.scores["test_full_deep_called_lobar"] == round(deep[0] / sum(deep), 4)
    assert {"left thalamus", "right cerebellum"} <= set(card.volume_ranges_ml)
