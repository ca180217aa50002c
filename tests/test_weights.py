from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from little_card import little_card
from microbleeds.errors import InputError
from microbleeds.networks.config import DetectorConfig
from microbleeds.networks.detector import Detector
from microbleeds.prepare import PreparationSpec
from microbleeds.weights import Card, TrainingDescription, load_detector, read_card, save_weights
from microbleeds.weights.expectation import expectation

CONFIG = DetectorConfig(widths=(4, 4), pools=((2, 2, 1),), fusion_channels=4, head_channels=4)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    card = Card(
        name="toy",
        package_version="0.1.0",
        created="2026-01-01T00:00:00+00:00",
        architecture=DetectorConfig(),
        preparation=PreparationSpec(),
        training=TrainingDescription(data="toy", subjects=3, preset="default", steps=9, seed=0, minutes=1),
        scores={"sensitivity": 0.5},
    )
    path = tmp_path / "toy.safetensors"
    save_weights(path, Detector(CONFIG), card)
    return path


def change_card(path: Path, **changes: object) -> None:
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


def test_without_phase_the_card_says_what_to_expect() -> None:
    card = little_card(DetectorConfig())
    figures = {"swi+phase": (0.97, 0.41), "magnitude": (0.2, 0.9)}
    scores = {
        f"test_paper_{given}_balanced_{name}": value
        for given, values in figures.items()
        for name, value in zip(("sensitivity", "false_positives_per_subject"), values, strict=True)
    }
    known = card.model_copy(update={"scores": scores})
    assert expectation(known, "t2star", with_phase=False) == (
        "On a magnitude alone these weights found 20% of the visible microbleeds of simulated test scans, with "
        "0.9 false ones a scan; on SWI with phase 97%, with 0.4.",
    )
    assert expectation(known, "t2star", with_phase=True) == ()
    assert expectation(known, "swi", with_phase=False) == (), "it wasn't measured"
    assert expectation(card, "t2star", with_phase=False) == ()


def test_round_trip(saved: Path) -> None:
    loaded = load_detector(saved)
    torch.manual_seed(0)
    expected = Detector(CONFIG).eval()
    x = torch.randn(1, 2, 8, 8, 2)
    assert torch.allclose(loaded.model(x).logit, expected(x).logit, atol=1e-3)  # stored in half precision
    assert next(loaded.model.parameters()).dtype == torch.float32
    assert not loaded.model.training
    assert loaded.card.architecture == CONFIG
    assert loaded.card.parameters == sum(p.numel() for p in expected.parameters())
    assert loaded.card.scores == {"sensitivity": 0.5}
    assert read_card(saved) == loaded.card


def test_full_precision_round_trip_is_exact(saved: Path) -> None:
    model = Detector(CONFIG)
    save_weights(saved, model, read_card(saved), half=False)
    for name, value in load_detector(saved).model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


class TestRefusals:
    def test_changed_weights(self, saved: Path) -> None:
        data = bytearray(saved.read_bytes())
        data[-1] ^= 1
        saved.write_bytes(bytes(data))
        with pytest.raises(InputError, match="sha256"):
            load_detector(saved)

    def test_missing_card(self, saved: Path) -> None:
        saved.with_suffix(".json").unlink()
        with pytest.raises(InputError, match="card"):
            load_detector(saved)

    def test_missing_weights(self) -> None:
        with pytest.raises(InputError, match="no weights"):
            load_detector("no-such-weights")

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 3}'])
    def test_damaged_card(self, saved: Path, text: str) -> None:
        saved.with_suffix(".json").write_text(text)
        with pytest.raises(InputError, match="card"):
            load_detector(saved)

    def test_card_of_a_later_format(self, saved: Path) -> None:
        change_card(saved, format=99)
        with pytest.raises(InputError, match="format 99"):
            load_detector(saved)

    def test_other_architecture(self, saved: Path) -> None:
        wider = CONFIG.model_copy(update={"widths": (4, 6)})
        change_card(saved, architecture=wider.model_dump())
        with pytest.raises(InputError, match="architecture"):
            load_detector(saved)

    def test_other_preparation(self, saved: Path) -> None:
        load_detector(saved, expect=PreparationSpec())
        with pytest.raises(InputError, match="prepared"):
            load_detector(saved, expect=PreparationSpec(swi_clip=3.0))

    def test_unknown_preparation_version(self, saved: Path) -> None:
        change_card(saved, preparation=PreparationSpec().model_dump() | {"version": 2})
        with pytest.raises(InputError, match="card"):
            load_detector(saved)

    def test_not_safetensors(self, saved: Path) -> None:
        import hashlib

        saved.write_bytes(b"pickle")
        change_card(saved, sha256=hashlib.sha256(b"pickle").hexdigest())
        with pytest.raises(InputError, match="do not fit"):
            load_detector(saved)


def test_cards_need_no_torch() -> None:
    code = "import sys, microbleeds.weights; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
