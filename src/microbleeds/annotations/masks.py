"""Masks of microbleeds: each connected component (faces, edges and corners touch) is a bleed.

A label image with one number per bleed is taken apart number by number, so that touching bleeds stay two. Values
that aren't whole make a probability map, which is cut at 0.5. A component's diameter is that of the circle with
the area of its largest cross-section in a slice, which is what a reader would measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.annotations.sheet import number_of
from microbleeds.annotations.statement import Meaning, Statement
from microbleeds.errors import InputError
from microbleeds.evaluate.masks import (
    CUT,
    TOUCHING,
    is_label_image,
    read_volume,
    refuse_dense,
    refuse_faint,
    refuse_flat,
    refuse_negative,
    refuse_scaled,
    refuse_specks,
    states_orientation,
)
from microbleeds.geometry import Grid, grid_of


@dataclass(frozen=True, eq=False)
class MaskPoints:
    """Components of a mask.

    Args:
        positions_ras_mm: [N, 3] centroids.
        diameters_mm: [N].
        meanings: [N].
        warnings: sentences about the mask.
    """

    positions_ras_mm: NDArray[np.float64]
    diameters_mm: NDArray[np.float64]
    meanings: tuple[Meaning, ...]
    warnings: tuple[str, ...]


def components_of_mask(path: Path, image: Grid, statement: Statement) -> MaskPoints:
    """Take a mask apart.

    Args:
        path: NIfTI image.
        image: grid of the scan, for masks that lost their orientation.
        statement: what the user states.

    Raises:
        InputError: if the file can't be read, or is no mask of microbleeds.
    """
    array, mask_image = read_volume(path)
    array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    refuse_negative(path, array)
    refuse_scaled(path, array)
    refuse_faint(path, array)
    grid, warnings = _placed(path, mask_image, image)
    whole = is_label_image(array)
    advice = 'it may be a brain mask or an image: name it under "images" in labels.json, such as '
    refuse_dense(path, array != 0 if whole else array >= CUT, f'{advice}{{"images": {{"other": "{path.name}"}}}}')
    positions, diameters, meanings, voxels = [], [], [], []
    for value in [float(v) for v in np.unique(array[array > 0])] if whole else [1.0]:
        mask = array == value if whole else array >= CUT
        meaning = _meaning(value, statement)
        for centre, diameter_mm, size in _components(path, mask, grid):
            positions.append(centre)
            diameters.append(diameter_mm)
            meanings.append(meaning)
            voxels.append(size)
    single = voxels.count(1)
    if single > 1 or (single and len(voxels) > 1):
        warnings.append(f"{single} of {len(voxels)} components of {path.name} have one voxel only.")
    found = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    return MaskPoints(grid.to_mm(found), np.asarray(diameters, dtype=np.float64), tuple(meanings), tuple(warnings))


def _placed(path: Path, mask: nib.nifti1.Nifti1Pair, image: Grid) -> tuple[Grid, list[str]]:
    """Return the grid of the mask: the scan's if the mask states none of its own."""
    grid = grid_of(mask)
    refuse_flat(path, grid)
    unstated = not states_orientation(mask) or bool(np.allclose(grid.affine, np.eye(4)))
    if grid.same_as(image):
        return grid, []
    if grid.shape == image.shape and unstated:
        return image, [f"The mask {path.name} states no orientation; it was laid on its scan voxel by voxel."]
    if unstated:
        raise InputError(
            f"The mask {path} states no orientation and has {_shape(grid)} voxels, its scan {_shape(image)}; "
            "write it on the scan's grid."
        )
    return grid, [f"The mask {path.name} lies on another grid than its scan; its place in the world was taken."]


def _shape(grid: Grid) -> str:
    return " x ".join(str(n) for n in grid.shape)


def _components(path: Path, mask: NDArray[np.bool_], grid: Grid) -> list[tuple[list[float], float, int]]:
    """Return centre (ijk), diameter in mm and number of voxels of each component."""
    labels, count = ndimage.label(mask, structure=TOUCHING)
    refuse_specks(path, count)
    across = grid.slice_axis
    area_mm2 = float(np.prod(np.delete(grid.spacing_mm, across)))
    found = []
    for n, box in enumerate(ndimage.find_objects(labels), 1):
        inside = labels[box] == n
        start = np.array([part.start for part in box])
        centre = np.argwhere(inside).mean(axis=0) + start
        section = inside.sum(axis=tuple(axis for axis in range(3) if axis != across)).max()
        found.append((centre.tolist(), float(2 * np.sqrt(section * area_mm2 / np.pi)), int(inside.sum())))
    return found


def _meaning(value: float, statement: Statement) -> Meaning:
    """Return what a value of a label image means (2.0 is 2); bleeds, if the user doesn't say otherwise."""
    return next((said for name, said in statement.labels.items() if number_of(name) == value), "bleed")
