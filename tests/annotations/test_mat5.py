"""MATLAB files of version 5, byte by byte: as SciPy writes them, and damaged in every way."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from microbleeds.annotations.mat5 import matrices, read_matrix
from microbleeds.errors import InputError


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (7, 3), (1, 1), (0, 0), (0, 3)])
def test_numbers_come_back(tmp_path, compressed, kind, shape):
    array = np.arange(np.prod(shape), dtype=kind).reshape(shape)
    path = tmp_path / "a.mat"
    savemat(path, {"first": np.eye(2), "a": array, "words": "text"}, do_compression=compressed)
    found = {matrix.name: matrix for matrix in matrices(path)}
    assert list(found) == ["first", "a", "words"]
    assert found["words"].kind == "char"
    np.testing.assert_array_equal(read_matrix(path, found["a"]), array)


def test_the_other_order_of_bytes(tmp_path: Path):
    def piece(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    numbers = np.arange(6, dtype=">f8").reshape(2, 3)
    body = piece(6, struct.pack(">II", 6, 0)) + piece(5, struct.pack(">ii", 2, 3)) + piece(1, b"cen")
    body += piece(9, numbers.tobytes(order="F"))
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + piece(14, body))
    (matrix,) = matrices(path)
    assert (matrix.name, matrix.shape, matrix.kind) == ("cen", (2, 3), "double")
    np.testing.assert_array_equal(read_matrix(path, matrix), numbers)


def test_what_is_no_real_matrix(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"z": np.ones((3, 3)) * 1j, "cell": np.array([1, "a"], dtype=object), "s": {"x": 1}})
    found = {matrix.name: matrix for matrix in matrices(path)}
    assert [matrix.kind for matrix in found.values()] == ["double", "cell", "struct"]
    with pytest.raises(InputError, match="no real numbers"):
        read_matrix(path, found["z"])


def test_version_4_is_told(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"cen": np.ones((3, 3))}, format="4")
    with pytest.raises(InputError, match="save it again with -v7"):
        matrices(path)


def test_a_claim_of_more_than_the_file_holds(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"cen": np.ones((2, 3))})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<ii", 2, 3), struct.pack("<ii", 2**30, 3)))
    (matrix,) = matrices(path)
    with pytest.raises(InputError, match="more than any scan has"):
        read_matrix(path, matrix)
    path.write_bytes(data.replace(struct.pack("<ii", 2, 3), struct.pack("<ii", 20, 3)))
    with pytest.raises(InputError, match="6 numbers where 60 belong"):
        read_matrix(path, matrices(path)[0])


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_is_always_a_sentence(tmp_path, compressed):
    path = tmp_path / "a.mat"
    savemat(path, {"cen": np.arange(30.0).reshape(10, 3), "name": "x", "v": np.ones((4, 4, 4), "u1")},
            do_compression=compressed)  # fmt: skip
    data, draw = path.read_bytes(), random.Random(5)
    refused = 0
    for n in range(300):
        damaged = bytearray(data[: draw.randrange(len(data))] if n % 3 == 0 else data)
        for _ in range(0 if n % 3 == 0 else n % 3):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(bytes(damaged))
        try:
            for matrix in matrices(path):
                read_matrix(path, matrix)
        except InputError:
            refused += 1
    assert refused > 50
