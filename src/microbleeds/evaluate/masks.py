"""Masks as point lists: connected components (faces, edges and corners touch) become their centroids.

Values other than 0 and 1 tell what the image is: whole numbers make a label image, of which each number is
taken apart, and others a probability map, which is cut at 0.5 and whose maximum is a component's score.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, grid_of

_CUT = 0.5
_TOUCHING = np.ones((3, 3, 3), dtype=bool)


def points_of_mask(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centroids [N, 3] in RAS mm and the scores [N] of a mask's components.

    Raises:
        InputError: if the file isn't a 3D image of finite numbers.
    """
    array, grid = _read(path)
    whole = bool((array == np.round(array)).all())
    centroids, scores = [np.zeros((0, 3))], [np.zeros(0)]
    for mask in [array == value for value in np.unique(array[array > 0])] if whole else [array >= _CUT]:
        components, count = ndimage.label(mask, structure=_TOUCHING)
        index = np.arange(1, count + 1)
        if count:
            centroids.append(np.reshape(ndimage.center_of_mass(mask, components, index), (-1, 3)))
            scores.append(np.ones(count) if whole else np.reshape(ndimage.maximum(array, components, index), -1))
    return grid.to_mm(np.concatenate(centroids)), np.concatenate(scores).astype(np.float64)


def _read(path: Path) -> tuple[NDArray[np.float32], Grid]:
    """Read a 3D image; a fourth axis of one volume is dropped."""
    try:
        image = nib.load(path)
        array = np.asarray(image.dataobj, dtype=np.float32)  # type: ignore[attr-defined]
    except Exception as error:  # nibabel raises a dozen kinds for a broken file
        raise InputError(f"The mask {path} can't be read as NIfTI ({type(error).__name__}).") from error
    array = array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array
    if array.ndim != 3 or not np.isfinite(array).all():
        raise InputError(f"The mask {path} must be a 3D image of finite numbers, got shape {array.shape}.")
    return array, grid_of(image)  # type: ignore[arg-type]
