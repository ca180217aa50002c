"""Where a head lies in MNI152: an affine from the centres of its regions.

Lobes and nuclei are told by the network itself; the affine only brings two visits near each other and says when
regions lie as in no head.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.geometry import Grid
from microbleeds.regions import REGIONS
from microbleeds.segmentation.volumes import uncut

# Centres of the right side's regions, mm; the left is mirrored. Those of nilearn's MNI152 head, cut into regions
# as the simulator's heads are (`simulate/default_anatomy.py`). The brainstem is left out: where it ends is the
# scan's choice.
CENTRES_MNI_MM: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "frontal_cortex": (26.4, 24.9, 24.1),
        "frontal_white": (27.0, 18.9, 28.2),
        "parietal_cortex": (32.9, -46.9, 38.6),
        "parietal_white": (31.6, -42.6, 40.2),
        "temporal_cortex": (46.5, -24.2, -16.4),
        "temporal_white": (48.2, -31.8, -7.3),
        "occipital_cortex": (22.2, -83.4, 5.8),
        "occipital_white": (23.3, -83.0, 7.8),
        "insula_cortex": (37.5, 3.1, 0.7),
        "hippocampus": (25.4, -15.6, -16.1),
        "caudate": (13.0, 8.9, 7.7),
        "lentiform": (24.5, 0.8, 0.6),
        "thalamus": (10.8, -16.4, 3.0),
        "internal_capsule": (18.8, 0.9, 5.5),
        "corpus_callosum": (5.3, -4.2, 15.6),
        "periventricular_white": (25.3, -22.5, 11.5),
        "cerebellum": (23.0, -61.2, -36.8),
    }
)
LEAST_ML = 0.3  # a smaller patch of a region says nothing of its centre
FEWEST = 6  # regions; fewer leave the affine open
TRIM = 3.0  # times the median miss: a region beyond it is taken for wrongly segmented
STIFFNESS_MM = 5.0  # spread of centres below which the affine leans on the identity


Position = tuple[NDArray[np.float64], float]  # the affine, and by how much it misses in mm


def fit_mni(regions: NDArray[np.uint8], grid: Grid) -> Position | None:
    """Fit the affine from RAS mm to MNI152 mm to the centres of the regions.

    Regions that the field of view cuts are left out. Ridge regression towards the identity: a whole brain
    (spread of centres 40 mm) is fitted almost freely, in a small block of it (10 mm) the scales are held near 1.
    A second fit, which leaves out what missed the first, is taken where it is nearer.

    Args:
        regions: uint8 [X, Y, Z], codes of :mod:`microbleeds.regions`.
        grid: of the regions.

    Returns:
        The affine [4, 4] and the median distance in mm by which it misses; ``None`` with too few regions.
    """
    whole = uncut(regions)
    counts = np.bincount(whole.ravel(), minlength=256)
    codes = [
        code
        for code, region in REGIONS.items()
        if region.name in CENTRES_MNI_MM and counts[code] * grid.voxel_ml >= LEAST_ML
    ]
    if len(codes) < FEWEST:
        return None
    here = grid.to_mm(np.array(ndimage.center_of_mass(whole > 0, whole, codes)))
    there = np.array([_centre(code) for code in codes])
    first = _ridge(here, there)
    miss = _misses(first, here, there)
    kept = miss <= TRIM * np.median(miss)
    both = [
        (affine, float(np.median(_misses(affine, here, there))))
        for affine in (first, _ridge(here[kept], there[kept]))
    ]
    return min(both, key=lambda fit: fit[1])


def _misses(
    affine: NDArray[np.float64], here: NDArray[np.float64], there: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances [N] in mm between mapped and wanted points."""
    return np.asarray(np.linalg.norm(here @ affine[:3, :3].T + affine[:3, 3] - there, axis=1))


def _centre(code: int) -> tuple[float, float, float]:
    """Return where a region lies in MNI152, mm."""
    x, y, z = CENTRES_MNI_MM[REGIONS[code].name]
    return (x if REGIONS[code].side == "right" else -x), y, z


def _ridge(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the affine [4, 4] with the least squares, held to the identity as by :data:`STIFFNESS_MM`."""
    middle_here, middle_there = here.mean(axis=0), there.mean(axis=0)
    x, y = here - middle_here, there - middle_there
    stiffness = len(x) * STIFFNESS_MM**2 * np.eye(3)
    linear = np.linalg.solve(x.T @ x + stiffness, x.T @ y + stiffness).T
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = middle_there - linear @ middle_here
    return affine
