"""The card beside the anatomy network's weights: how an image must be prepared, and how well the network did.

Free of torch, as the detector's card is.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from microbleeds.networks.anatomy_classes import CHANNELS, LAST_CHANNELS, AnatomyClass, Place

CLASSES = tuple(member.name.lower() for member in AnatomyClass)
PLACES = tuple(member.name.lower() for member in Place)


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
    classes: tuple[str, ...] = CLASSES
    places: tuple[str, ...] = PLACES
    preparation: AnatomyPreparation = AnatomyPreparation()
    training_data: str
    volume_ranges_ml: dict[str, tuple[float, float]] = Field(default_factory=dict)
    steps: int
    minutes: float
    seed: int
    scores: dict[str, float] = Field(default_factory=dict)
    notes: str = ""
