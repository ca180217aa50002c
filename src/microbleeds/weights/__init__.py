"""Weights and their cards; torch is imported only when weights are loaded or saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from microbleeds.weights.card import Calibration, Card, OperatingPoints, Scoring, TrainingDescription

if TYPE_CHECKING:
    from microbleeds.weights.store import LoadedDetector, load_detector, read_card, save_weights

__all__ = [
    "Calibration",
    "Card",
    "LoadedDetector",
    "OperatingPoints",
    "Scoring",
    "TrainingDescription",
    "load_detector",
    "read_card",
    "save_weights",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is asked for."""
    if name in __all__:
        from microbleeds.weights import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
