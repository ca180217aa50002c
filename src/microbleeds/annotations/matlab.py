"""MATLAB files: which variables are volumes and which are centres; versions 5 and 7.3 (HDF5, by h5py).

Only plain numeric arrays are ever read. Cells, structures, objects and function handles are named in the refusal
and not opened, and nothing in a file is evaluated. Arrays come back with MATLAB's axes (row, column, slice).

The public SWI set of Dou et al. (IEEE Trans Med Imaging 2016;35:1182) has centres ``cen`` [N, 3] in array numbers
from 1, beside NIfTI images or volumes such as ``SWI_rot``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations.images import Role
from microbleeds.annotations.mat5 import matrices, read_matrix
from microbleeds.errors import InputError
from microbleeds.extras import needing
from microbleeds.read.nifti import FEWEST_SLICES, MOST_VOXELS

SUFFIX = ".mat"
# MATLAB's own names of its plain types.
_NUMERIC = frozenset(
    ["double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "logical"]
)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_POINTS = frozenset(
    [
        "cen",
        "cens",
        "center",
        "centers",
        "centre",
        "centres",
        "centroid",
        "centroids",
        "points",
        "coords",
        "cmb",
        "cmbs",
        "gt",
    ]
)


@dataclass(frozen=True)
class Variable:
    """Name, shape and class of a variable."""

    name: str
    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class MatFile:
    """What a file holds that can be used.

    Args:
        path: the file.
        volumes: role to variable.
        points: variable with centres, if there is one.
        set_aside: names and classes of variables that aren't plain numbers.
    """

    path: Path
    volumes: dict[Role, str] = field(default_factory=dict)
    points: str | None = None
    set_aside: tuple[str, ...] = ()


def inspect(path: Path) -> MatFile:
    """Tell volumes and centres by shape and name, without reading them.

    Raises:
        InputError: if the file is damaged, or several variables could be the same thing.
    """
    variables = _variables(path)
    plain = [v for v in variables if v.kind in _NUMERIC]
    volumes: dict[Role, str] = {}
    for variable in [v for v in plain if len(v.shape) == 3 and min(v.shape) >= FEWEST_SLICES]:
        role = _role(variable.name)
        if role in volumes:
            raise InputError(
                f"{path} holds two {role} volumes ({volumes[role]}, {variable.name}); keep one of them."
            )
        if np.prod([float(n) for n in variable.shape]) > MOST_VOXELS:
            raise InputError(f"{path} claims {variable.shape} voxels in {variable.name}, more than any scan has.")
        volumes[role] = variable.name
    others = tuple(f"{v.name} ({v.kind})" for v in variables if v.kind not in _NUMERIC)
    return MatFile(path, volumes, _centres(path, plain), others)


def read_variable(path: Path, name: str) -> NDArray[np.float64]:
    """Read one numeric variable with MATLAB's axes.

    Raises:
        InputError: if it can't be read as numbers.
    """
    try:
        array = _from_hdf5(path, name) if _is_hdf5(path) else _from_version_5(path, name)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes either reader fail in a dozen ways
        raise InputError(
            f"{name} in {path} can't be read ({type(error).__name__}); save the file again."
        ) from error
    if array.dtype.kind not in "iufb":
        raise InputError(f"{name} in {path} holds {array.dtype}, not numbers; save it as a plain matrix.")
    return np.asarray(array, dtype=np.float64)


def read_centres(path: Path, name: str) -> NDArray[np.float64]:
    """Read centres [N, 3] in array numbers as they stand in the file; an empty matrix is no microbleed.

    Raises:
        InputError: if the variable has another shape or holds NaN.
    """
    array = read_variable(path, name)
    if array.size == 0:
        return np.zeros((0, 3))
    if array.ndim == 2 and array.shape[1] != 3 and array.shape[0] == 3:
        array = array.T
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise InputError(f"{name} in {path} has the shape {array.shape}; centres are a matrix of three columns.")
    return array


def _variables(path: Path) -> list[Variable]:
    try:
        if _is_hdf5(path):
            return _variables_of_hdf5(path)
        return [Variable(m.name, m.shape, m.kind) for m in matrices(path)]
    except InputError:
        raise
    except Exception as error:  # as above
        raise InputError(
            f"{path} can't be read as a MATLAB file ({type(error).__name__}); save it again."
        ) from error


def _is_hdf5(path: Path) -> bool:
    """Whether this is version 7.3: HDF5 behind MATLAB's header of 512 bytes."""
    with path.open("rb") as file:
        start = file.read(520)
    return start[:8] == _HDF5 or start[512:520] == _HDF5


def _variables_of_hdf5(path: Path) -> list[Variable]:
    with needing("train", f"{path} is a MATLAB file of version 7.3, which needs"):
        import h5py  # only who has such files needs it

    found = []
    with h5py.File(path, "r") as file:
        for name, item in file.items():
            if name.startswith("#"):
                continue
            stated = item.attrs.get("MATLAB_class", b"")
            kind = stated.decode() if isinstance(stated, bytes) else str(stated)
            if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "iufb":
                found.append(Variable(name, (), kind or "structure"))
                continue
            kind = kind or np.dtype(item.dtype).name.replace("float64", "double").replace("float32", "single")
            # An empty matrix is stored as its shape.
            shape = (0, 0) if item.attrs.get("MATLAB_empty", 0) else tuple(item.shape[::-1])
            found.append(Variable(name, shape, kind))
    return found


def _from_hdf5(path: Path, name: str) -> NDArray:
    """Read from HDF5, which stores MATLAB's axes in reverse."""
    with needing("train", f"{path} is a MATLAB file of version 7.3, which needs"):
        import h5py

    with h5py.File(path, "r") as file:
        item = file[name]
        if item.attrs.get("MATLAB_empty", 0):
            return np.zeros((0, 0))
        return np.asarray(item[()]).T


def _from_version_5(path: Path, name: str) -> NDArray:
    """Read a variable from version 5."""
    return read_matrix(path, next(matrix for matrix in matrices(path) if matrix.name == name))


def _role(name: str) -> Role:
    """Return what a volume shows by the name of its variable; an SWI if nothing says."""
    lower = name.lower()
    if any(word in lower for word in ("pha", "phs")):
        return "phase"
    if "mag" in lower:
        return "magnitude"
    if any(word in lower for word in ("mask", "label", "mip")):
        return "other"
    return "swi"


def _centres(path: Path, plain: list[Variable]) -> str | None:
    """Return the variable with centres: by its name, else the only one with three columns."""
    tables = [v for v in plain if len(v.shape) == 2 and (3 in v.shape or 0 in v.shape)]
    named = [v.name for v in tables if v.name.lower() in _POINTS]
    if len(named) == 1:
        return named[0]
    candidates = named or [v.name for v in tables if v.shape[1] == 3]
    if len(candidates) > 1:
        raise InputError(
            f"{path} holds several matrices of three columns ({', '.join(candidates)}); keep the centres."
        )
    return candidates[0] if candidates else None
