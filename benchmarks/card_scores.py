"""Writes what the shipped weights scored on test cohorts into their cards: python benchmarks/card_scores.py.

The anatomy's card gets how often what was found in the cohort `full` (SWI and phase) got the right group.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from cohort import HERE
from microbleeds.atomic import atomic_file
from microbleeds.report.run_record import sha256_of
from microbleeds.weights import Card, load_detector
from microbleeds.weights.anatomy_card import AnatomyCard
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS
from microbleeds.weights.anatomy_store import load_anatomy
from microbleeds.weights.store import SHIPPED
from readme_table import results_of

PREFIX = "test_"
FIGURES = ("sensitivity", "false_positives_per_subject", "false_positives_per_negative_subject")


def main(
    results: Path = HERE / "results",
    weights: Path = SHIPPED / "detector.safetensors",
    anatomy: Path = ANATOMY_WEIGHTS,
) -> None:
    """Collect the stored results of these weights; what the cards said of tests before is forgotten."""
    card, (_, places) = load_detector(weights).card, load_anatomy(anatomy)
    found = results_of(card.sha256, results)
    _write(card, {name: value for result in found for name, value in figures_of(result).items()}, weights)
    told = [result for result in found if result["anatomy_sha256"] == sha256_of(anatomy) and _is_placing(result)]
    _write(places, {name: value for result in told for name, value in places_of(result).items()}, anatomy)


def _write(card: Card | AnatomyCard, figures: dict[str, float], weights: Path) -> None:
    """Put the figures of tests into a card."""
    scores = {name: value for name, value in card.scores.items() if not name.startswith(PREFIX)} | figures
    with atomic_file(weights.with_suffix(".json")) as partial:
        text = card.model_copy(update={"scores": scores}).model_dump_json(indent=2)
        partial.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(scores, indent=1))


def _is_placing(result: dict[str, Any]) -> bool:
    return (result["cohort"], result["input"], result["operating_point"]) == ("full", "swi+phase", "balanced")


def places_of(result: dict[str, Any]) -> dict[str, float]:
    """Return how often a microbleed that was found got the right group by MARS."""
    placement = result["scores"]["placement"]
    deep = placement["true_groups"].index("deep")
    row = placement["confusion"][deep]
    name, lobar = f"{PREFIX}{result['cohort']}", placement["predicted_groups"].index("lobar")
    return {
        f"{name}_right_group_all": round(placement["right_group"]["value"], 4),
        f"{name}_right_group_deep": round(row[placement["predicted_groups"].index("deep")] / sum(row), 4),
        f"{name}_deep_called_lobar": round(row[lobar] / sum(row), 4),
    }


def figures_of(result: dict[str, Any]) -> dict[str, float]:
    """Return the figures of one result, named by cohort, input and operating point."""
    at = result["scores"]["radii"][0]["operating"]
    name = f"{PREFIX}{result['cohort']}_{result['input']}_{result['operating_point']}"
    values = {figure: at[figure]["value"] for figure in FIGURES}
    return {f"{name}_{figure}": round(value, 4) for figure, value in values.items() if value is not None}


if __name__ == "__main__":
    typer.run(main)
