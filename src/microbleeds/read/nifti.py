"""Read one NIfTI volume, or say in one sentence why it can't be used.

Conventions:
    * The array comes back as stored (axes ``ijk`` of the file), float32, header scaling applied.
    * The sform is preferred to the qform, as nibabel does.
    * The header is judged before any voxel is read, so that a false claim costs no memory.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from numpy.typing import ArrayLike, NDArray

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, grid_of
from microbleeds.scan import Volume

SMALLEST_SPACING_MM = 0.05
LARGEST_SPACING_MM = 10.0
COARSEST_IN_PLANE_MM = 1.2
COARSEST_SLICE_MM = 6.0
FEWEST_SLICES = 8
# A 448 x 384 x 72 scan has 2^23.6 voxels; 2^29 float32 voxels are 2 GiB.
MOST_VOXELS = 2**29
# No deflate stream expands by more than 1032, so a larger claim is false whatever the file holds.
LARGEST_GZIP_RATIO = 1032
# Headers hold float32, and scanners round.
_ROUNDING_MM = 0.005
_READ_ERRORS = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, OverflowError)


def read_nifti(path: Path) -> tuple[Volume, Grid]:
    """Read a three-dimensional NIfTI image.

    Args:
        path: ``.nii``, ``.nii.gz`` or the ``.hdr``/``.img`` of a pair.

    Returns:
        The voxels [I, J, K] as float32 in the file's own axes (Fortran order), and their grid.

    Raises:
        InputError: if the file is missing or damaged, is no NIfTI image, is not a single volume of real
            numbers, holds NaN, infinity or one value only, or has a geometry that can't be used.
    """
    image = _open(Path(path))
    grid = _judged_grid(Path(path), image)
    array = _voxels(Path(path), image, grid)
    _refuse_empty(Path(path), array)
    return array, grid


def geometry_warnings(path: Path) -> tuple[str, ...]:
    """Say what in the header's geometry deserves doubt although it can be used.

    Reads the header only.

    Raises:
        InputError: if the file is missing or is no NIfTI image.
    """
    header = _open(Path(path)).header
    sform, scode = header.get_sform(coded=True)
    try:
        qform, qcode = header.get_qform(coded=True)
    except (ValueError, nib.spatialimages.HeaderDataError):
        return (f"The qform of {Path(path).name} is damaged; the sform was used.",)
    if not qcode and not scode:
        return (
            f"{Path(path).name} states no orientation (qform and sform codes are 0), so left and right, "
            "front and back can't be trusted.",
        )
    if not (qcode and scode):
        return ()
    shape = (*header.get_data_shape(), 1, 1, 1)[:3]
    if Grid(shape, qform).same_as(Grid(shape, sform), tolerance_mm=1.0):
        return ()
    apart = _farthest_corner_mm(shape, qform, sform)
    return (f"The qform and sform of {Path(path).name} disagree by up to {apart:.1f} mm; the sform was used.",)


def checked_array(name: str, values: ArrayLike, affine: ArrayLike) -> tuple[Volume, Grid]:
    """Return an image that is in memory as :func:`read_nifti` would, a copy; what it refuses is refused.

    Args:
        name: how sentences call the image.
        values: [I, J, K] real numbers.
        affine: [4, 4] matrix from voxel to RAS mm.

    Raises:
        InputError: if they can't be used.
    """
    try:
        array, matrix = np.asarray(values), np.asarray(affine, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} or its affine is no array of numbers ({_first_line(error)}).") from error
    _refuse_type(name, array.dtype)
    if array.ndim != 3:
        raise InputError(f"{name} has the shape {array.shape}; a volume with three axes is needed.")
    if matrix.shape != (4, 4):
        raise InputError(f"The affine of {name} has the shape {matrix.shape}; it must be (4, 4), voxel to RAS mm.")
    if matrix[:3].any() and not np.allclose(matrix[3], (0, 0, 0, 1)):
        last = ", ".join(f"{value:g}" for value in matrix[3])
        raise InputError(f"The last row of the affine of {name} is {last}, not 0, 0, 0, 1; was it transposed?")
    i, j, k = array.shape
    _refuse_shape(name, (i, j, k))
    grid = Grid((i, j, k), matrix)
    _refuse_geometry(name, grid)
    copied = array.astype(np.float32, order="F")
    _refuse_empty(name, copied)
    return copied, grid


def _farthest_corner_mm(shape: tuple[int, ...], one: NDArray, other: NDArray) -> float:
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.linalg.norm(((one - other) @ homogeneous)[:3], axis=0).max())


def _open(path: Path) -> nib.nifti1.Nifti1Pair:
    """Load the header alone."""
    if not path.exists():
        raise InputError(f"{path} doesn't exist; check the path.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a NIfTI file (.nii or .nii.gz).")
    try:
        image = nib.load(path)
    except EOFError as error:
        raise InputError(f"{path} is truncated (its header is not complete); copy or convert it again.") from error
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError, *_READ_ERRORS) as error:
        raise InputError(f"{path} can't be read as a NIfTI image ({_first_line(error)}).") from error
    if path.suffix.lower() in (".bz2", ".zst"):
        raise InputError(f"{path} is compressed in a way that isn't supported; unpack it, or give .nii.gz.")
    if not isinstance(image, nib.nifti1.Nifti1Pair):
        raise InputError(f"{path} is a {type(image).__name__}, not NIfTI; convert it to .nii.gz first.")
    return image


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _judged_grid(path: Path, image: nib.nifti1.Nifti1Pair) -> Grid:
    """Return the grid when type, shape and geometry can be used."""
    _refuse_type(path, image.header.get_data_dtype())
    shape = tuple(int(n) for n in image.shape)
    _refuse_shape(path, shape)
    grid = grid_of(image)
    _refuse_geometry(path, grid, np.asarray(image.header.get_zooms()[:3], dtype=np.float64))
    return grid


def _refuse_type(path: Path | str, dtype: np.dtype) -> None:
    if dtype.fields is not None:
        raise InputError(f"{path} holds colours (RGB), not intensities; give the grey-scale image.")
    if dtype.kind == "c":
        raise InputError(f"{path} holds complex numbers; give magnitude and phase as two files.")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(f"{path} has the voxel type {dtype}, which isn't supported; save it as float32 or int16.")


def _refuse_shape(path: Path | str, shape: tuple[int, ...]) -> None:
    text = " x ".join(str(n) for n in shape)
    if len(shape) > 3 and any(n != 1 for n in shape[3:]):
        raise InputError(f"{path} has {len(shape)} axes ({text}); give one volume, such as one echo.")
    if len(shape) < 3 or min(shape) < 1:
        raise InputError(f"{path} has the shape {text or 'of nothing'}; a volume with three axes is needed.")
    if np.prod([float(n) for n in shape]) > MOST_VOXELS:
        raise InputError(f"{path} claims {text} voxels, more than any scan has; its header is likely damaged.")
    if min(shape[:3]) < FEWEST_SLICES:
        raise InputError(f"{path} has only {text} voxels; at least {FEWEST_SLICES} slices are needed.")


def _refuse_geometry(path: Path | str, grid: Grid, header_mm: NDArray[np.float64] | None = None) -> None:
    if grid.is_flat:
        raise InputError(f"The affine of {path} is singular or not finite; convert the scan from DICOM again.")
    spacing_mm = grid.spacing_mm
    text = " x ".join(f"{s:.3g}" for s in spacing_mm) + " mm"
    if spacing_mm.min() <= SMALLEST_SPACING_MM + 1e-6 or spacing_mm.max() > LARGEST_SPACING_MM:
        raise InputError(f"{path} has the absurd voxel size {text}; check its header.")
    if np.array_equal(grid.affine, np.eye(4)):
        raise InputError(
            f"{path} carries an identity affine, which no scanner writes, so sizes and sides can't be "
            "trusted; convert the scan from DICOM again."
        )
    if header_mm is not None and np.abs(header_mm / spacing_mm - 1).max() > 0.05:
        stated = " x ".join(f"{s:.3g}" for s in header_mm)
        raise InputError(
            f"The header of {path} states voxels of {stated} mm but its affine {text}; correct the header."
        )
    _, in_plane, slice_mm = np.sort(spacing_mm)
    if in_plane > COARSEST_IN_PLANE_MM + _ROUNDING_MM or slice_mm > COARSEST_SLICE_MM + _ROUNDING_MM:
        raise InputError(
            f"{path} has voxels of {text}, too coarse for microbleeds; at most "
            f"{COARSEST_IN_PLANE_MM:g} x {COARSEST_IN_PLANE_MM:g} x {COARSEST_SLICE_MM:g} mm can be used."
        )


def _voxels(path: Path, image: nib.nifti1.Nifti1Pair, grid: Grid) -> Volume:
    """Read and scale the voxels; a gzip stream is read to its end so that its checksum is verified."""
    dtype, proxy = image.header.get_data_dtype(), image.dataobj
    if not isinstance(proxy, ArrayProxy):
        raise InputError(f"{path} can't be read as a NIfTI image (its voxels are not in a file).")
    holder = Path(str(image.file_map["image"].filename))
    try:
        raw = _bytes(holder, int(proxy.offset), int(np.prod(grid.shape)) * dtype.itemsize)
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path} is truncated or damaged ({_first_line(error)}); copy it again.") from error
    stored = np.frombuffer(raw, dtype=dtype).reshape(grid.shape, order="F")
    array = stored.astype(np.float32, order="F")
    if (proxy.slope, proxy.inter) != (1.0, 0.0):
        array *= np.float32(proxy.slope)
        array += np.float32(proxy.inter)
    return array


def _bytes(path: Path, offset: int, size: int) -> bytes:
    """Read ``size`` bytes at ``offset`` of a plain or gzip file; EOFError when it has fewer."""
    compressed = path.suffix.lower() == ".gz"
    held = path.stat().st_size * (LARGEST_GZIP_RATIO if compressed else 1)
    if held < offset + size:
        raise EOFError(f"{offset + size} bytes expected, at most {held} held")
    with gzip.open(path) if compressed else path.open("rb") as stream:
        stream.seek(offset)
        raw = stream.read(size)
        while compressed and stream.read(1 << 20):
            pass
    if len(raw) < size:
        raise EOFError(f"{size} bytes of voxels expected, {len(raw)} held")
    return raw


def _refuse_empty(path: Path | str, array: Volume) -> None:
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{path} contains NaN or infinite voxels; convert or mask it again without them.")
    if low == high:
        raise InputError(f"All voxels of {path} are {low:g}; there is no image in it.")
