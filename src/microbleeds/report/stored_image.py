"""Images of a result that are read again: the mask, the regions and the labels, on the grid of the input file."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, grid_of


def read_stored(path: Path, what: str, remedy: str = "make the result again") -> tuple[NDArray[np.uint8], Grid]:
    """Read an image of whole numbers that a result holds.

    Args:
        path: of the image.
        what: how a sentence calls it.
        remedy: what to do if it can't be read.

    Returns:
        uint8 [I, J, K] in the file's own axes, and its grid.

    Raises:
        InputError: if it is missing or damaged.
    """
    try:
        image = nib.load(path)
        return np.asarray(image.dataobj).astype(np.uint8), grid_of(image)  # type: ignore[attr-defined, arg-type]
    except Exception as error:  # nibabel raises a dozen kinds for a broken file
        raise InputError(f"The {what} {path} can't be read; {remedy}.") from error
