"""The anatomy network's weights on disk: ``anatomy.safetensors`` in half precision, ``anatomy.json`` beside it.

Nothing is ever unpickled; the card holds the hash of the weights.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors

from microbleeds.errors import InputError
from microbleeds.networks.anatomy import AnatomyNetwork
from microbleeds.weights.anatomy_card import CLASSES, PLACES, AnatomyCard
from microbleeds.weights.pair import write_pair

SHIPPED = Path(__file__).parent / "shipped" / "anatomy.safetensors"


def save_anatomy(network: AnatomyNetwork, card: AnatomyCard, path: Path) -> AnatomyCard:
    """Write the weights (half precision) to ``path`` and the card beside it, and return the completed card."""
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}
    return write_pair(
        Path(path), dump_tensors(tensors), card, parameters=sum(p.numel() for p in network.parameters())
    )


def load_anatomy(path: Path = SHIPPED) -> tuple[AnatomyNetwork, AnatomyCard]:
    """Read weights and card, check that they belong together, and return the network in evaluation mode.

    Raises:
        InputError: if a file is missing or broken, or the weights are not those that the card describes.
    """
    path = Path(path)
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
    if (card.classes, card.places) != (CLASSES, PLACES):
        raise InputError(f"The card {card_path} names other classes than this program's; {advice}.")
    network = AnatomyNetwork(card.channels, card.last_channels, card.coordinates)
    try:
        network.load_state_dict({name: value.float() for name, value in load_tensors(content).items()})
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"The weights {path} don't fit the network that their card describes.") from error
    return network.eval().to(memory_format=torch.channels_last_3d), card  # type: ignore[call-overload]
