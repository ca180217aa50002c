"""Where a labelled head lies in MNI152: an affine from the centres of its structures.

The MNI positions are those of the same structures in the average head (mm, RAS, right side; the left side is
mirrored). The fit is linear least squares; the extent of the cerebrum enters in a second pass, since the deep
structures alone leave the scale open.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.geometry import Grid
from microbleeds.tissues import Tissue, among

CENTRES_MNI_MM: dict[Tissue, tuple[float, float, float]] = {
    Tissue.WHITE_RIGHT: (27.0, -19.0, 19.0),
    Tissue.CAUDATE_RIGHT: (14.0, 10.0, 10.0),
    Tissue.PUTAMEN_RIGHT: (25.5, 2.0, 0.0),
    Tissue.PALLIDUM_RIGHT: (19.5, -4.0, -1.0),
    Tissue.THALAMUS_RIGHT: (11.5, -19.0, 7.0),
    Tissue.HIPPOCAMPUS_RIGHT: (26.5, -22.0, -14.0),
    Tissue.AMYGDALA_RIGHT: (23.5, -4.0, -19.0),
    Tissue.CEREBELLAR_CORTEX_RIGHT: (25.0, -63.0, -34.0),
}
MIDLINE_MNI_MM: dict[Tissue, tuple[float, float, float]] = {
    Tissue.VENTRICLE_FOURTH: (0.0, -46.0, -33.0),
}
# First and last percentile of the cerebrum's coordinates in MNI152 (mm).
CEREBRUM_EXTENT_MNI_MM = ((-64.0, 64.0), (-96.0, 64.0), (-40.0, 72.0))
_EXTENT_WEIGHT = 2.0


def mni_from_labels(labels: NDArray[np.uint8], grid: Grid) -> NDArray[np.float64]:
    """Return the approximate affine [4, 4] from a head's RAS mm to MNI152 mm.

    Args:
        labels: uint8 [X, Y, Z] tissue codes with all the cerebral structures.
        grid: grid of ``labels``.
    """
    here, there = _centres(labels, grid)
    first = _fit(here, there)
    cerebrum = among(labels, Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT, Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT)
    points = grid.to_mm(np.argwhere(cerebrum)[::7])
    extra_here, extra_there = _extents(points @ first[:3, :3].T + first[:3, 3])
    inverse = np.linalg.inv(first)
    extra_here = extra_here @ inverse[:3, :3].T + inverse[:3, 3]
    repeats = int(_EXTENT_WEIGHT)
    return _fit(np.concatenate([here, *[extra_here] * repeats]), np.concatenate([there, *[extra_there] * repeats]))


def _centres(labels: NDArray[np.uint8], grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres of the structures here and in MNI152, each [N, 3] RAS mm."""
    targets: dict[Tissue, tuple[float, float, float]] = dict(MIDLINE_MNI_MM)
    for tissue, (x, y, z) in CENTRES_MNI_MM.items():
        targets[tissue] = (x, y, z)
        targets[Tissue(tissue - 1)] = (-x, y, z)
    present = [t for t in targets if (labels == t).any()]
    ijk = ndimage.center_of_mass(labels > 0, labels, [int(t) for t in present])
    return grid.to_mm(np.asarray(ijk)), np.array([targets[t] for t in present])


def _extents(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points [6, 3] at the faces of the cerebrum, and where they lie in MNI152."""
    here, there = [], []
    centre = np.array([np.mean(pair) for pair in CEREBRUM_EXTENT_MNI_MM])
    for axis, limits in enumerate(CEREBRUM_EXTENT_MNI_MM):
        for limit, percent in zip(limits, (1, 99), strict=True):
            target = centre.copy()
            target[axis] = limit
            source = centre.copy()
            source[axis] = np.percentile(points[:, axis], percent)
            here.append(source)
            there.append(target)
    return np.array(here), np.array(there)


def _fit(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least-squares affine [4, 4] that takes ``here`` [N, 3] to ``there`` [N, 3]."""
    design = np.column_stack([here, np.ones(len(here))])
    solution = np.linalg.lstsq(design, there, rcond=None)[0]
    affine = np.eye(4)
    affine[:3] = solution.T
    return affine
