"""Numeric matrices of MATLAB files of version 5 (``save`` without ``-v7.3``), and the names of all else in them.

The format is published (MathWorks, "MAT-File Format"): a header of 128 bytes, then elements, each with its type
and size, most of them deflated. SciPy's reader takes the types in a damaged file on trust and can end the whole
process (segmentation fault in SciPy 1.17; one wrong byte is enough), so these few kinds are read here and every
size is checked.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.read.nifti import MOST_VOXELS

HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {
    1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single", 8: "int8", 9: "uint8",
    10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64", 16: "function", 17: "object",
}  # fmt: skip
_COMPLEX = 0x08
_LONGEST_NAME, _MOST_AXES = 63, 32  # MATLAB's own limits are 63 letters and no limit; a volume has three axes
# Flags, axes and name come first and take less than this.
_START_BYTES = 1024


@dataclass(frozen=True)
class Matrix:
    """A variable of a file.

    Args:
        name: of the variable.
        shape: number of rows, columns ...
        kind: MATLAB's class.
        offset: of its bytes in the file, behind the tag.
        size: in bytes, as stored.
        compressed: whether they are deflated.
        order: ``<`` or ``>``, the order of bytes.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    offset: int
    size: int
    compressed: bool
    order: str


class _Reader:
    """Takes tagged pieces off a run of bytes and refuses to run past its end."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order, self.at = data, order, 0

    def piece(self) -> tuple[int, bytes]:
        """Return type and bytes of the next piece."""
        word, size = self._words()
        self.at += 4
        if word >> 16:  # four bytes or fewer stand in the tag itself
            kind, size = word & 0xFFFF, word >> 16
            skipped = 4
        else:
            kind, skipped = word, size + -size % 8
            self.at += 4
        if size > 4 and skipped == 4:
            raise ValueError("a short piece is too long")
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise EOFError
        self.at += skipped
        return kind, found

    def _words(self) -> tuple[int, int]:
        word, size = struct.unpack_from(f"{self.order}II", self.data.ljust(self.at + 8, b"\0"), self.at)
        if self.at + 8 > len(self.data):
            raise EOFError
        return word, size


def matrices(path: Path) -> list[Matrix]:
    """List the variables of a file without reading their contents.

    Raises:
        InputError: if it is no MATLAB file of version 5, or damaged.
    """
    try:
        with path.open("rb") as file:
            order = _byte_order(path, file.read(HEADER_BYTES))
            end = path.stat().st_size
            found = []
            while file.tell() + 8 <= end:
                word, size = struct.unpack(f"{order}II", file.read(8))
                offset = file.tell()
                if offset + size > end:
                    raise EOFError
                if word in (_MATRIX, _COMPRESSED):
                    found.append(_described(file, offset, size, word == _COMPRESSED, order))
                file.seek(offset + size + (0 if word == _COMPRESSED else -size % 8))
            return found
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} can't be read as a MATLAB file (it is damaged); save it again.") from error


def read_matrix(path: Path, matrix: Matrix) -> NDArray:
    """Read a real numeric matrix, axes as in MATLAB.

    Raises:
        InputError: if it isn't one, or the file is damaged.
    """
    count = int(np.prod([float(n) for n in matrix.shape]))
    if count > MOST_VOXELS:
        raise InputError(f"{path} claims {matrix.shape} numbers in {matrix.name}, more than any scan has.")
    try:
        with path.open("rb") as file:
            # Numbers take at most 8 bytes each; the pieces before them far less than the rest.
            content = _content(file, matrix, _START_BYTES + 8 * count)
        reader = _Reader(content, matrix.order)
        _, flags = reader.piece()
        reader.piece(), reader.piece()
        stored, raw = reader.piece() if count else (9, b"")
        if flags[1 if matrix.order == "<" else 2] & _COMPLEX or stored not in _STORED:
            raise InputError(f"{matrix.name} in {path} holds no real numbers; save it as a plain matrix.")
        array = np.frombuffer(raw, dtype=np.dtype(f"{matrix.order}{_STORED[stored]}"))
    except (OSError, EOFError, ValueError, IndexError, struct.error, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{matrix.name} in {path} can't be read (the file is damaged); save it again.") from error
    if array.size != count:
        raise InputError(f"{matrix.name} in {path} has {array.size} numbers where {count} belong; save it again.")
    return array.reshape(matrix.shape, order="F")


def _byte_order(path: Path, header: bytes) -> str:
    """Return the order of bytes that the header states."""
    mark, version = header[126:128], header[124:126]
    if mark == b"IM" and version == b"\x00\x01":
        return "<"
    if mark == b"MI" and version == b"\x01\x00":
        return ">"
    raise InputError(f"{path} can't be read as a MATLAB file of version 5 or 7.3; save it again with -v7.")


def _content(file: BinaryIO, matrix: Matrix, longest: int) -> bytes:
    """Return at most ``longest`` bytes of a matrix, inflated, behind its own tag."""
    file.seek(matrix.offset)
    raw = file.read(matrix.size if matrix.compressed else min(matrix.size, longest))
    if not matrix.compressed:
        return raw
    return zlib.decompressobj().decompress(raw, longest + 8)[8:]


def _described(file: BinaryIO, offset: int, size: int, compressed: bool, order: str) -> Matrix:
    """Read flags, axes and name of a matrix."""
    bare = Matrix("", (), "", offset, size, compressed, order)
    if not size:  # what MATLAB writes for an empty cell's content
        return bare
    file.seek(offset)
    reader = _Reader(_content(file, bare, _START_BYTES), order)
    _, flags = reader.piece()
    kind = _CLASSES.get(flags[0 if order == "<" else 3], "unknown")
    if kind == "object":  # these have no axes
        return Matrix("an object", (), kind, offset, size, compressed, order)
    _, axes = reader.piece()
    _, name = reader.piece()
    shape = tuple(int(n) for n in np.frombuffer(axes, dtype=f"{order}i4"))
    if len(shape) > _MOST_AXES or min(shape, default=-1) < 0 or len(name) > _LONGEST_NAME:
        raise ValueError("absurd shape or name")
    return Matrix(name.decode("ascii", "replace"), shape, kind, offset, size, compressed, order)
