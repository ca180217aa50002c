"""Where a run starts that goes on from trained weights: the detector, its prototypes and its card.

Weights hold the detector alone, since prototypes serve training only. A run leaves the prototypes of its last step
beside its weights, in ``NAME.prototypes.safetensors``, tied to them by their sha256; where that file is missing,
prototypes start again at the class means of the new data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.networks.detector import SECOND_STAGE, first_stage_state
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
        """Set the first stage of the detector and, where both sides have them, the prototypes."""
        objective.detector.load_state_dict(first_stage_state(self.weights))
        if objective.prototypes is not None and self.prototypes is not None:
            objective.prototypes.load_state_dict(self.prototypes)

    @property
    def refinement(self) -> dict[str, Tensor] | None:
        """State of the second stage, if there is one."""
        second = {name: value for name, value in self.weights.items() if name.startswith(SECOND_STAGE)}
        return {name.removeprefix(SECOND_STAGE): value for name, value in second.items()} or None


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


def mean_start(paths: Sequence[Path]) -> Start:
    """Load the mean of several weights that were trained from each other (Wortsman et al. 2022, "Model soups").

    Args:
        paths: ``.safetensors`` files of one architecture; with one of them this is :func:`load_start`.

    Returns:
        The mean with the card of the first, whose name lists all, and which learned from simulated scans alone
        only if all did; prototypes start again.

    Raises:
        InputError: if one can't be used, or they differ in architecture or preparation.
    """
    starts = [load_start(path) for path in paths]
    first, *others = starts
    if not others:
        return first
    kind = (first.card.architecture, first.card.preparation)
    strange = next((s.card.name for s in others if (s.card.architecture, s.card.preparation) != kind), None)
    if strange is not None:
        raise InputError(f"{strange} is of another network than {first.card.name}, so there is no mean of them.")
    weights = dict(first.weights)
    for name, value in first.weights.items():
        if value.is_floating_point():
            weights[name] = torch.stack([start.weights[name] for start in starts]).mean(0)
    name = "the mean of " + " and ".join(f"{s.card.name} ({s.card.sha256[:8]})" for s in starts)
    simulated = all(start.card.training.simulated for start in starts)
    training = first.card.training.model_copy(update={"simulated": simulated})
    return Start(weights, None, first.card.model_copy(update={"name": name, "training": training}))


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
