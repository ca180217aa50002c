"""Cards of made-up weights, as small as the schema allows."""

from __future__ import annotations

from typing import Any

from microbleeds.networks.config import DetectorConfig
from microbleeds.prepare import PreparationSpec
from microbleeds.weights import Card, TrainingDescription
from microbleeds.weights.anatomy_card import AnatomyCard


def little_card(config: DetectorConfig, **fields: Any) -> Card:
    """Return a card of weights of ``config``, with ``fields`` of the card added."""
    return Card(
        name="x",
        package_version="0",
        created="now",
        architecture=config,
        preparation=PreparationSpec(),
        training=TrainingDescription(data="d", subjects=1, preset="p", steps=1, seed=0, minutes=1),
        **fields,
    )


def little_anatomy_card(**fields: Any) -> AnatomyCard:
    """Return a card of weights of the anatomy, with ``fields`` of the card added."""
    known = {
        "name": "a",
        "created": "now",
        "sha256": "cd" * 32,
        "training_data": "d",
        "steps": 1,
        "minutes": 1,
        "seed": 0,
    }
    return AnatomyCard(**(known | fields))
