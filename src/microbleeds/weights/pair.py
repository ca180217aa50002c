"""Weights and their card are written one after the other; the hash in the card tells when they are no pair."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from microbleeds.atomic import atomic_file

AnyCard = TypeVar("AnyCard", bound=BaseModel)


def write_pair(path: Path, weights: bytes, card: AnyCard, **known: object) -> AnyCard:
    """Write weights and the card beside them (``.json``); return the card with ``sha256`` and what is known now.

    A kill between the two leaves a pair that loading refuses.
    """
    completed = card.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest(), **known})
    with atomic_file(path) as partial:
        partial.write_bytes(weights)
    with atomic_file(path.with_suffix(".json")) as partial:
        partial.write_text(completed.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return completed
