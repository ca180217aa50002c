"""Weights on disk: safetensors for the numbers, a JSON card beside it, tied by a sha256.

Nothing is ever unpickled. Convolution kernels may be stored in half precision (its rounding is finer than the
bfloat16 in which they are mostly used); norms stay in single precision, since variances can exceed its range.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors

from microbleeds.errors import InputError
from microbleeds.networks.detector import Detector
from microbleeds.prepare import PreparationSpec
from microbleeds.weights.card import CARD_FORMAT, Card
from microbleeds.weights.pair import write_pair

SHIPPED = Path(__file__).parent / "shipped"
DEFAULT_NAME = "detector"


@dataclass(frozen=True, eq=False)
class LoadedDetector:
    """A detector ready to use.

    Args:
        model: in evaluation mode, float32, on the CPU.
        card: what is known about it; its ``sha256`` has been checked.
    """

    model: Detector
    card: Card


def save_weights(path: Path, model: Detector, card: Card, *, half: bool = True) -> Card:
    """Write ``path`` (``.safetensors``) and its card (``.json``); return the card with hash and size.

    Args:
        path: of the safetensors file.
        model: the detector.
        card: its ``sha256``, ``parameters`` and ``architecture`` are set from the model.
        half: store convolution kernels in float16.
    """
    path = Path(path).with_suffix(".safetensors")
    tensors = {
        name: (value.half() if half and value.ndim >= 4 else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    parameters = sum(p.numel() for p in model.parameters())
    return write_pair(path, dump_tensors(tensors), card, parameters=parameters, architecture=model.config)


def load_detector(
    name_or_path: str | Path | None = None, *, expect: PreparationSpec | None = None
) -> LoadedDetector:
    """Load shipped weights by name, or any by path.

    Args:
        name_or_path: a name in ``weights/shipped`` (``None`` for the default), or a ``.safetensors``
            file with its card beside it.
        expect: a preparation that the weights must have been trained with.

    Raises:
        InputError: if files are missing or damaged, hash and card disagree, or the preparation is another.
    """
    path = _locate(name_or_path)
    card = read_card(path)
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise InputError(
            f"The weights {path} have sha256 {found[:12]}… but their card says {card.sha256[:12]}…;"
            " fetch both files again."
        )
    if expect is not None and expect != card.preparation:
        raise InputError(f"The weights {path} were trained on scans prepared in another way; train them again.")
    model = Detector(card.architecture)
    try:
        state = {name: _single(value) for name, value in load_tensors(data).items()}
        model.load_state_dict(state)
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"The weights {path} do not fit the architecture that their card names.") from error
    return LoadedDetector(model.eval(), card)


def read_card(path: Path) -> Card:
    """Read the card beside a weights file.

    Raises:
        InputError: if it is missing, damaged or of another format.
    """
    card_path = Path(path).with_suffix(".json")
    if not card_path.exists():
        raise InputError(f"The card {card_path} is missing; keep it beside its weights.")
    try:
        card = Card.model_validate_json(card_path.read_bytes())
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "no text"
        raise InputError(
            f"The card {card_path} is not one that this version reads ({reason}); fetch it again."
        ) from error
    if card.format != CARD_FORMAT:
        raise InputError(f"The card {card_path} has format {card.format}; this version reads {CARD_FORMAT}.")
    return card


def _locate(name_or_path: str | Path | None) -> Path:
    """Find the safetensors file."""
    name = str(name_or_path or DEFAULT_NAME)
    shipped = SHIPPED / f"{name}.safetensors"
    if "/" not in name and shipped.exists():
        return shipped
    path = Path(name)
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors"))) or "none"
        raise InputError(f"There are no weights {name!r}; give a .safetensors file or a shipped name ({names}).")
    return path


def _single(value: torch.Tensor) -> torch.Tensor:
    """Bring half precision back to single; integers stay."""
    return value.float() if value.is_floating_point() else value
