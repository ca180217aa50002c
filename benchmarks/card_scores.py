"""Writes what the shipped weights scored on test cohorts into their card: python benchmarks/card_scores.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from cohort import HERE
from microbleeds.atomic import atomic_file
from microbleeds.weights import load_detector
from microbleeds.weights.store import SHIPPED
from readme_table import results_of

PREFIX = "test_"
FIGURES = ("sensitivity", "false_positives_per_subject", "false_positives_per_negative_subject")


def main(results: Path = HERE / "results", weights: Path = SHIPPED / "detector.safetensors") -> None:
    """Collect the stored results of these weights; what the card said of tests before is forgotten."""
    card = load_detector(weights).card
    scores = {name: value for name, value in card.scores.items() if not name.startswith(PREFIX)}
    for result in results_of(card.sha256, results):
        scores |= figures_of(result)
    with atomic_file(weights.with_suffix(".json")) as partial:
        text = card.model_copy(update={"scores": scores}).model_dump_json(indent=2)
        partial.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(scores, indent=1))


def figures_of(result: dict[str, Any]) -> dict[str, float]:
    """Return the figures of one result, named by cohort, input and operating point."""
    at = result["scores"]["radii"][0]["operating"]
    name = f"{PREFIX}{result['cohort']}_{result['input']}_{result['operating_point']}"
    values = {figure: at[figure]["value"] for figure in FIGURES}
    return {f"{name}_{figure}": round(value, 4) for figure, value in values.items() if value is not None}


if __name__ == "__main__":
    typer.run(main)
