"""What a test said goes into the card of the weights that it tested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from card_scores import main
from microbleeds.networks.detector import Detector
from microbleeds.report.run_record import sha256_of
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS
from microbleeds.weights.anatomy_store import load_anatomy
from microbleeds.weights.store import save_weights

PLACEMENT = {
    "right_group": {"value": 0.925},
    "true_groups": ["lobar", "deep", "infratentorial"],
    "predicted_groups": ["lobar", "deep", "infratentorial", "none"],
    "confusion": [[20, 0, 0, 0], [2, 8, 0, 0], [0, 0, 9, 1]],
}


def _result(sha: str, sensitivity: float, cohort: str = "full", use: str = "swi") -> str:
    at = {
        "sensitivity": {"value": sensitivity},
        "false_positives_per_subject": {"value": 0.25},
        "false_positives_per_negative_subject": {"value": None},
    }
    content = {
        "model_sha256": sha,
        "anatomy_sha256": sha256_of(ANATOMY_WEIGHTS),
        "cohort": cohort,
        "input": use,
        "operating_point": "balanced",
        "scores": {"radii": [{"operating": at}], "placement": PLACEMENT},
    }
    return json.dumps(content)


def copied(folder: Path) -> Path:
    """The shipped anatomy, so that its card may be written."""
    for ending in (".safetensors", ".json"):
        shutil.copyfile(ANATOMY_WEIGHTS.with_suffix(ending), folder / f"anatomy{ending}")
    return folder / "anatomy.safetensors"


def test_only_results_of_the_weights_and_only_the_latest(tmp_path: Path) -> None:
    shipped, weights = load_detector(), tmp_path / "w.safetensors"
    scores = {"validation_mean_sensitivity": 0.5, "test_paper_swi_balanced_sensitivity": 0.1}
    save_weights(weights, Detector(shipped.card.architecture), shipped.card.model_copy(update={"scores": scores}))
    sha = load_detector(weights).card.sha256
    (tmp_path / "detection-full-a-swi-balanced.json").write_text(_result(sha, 0.75))
    (tmp_path / "detection-full-b-swi-balanced.json").write_text(_result("0" * 64, 1.0))
    (tmp_path / "detection-validation-a-swi-balanced.json").write_text(_result(sha, 0.9, "validation"))
    main(tmp_path, weights, copied(tmp_path))

    assert load_detector(weights).card.scores == {
        "validation_mean_sensitivity": 0.5,
        "test_full_swi_balanced_sensitivity": 0.75,
        "test_full_swi_balanced_false_positives_per_subject": 0.25,
    }


def test_the_anatomy_learns_how_often_it_was_right(tmp_path: Path) -> None:
    shipped, weights, anatomy = load_detector(), tmp_path / "w.safetensors", copied(tmp_path)
    save_weights(weights, Detector(shipped.card.architecture), shipped.card)
    sha = load_detector(weights).card.sha256
    for use in ("swi", "swi+phase"):
        (tmp_path / f"detection-full-a-{use}-balanced.json").write_text(_result(sha, 0.75, use=use))
    main(tmp_path, weights, anatomy)
    told = {name: value for name, value in load_anatomy(anatomy)[1].scores.items() if name.startswith("test_")}
    assert told == {
        "test_full_right_group_all": 0.925,
        "test_full_right_group_deep": 0.8,
        "test_full_deep_called_lobar": 0.2,
    }
