"""Images that the readers can't use as they are become NIfTI files in a cache folder.

These are MATLAB volumes, images with NaN (they are set to 0), and NIfTI files without an orientation for which
the user states axes or voxel size. A file is made again only when its source or the statement changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations.matlab import read_variable
from microbleeds.annotations.statement import Statement
from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.geometry import Grid, grid_of

# Published for the SWI set of Dou et al. 2016 (0.45 x 0.45 mm, slices of 2 mm).
DOU_VOXEL_MM = (0.45, 0.45, 2.0)
# MATLAB shows rows downwards and columns rightwards, and an axial slice is shown with the front up and the
# patient's right at the left.
MATLAB_AXES = "PLS"
_DIRECTIONS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def matlab_image(path: Path, variable: str, statement: Statement, cache: Path | None) -> tuple[Path, list[str]]:
    """Write a MATLAB volume as NIfTI into the cache.

    Returns:
        The file, and sentences on what was assumed.

    Raises:
        InputError: if there is no cache, or the volume can't be read.
    """
    if cache is None:
        raise InputError(
            f"{path} is a MATLAB volume, which must be converted; give a folder for converted images."
        )
    voxel_mm = statement.voxel_mm or DOU_VOXEL_MM
    axes = statement.axes or MATLAB_AXES
    said = []
    if statement.voxel_mm is None:
        said.append(
            f"The MATLAB volume states no voxel size; the published {_by(DOU_VOXEL_MM)} mm was taken (state "
            '{"voxel_mm": [x, y, z]} in labels.json otherwise).'
        )
    if statement.axes is None:
        said.append(
            "The MATLAB volume states no orientation; rows were taken to run to the back, columns to the left and "
            'slices upwards (state {"axes": "PLS"} or other letters in labels.json).'
        )

    def make() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        array = np.nan_to_num(read_variable(path, variable).astype(np.float32))
        return array, affine_of(array.shape, voxel_mm, axes)

    return _cached(path, f"{variable} {voxel_mm} {axes}", variable, cache, make), said


def usable_image(path: Path, statement: Statement, cache: Path | None) -> tuple[Path, list[str]]:
    """Return a NIfTI image as it is, or a corrected copy in the cache, and sentences on what was corrected.

    Raises:
        InputError: if the image can't be opened, or needs a copy and there is no cache.
    """
    image = opened(path)
    restated = states_no_orientation(image) and (statement.axes or statement.voxel_mm)
    damaged = image.get_data_dtype().kind == "f" and not np.isfinite(_voxels(path, image)).all()
    if not restated and not damaged:
        return path, []
    said = []
    if damaged:
        said.append(f"{path.name} contains NaN or infinite voxels; they were set to 0.")
    if restated:
        said.append(f"{path.name} states no orientation; the one of labels.json was taken.")
    if cache is None:
        raise InputError(f"{path} needs a corrected copy ({said[0]}); give a folder for converted images.")
    zooms = tuple(float(z) for z in image.header.get_zooms()[:3])
    voxel_mm, axes = statement.voxel_mm or zooms, statement.axes or "RAS"

    def make() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        array = np.nan_to_num(_voxels(path, image), nan=0.0, posinf=0.0, neginf=0.0)
        affine = affine_of(array.shape, voxel_mm, axes) if restated else np.asarray(image.affine)
        return array, affine

    recipe = f"{voxel_mm} {axes}" if restated else "finite"
    return _cached(path, recipe, "finite", cache, make), said


def opened(path: Path) -> nib.nifti1.Nifti1Pair:
    """Open a NIfTI image without reading its voxels.

    Raises:
        InputError: if it can't be.
    """
    try:
        image = nib.load(path)
    except Exception as error:  # nibabel raises a dozen kinds for a broken file
        raise InputError(
            f"{path} can't be read as a NIfTI image ({type(error).__name__}); copy it again."
        ) from error
    if not isinstance(image, nib.nifti1.Nifti1Pair) or len(image.shape) < 3:
        raise InputError(f"{path} is no NIfTI volume; convert it to .nii.gz first.")
    return image


def placed_grid(path: Path) -> Grid:
    """Return the grid of an image from its header.

    Raises:
        InputError: if the image can't be opened, or its affine places nothing.
    """
    grid = grid_of(opened(path))
    if grid.is_flat:
        raise InputError(f"The affine of {path} is singular or not finite; convert the scan from DICOM again.")
    return grid


def states_no_orientation(image: nib.nifti1.Nifti1Pair) -> bool:
    """Whether a header places its voxels nowhere: no code, or the identity, which no scanner writes."""
    header = image.header
    uncoded = not int(header["qform_code"]) and not int(header["sform_code"])
    return uncoded or bool(np.array_equal(np.asarray(image.affine), np.eye(4)))


def affine_of(shape: tuple[int, ...], voxel_mm: tuple[float, ...], axes: str) -> NDArray[np.float64]:
    """Return the affine of a volume centred at the world's origin whose axes run to the given directions."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, letter in enumerate(axes):
        world, sign = _DIRECTIONS[letter]
        affine[world, axis] = sign * voxel_mm[axis]
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape[:3]) - 1) / 2)
    return affine


def _voxels(path: Path, image: nib.nifti1.Nifti1Pair) -> NDArray[np.float32]:
    try:
        array = np.asarray(image.dataobj, dtype=np.float32)
    except Exception as error:  # as above
        raise InputError(f"{path} is truncated or damaged ({type(error).__name__}); copy it again.") from error
    return array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array


def _cached(
    path: Path,
    recipe: str,
    name: str,
    cache: Path,
    make: Callable[[], tuple[NDArray[np.float32], NDArray[np.float64]]],
) -> Path:
    """Return the cache's copy of a file made by a recipe, making it if it isn't there."""
    facts = path.stat()
    text = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns} {recipe}"
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", path.name.removesuffix(".gz").rsplit(".", 1)[0])
    target = Path(cache) / f"{stem}_{hashlib.sha256(text.encode()).hexdigest()[:12]}_{name}.nii.gz"
    if not target.exists():
        array, affine = make()
        image = nib.Nifti1Image(array, affine)
        image.set_sform(affine, code=1)
        image.set_qform(affine, code=1)
        with atomic_file(target) as temporary:
            nib.save(image, temporary)
    return target


def _by(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)
