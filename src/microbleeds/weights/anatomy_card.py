"""The anatomy network's weights and card on disk: ``anatomy.safetensors`` and ``anatomy.json`` beside it.

The weights are stored in half precision; nothing is ever unpickled. The card says how an image must be prepared
and how well the network did, and holds the hash of the weights.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.networks.anatomy import CHANNELS, LAST_CHANNELS, AnatomyClass, AnatomyNetwork, Place

_CLASSES = tuple(member.name.lower() for member in AnatomyClass)
_PLACES = tuple(member.name.lower() for member in Place)
SHIPPED = Path(__file__).parent / "shipped" / "anatomy.safetensors"


class AnatomyPreparation(BaseModel):
    """How an image is brought to the network; other values than these are another network's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[2] = 2
    spacing_mm: tuple[Literal[1], Literal[1], Literal[2]] = (1, 1, 2)
    axes: Literal["RAS"] = "RAS"
    normalisation: Literal["divide-by-99th-percentile-of-positive"] = "divide-by-99th-percentile-of-positive"
    clip: float = Field(default=1.5, ge=1.5, le=1.5)


class AnatomyCard(BaseModel):
    """The card of the anatomy network.

    Args:
        name: of the weights.
        created: ISO date and time, UTC.
        sha256: of the safetensors file.
        parameters: number of trainable numbers.
        channels: of the network's levels.
        last_channels: of its finest level on the way up.
        coordinates: whether it sees the paper's coordinate maps.
        classes: names of the classes of a voxel, in order.
        places: names of the places of a cell, in order.
        preparation: of the image.
        training_data: which heads, and how examples were drawn from them.
        volume_ranges_ml: least and largest volume of a structure that a head may have, by side and name.
        steps: of the training.
        minutes: of the training.
        seed: of the training.
        scores: name of a measure to its value on heads that the training did not see.
        notes: limits that a user must know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    name: str
    created: str
    sha256: str = ""
    parameters: int = 0
    channels: tuple[int, ...] = CHANNELS
    last_channels: int = LAST_CHANNELS
    coordinates: bool = False
    classes: tuple[str, ...] = _CLASSES
    places: tuple[str, ...] = _PLACES
    preparation: AnatomyPreparation = AnatomyPreparation()
    training_data: str
    volume_ranges_ml: dict[str, tuple[float, float]] = Field(default_factory=dict)
    steps: int
    minutes: float
    seed: int
    scores: dict[str, float] = Field(default_factory=dict)
    notes: str = ""


def save_anatomy(network: AnatomyNetwork, card: AnatomyCard, path: Path) -> AnatomyCard:
    """Write the weights (half precision) to ``path`` and the card beside it, and return the completed card."""
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}
    content = save_tensors(tensors)
    completed = card.model_copy(
        update={
            "sha256": hashlib.sha256(content).hexdigest(),
            "parameters": sum(p.numel() for p in network.parameters()),
        }
    )
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    with atomic_file(path.with_suffix(".json")) as temporary:
        temporary.write_text(completed.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return completed


def load_anatomy(path: Path = SHIPPED) -> tuple[AnatomyNetwork, AnatomyCard]:
    """Read weights and card, check that they belong together, and return the network in evaluation mode.

    Raises:
        InputError: if a file is missing or broken, or the weights are not those that the card describes.
    """
    card_path = path.with_suffix(".json")
    advice = "reinstall" if path == SHIPPED else "give the file that train-anatomy wrote, with its card beside it"
    try:
        content = path.read_bytes()
        card = AnatomyCard.model_validate_json(card_path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The anatomy weights {path} can't be read ({error.strerror}); {advice}.") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise InputError(
            f"The card {card_path} is not one of this program's version for the anatomy; {advice}."
        ) from error
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise InputError(f"The weights {path} are not those of the card beside them (sha256 differs); {advice}.")
    if (card.classes, card.places) != (_CLASSES, _PLACES):
        raise InputError(f"The card {card_path} names other classes than this program's; {advice}.")
    network = AnatomyNetwork(card.channels, card.last_channels, card.coordinates)
    try:
        network.load_state_dict({name: value.float() for name, value in load_tensors(content).items()})
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"The weights {path} don't fit the network that their card describes.") from error
    return network.eval().to(memory_format=torch.channels_last_3d), card  # type: ignore[call-overload]
