"""Small synthetic heads with dark spots, and folders of them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid

# As dcm2niix stores an axial scan: columns to the left, rows to the front, slices upwards.
SPACING_MM = (1.2, 1.0, 4.0)
SHAPE = (112, 150, 28)
AFFINE = np.array([[-1.2, 0, 0, 66.0], [0, 1.0, 0, -75.0], [0, 0, 4.0, -50.0], [0, 0, 0, 1]])
GRID = Grid(SHAPE, AFFINE)
# In the head under every mirroring, and far from each other's mirror images.
SPOTS = np.array(
    [
        [35, 50, 9],
        [70, 45, 12],
        [48, 100, 16],
        [80, 88, 10],
        [40, 70, 19],
        [60, 110, 12],
        [30, 84, 13],
        [66, 60, 17],
    ]
)


def head(seed: int = 0, spots: NDArray = SPOTS, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.float32]:
    """Return a bright ellipsoid in air with noise, and spots that darken three slices."""
    rng = np.random.default_rng(seed)
    axes = [np.linspace(-1.1, 1.1, n) for n in shape]
    u, v, w = np.ix_(*axes)
    inside = (u / 0.95) ** 2 + (v / 0.97) ** 2 + (w / 1.0) ** 2 < 1
    image = np.where(inside, 400.0, 8.0) + rng.normal(0, 16, shape)
    i, j, k = np.ix_(*(np.arange(n) for n in shape))
    for spot in spots:
        distance2 = ((i - spot[0]) * 1.2) ** 2 + ((j - spot[1]) * 1.0) ** 2 + ((k - spot[2]) * 2.0) ** 2
        image -= 330 * np.exp(-distance2 / (2 * 1.5**2))
    return np.clip(image, 0, None).astype(np.float32)


def save(path: Path, array: NDArray, affine: NDArray = AFFINE, code: int = 1) -> Path:
    """Write a NIfTI image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=code)
    image.set_qform(affine, code=code)
    nib.save(image, path)
    return path


def save_swi(path: Path, seed: int = 0, spots: NDArray = SPOTS) -> Path:
    """Write a head as whole numbers, as scanners do."""
    return save(path, np.round(head(seed, spots)).astype(np.int16))


def blank(path: Path, shape: tuple[int, int, int] = SHAPE, affine: NDArray = AFFINE) -> Path:
    """Write an image of which only the grid matters."""
    array = np.zeros(shape, dtype=np.int16)
    array[:2] = 1
    return save(path, array, affine)


def flatten(path: Path) -> None:
    """Give an image an sform of zeros, which places nothing."""
    image = nib.load(path)
    image.header.set_sform(np.diag([0.0, 0, 0, 1]), code=1)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), path)


def write(path: Path, text: str) -> Path:
    """Write a text file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def rows(points: NDArray, mark: str = "\t") -> str:
    """Return points as lines of a table."""
    return "".join(mark.join(f"{x:g}" for x in point) + "\n" for point in points)


def close(found: NDArray, wanted: NDArray | list) -> None:
    """Demand the same positions; headers hold float32."""
    np.testing.assert_allclose(found, wanted, atol=1e-3)
