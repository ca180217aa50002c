"""The state of a run in one file, replaced whole or not at all, so that a kill costs a few steps only."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError

State = dict[str, Any]


def save_checkpoint(path: Path, state: State) -> None:
    """Write tensors, numbers, strings, lists and dicts."""
    with atomic_file(path) as partial:
        torch.save(state, partial)


def load_checkpoint(path: Path) -> State:
    """Read what :func:`save_checkpoint` wrote; nothing in the file is executed.

    Raises:
        InputError: if the file is damaged or holds anything but data.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(f"The checkpoint {path} can't be read; delete it to start the run anew.") from error
