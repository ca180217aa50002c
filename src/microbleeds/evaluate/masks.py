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

CUT = 0.5
TOUCHING = np.ones((3, 3, 3), dtype=bool)
# A person may have hundreds of microbleeds; noise has thousands of specks.
_MOST_COMPONENTS = 2000
# Microbleeds fill far less than a hundredth of a head; a brain mask a tenth to a third of its image.
_LARGEST_SHARE = 0.02


def points_of_mask(path: Path, found_by_program: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centroids [N, 3] in RAS mm and the scores [N] of a mask's components.

    Args:
        path: NIfTI image.
        found_by_program: whether the values may be a program's probabilities, of which none needs to reach 0.5.

    Raises:
        InputError: if the file isn't a 3D image of finite numbers, states no orientation, or can't be a mask of
            microbleeds.
    """
    array, grid = _read(path)
    if not found_by_program or _has_one_value(array):
        refuse_faint(path, array)
    whole = is_label_image(array)
    marked = array > 0 if whole else array >= CUT
    refuse_dense(path, marked, "give a mask of microbleeds")
    # Numbers from 1 on, whatever numbers the file has; a probability map is one mask.
    values, numbers = np.unique(array[marked], return_inverse=True) if whole else (np.ones(1), 0)
    numbered = np.zeros(array.shape, dtype=np.int32)
    numbered[marked] = numbers + 1
    centroids, scores = [np.zeros((0, 3))], [np.zeros(0)]
    for number, box in enumerate(ndimage.find_objects(numbered, max_label=len(values)), 1):
        if box is None:
            continue
        mask = numbered[box] == number
        components, count = ndimage.label(mask, structure=TOUCHING)
        refuse_specks(path, count + sum(len(found) for found in scores))
        index = np.arange(1, count + 1)
        centre = np.reshape(ndimage.center_of_mass(mask, components, index), (-1, 3))
        centroids.append(centre + [part.start for part in box])
        peak = np.reshape(ndimage.maximum(array[box], components, index), -1)
        scores.append(np.ones(count) if whole else peak)
    return grid.to_mm(np.concatenate(centroids)), np.concatenate(scores).astype(np.float64)


def read_volume(path: Path) -> tuple[NDArray[np.float32], nib.nifti1.Nifti1Pair]:
    """Read a mask's volume [X, Y, Z] and its image; a fourth axis of one volume is dropped.

    Raises:
        InputError: if the file can't be read or has more axes.
    """
    try:
        image = nib.load(path)
        array = np.asarray(image.dataobj, dtype=np.float32)  # type: ignore[attr-defined]
    except Exception as error:  # nibabel raises a dozen kinds for a broken file
        raise InputError(f"The mask {path} can't be read as NIfTI ({type(error).__name__}).") from error
    array = array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array
    if array.ndim != 3:
        raise InputError(f"The mask {path} has the shape {array.shape}; a volume with three axes is needed.")
    return array, image  # type: ignore[return-value]


def states_orientation(image: nib.nifti1.Nifti1Pair) -> bool:
    """Whether a header says where its voxels lie; where none does, nibabel makes an affine up."""
    return bool(int(image.header["qform_code"]) or int(image.header["sform_code"]))


def is_label_image(array: NDArray[np.float32]) -> bool:
    """Whether all values are whole; others make a probability map."""
    return bool((array == np.round(array)).all())


def refuse_dense(path: Path, marked: NDArray[np.bool_], advice: str) -> None:
    """Refuse what fills too much of its volume, or has no background, to be a mask of microbleeds.

    Raises:
        InputError: that ends with the advice.
    """
    share = float(marked.mean())
    if share > _LARGEST_SHARE:
        raise InputError(f"{path} marks {share:.0%} of its volume, far more than microbleeds fill; {advice}.")


def refuse_negative(path: Path, array: NDArray[np.float32]) -> None:
    """Refuse negative numbers: 255 as a signed byte is -1, which would be no microbleed.

    Interpolation leaves a little below 0 beside a mask, which says nothing.

    Raises:
        InputError: if there are.
    """
    if array.min() <= -CUT:
        raise InputError(
            f"The mask {path} holds negative numbers, down to {array.min():.3g}; give a mask of 0 and 1, labels "
            "or probabilities."
        )


def refuse_faint(path: Path, array: NDArray[np.float32]) -> None:
    """Refuse a mask that marks something, but nothing as much as :data:`CUT`: its header may scale 1 to less.

    Raises:
        InputError: if it does.
    """
    if array.any() and array.max() < CUT:
        raise InputError(
            f"Nothing in the mask {path} reaches {CUT}, its largest value is {array.max():.2g}; write 0 and 1."
        )


def refuse_scaled(path: Path, array: NDArray[np.float32]) -> None:
    """Refuse probabilities on another scale than 0 to 1, of which half of their unit would be a microbleed.

    Interpolation leaves a little above 1 beside a mask, which says nothing.

    Raises:
        InputError: if the values aren't whole and exceed 1.
    """
    if not is_label_image(array) and array.max() >= 1 + CUT:
        raise InputError(
            f"The mask {path} holds values up to {array.max():.3g} that aren't whole; give probabilities from 0 to"
            " 1, or whole labels."
        )


def refuse_flat(path: Path, grid: Grid) -> None:
    """Refuse a mask that its affine places nowhere, or all in one plane.

    Raises:
        InputError: if it does.
    """
    if grid.is_flat:
        raise InputError(f"The affine of the mask {path} is singular or not finite; write it on its scan's grid.")


def refuse_specks(path: Path, count: int) -> None:
    """Refuse a mask of more components than anyone has microbleeds.

    Raises:
        InputError: if there are.
    """
    if count > _MOST_COMPONENTS:
        raise InputError(
            f"The mask {path} has more than {_MOST_COMPONENTS} separate specks, more than anyone has microbleeds; "
            "check it."
        )


def _has_one_value(array: NDArray[np.float32]) -> bool:
    """Whether all that is marked has one value, as in a mask and not in a map of probabilities."""
    marked = array[array != 0]
    return bool(marked.size and (marked == marked[0]).all())


def _read(path: Path) -> tuple[NDArray[np.float32], Grid]:
    """Read a mask that has a place of its own."""
    array, image = read_volume(path)
    if not np.isfinite(array).all():
        raise InputError(f"The mask {path} holds numbers that aren't finite; write it anew.")
    refuse_negative(path, array)
    refuse_scaled(path, array)
    grid = grid_of(image)
    refuse_flat(path, grid)
    if np.array_equal(grid.affine, np.eye(4)):
        raise InputError(f"The mask {path} carries an identity affine, so it has no place; give it the scan's.")
    if not states_orientation(image):
        raise InputError(f"The mask {path} states no orientation, so it has no place; give it the scan's.")
    return array, grid
