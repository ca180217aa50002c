"""Where a run starts that goes on from trained weights: the detector, its prototypes and its card.

Weights hold the detector alone, since prototypes serve training only. A run leaves the prototypes of its last step
beside its weights, in ``NAME.prototypes.safetensors``, tied to them by their sha256; where that file is missing,
prototypes start again at the class means of the new data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.networks.prototypes import Prototypes
from microbleeds.training.objective import Objective
from microbleeds.weights.card import Card
from microbleeds.weights.store import load_detector


@dataclass(frozen=True, eq=False)
class Start:
    """Trained weights that a run goes on from.

    Args:
        weights: state of the detector.
        prototypes: state of its prototypes, if they were kept.
        card: of the weights.
    """

    weights: dict[str, Tensor]
    prototypes: dict[str, Tensor] | None
    card: Card

    def put_into(self, objective: Objective) -> None:
        """Set the detector and, where both sides have them, the prototypes."""
        objective.detector.load_state_dict(self.weights)
        if objective.prototypes is not None and self.prototypes is not None:
            objective.prototypes.load_state_dict(self.prototypes)


def load_start(name_or_path: str | Path | None) -> Start:
    """Load weights to go on from.

    Args:
        name_or_path: as :func:`microbleeds.weights.load_detector` takes.

    Raises:
        InputError: if they can't be used, or the prototypes beside them are another's.
    """
    loaded = load_detector(name_or_path)
    path = None if name_or_path is None else prototypes_path(Path(name_or_path))
    kept = load_prototypes(path, loaded.card) if path is not None and path.exists() else None
    return Start(loaded.model.state_dict(), kept, loaded.card)


def prototypes_path(weights: Path) -> Path:
    """Where the prototypes of a weights file lie."""
    return weights.with_suffix(".prototypes.safetensors")


def save_prototypes(weights: Path, prototypes: Prototypes, card: Card) -> None:
    """Write the prototypes of weights beside them."""
    with atomic_file(prototypes_path(weights)) as partial:
        state = {name: value.contiguous().cpu() for name, value in prototypes.state_dict().items()}
        save_file(state, partial, metadata={"weights_sha256": card.sha256})


def load_prototypes(path: Path, card: Card) -> dict[str, Tensor]:
    """Read what :func:`save_prototypes` wrote.

    Raises:
        InputError: if the file is damaged or belongs to other weights.
    """
    try:
        with safe_open(path, framework="pt") as file:
            of = (file.metadata() or {}).get("weights_sha256")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"The prototypes {path} can't be read; remove the file to start them again.") from error
    if of != card.sha256:
        raise InputError(f"The prototypes {path} belong to other weights; remove the file to start them again.")
    return state
