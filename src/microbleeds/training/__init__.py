"""Training of the detector: crops, sampling, losses, the loop, checkpoints; fine-tuning and cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microbleeds.training.run import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    """Import :func:`train` when it is asked for: the anatomical network's training needs none of it."""
    if name == "train":
        from microbleeds.training.run import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
