"""What needs a package that a plain installation does not bring says which extra to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Literal

from microbleeds.errors import InputError

Extra = Literal["train", "node", "cohort"]


_PACKAGES: dict[Extra, tuple[str, ...]] = {
    "train": ("lightning_fabric", "tensorboard"),
    "node": ("pynetdicom",),
    "cohort": ("dask", "distributed", "psutil"),
}


def require(extra: Extra, what: str) -> None:
    """Refuse at the start what would miss a package later; arguments and errors as of :func:`needing`."""
    with needing(extra, what):
        for package in _PACKAGES[extra]:
            import_module(package)


@contextmanager
def needing(extra: Extra, what: str) -> Iterator[None]:
    """Import in this block what an extra brings.

    Args:
        extra: that holds the packages.
        what: needs them, as the beginning of a sentence.

    Raises:
        InputError: if one is missing.
    """
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"{what} {error.name or error}; run pip install '.[{extra}]' in the clone of microbleeds."
        ) from error
