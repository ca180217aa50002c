"""Images of a result that are read again: the mask, the regions and the labels, on the grid of the input file."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, grid_of

# A gzip stream can break in its header, its middle or its end, and a header can claim what no voxels back.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
)


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
    except _DAMAGE as error:
        raise InputError(f"The {what} {path} can't be read; {remedy}.") from error
