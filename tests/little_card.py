"""A card of made-up weights, as small as the schema allows."""

from __future__ import annotations

from typing import Any

from microbleeds.networks.config import DetectorConfig
from microbleeds.prepare import PreparationSpec
from microbleeds.weights import Card, TrainingDescription


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
