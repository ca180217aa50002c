"""What a test said goes into the card of the weights that it tested."""

from __future__ import annotations

import json
from pathlib import Path

from card_scores import main
from microbleeds.networks.detector import Detector
from microbleeds.weights import load_detector
from microbleeds.weights.store import save_weights


def _result(sha: str, sensitivity: float, cohort: str = "full") -> str:
    at = {
        "sensitivity": {"value": sensitivity},
        "false_positives_per_subject": {"value": 0.25},
        "false_positives_per_negative_subject": {"value": None},
    }
    content = {
        "model_sha256": sha,
        "cohort": cohort,
        "input": "swi",
        "operating_point": "balanced",
        "scores": {"radii": [{"operating": at}]},
    }
    return json.dumps(content)


def test_only_results_of_the_weights_and_only_the_latest(tmp_path: Path) -> None:
    shipped, weights = load_detector(), tmp_path / "w.safetensors"
    scores = {"validation_mean_sensitivity": 0.5, "test_paper_swi_balanced_sensitivity": 0.1}
    save_weights(weights, Detector(shipped.card.architecture), shipped.card.model_copy(update={"scores": scores}))
    sha = load_detector(weights).card.sha256
    (tmp_path / "detection-full-a-swi-balanced.json").write_text(_result(sha, 0.75))
    (tmp_path / "detection-full-b-swi-balanced.json").write_text(_result("0" * 64, 1.0))
    (tmp_path / "detection-validation-a-swi-balanced.json").write_text(_result(sha, 0.9, "validation"))
    main(tmp_path, weights)

    assert load_detector(weights).card.scores == {
        "validation_mean_sensitivity": 0.5,
        "test_full_swi_balanced_sensitivity": 0.75,
        "test_full_swi_balanced_false_positives_per_subject": 0.25,
    }
