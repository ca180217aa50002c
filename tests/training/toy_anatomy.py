"""A made-up head of ellipsoids with the main tissues, small enough for tests."""

from __future__ import annotations

import numpy as np

from microbleeds.geometry import Grid
from microbleeds.regions import code_of
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.tissues import Tissue


def toy_anatomy() -> Anatomy:
    """Return a head of 120 x 140 x 120 mm; its brain is the ellipsoid of half axes 42, 52 and 42 mm."""
    shape = (120, 140, 120)
    affine = np.eye(4)
    affine[:3, 3] = [-(n - 1) / 2 for n in shape]
    x, y, z = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij")

    def ellipsoid(a: float, b: float, c: float) -> np.ndarray:
        return (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1

    labels = np.zeros(shape, dtype=np.uint8)
    labels[ellipsoid(57, 67, 57)] = Tissue.SCALP
    labels[ellipsoid(52, 62, 52)] = Tissue.SKULL
    labels[ellipsoid(47, 57, 47)] = Tissue.CSF
    right = (x > 0).astype(np.uint8)
    for half_axes, tissue in (
        ((42, 52, 42), Tissue.CORTEX_LEFT),
        ((36, 46, 36), Tissue.WHITE_LEFT),
        ((18, 22, 12), Tissue.PUTAMEN_LEFT),
        ((6, 12, 6), Tissue.VENTRICLE_LEFT),
    ):
        where = ellipsoid(*half_axes)
        labels[where] = tissue + right[where]
    labels[(np.abs(x) < 20) & (y > 58) & (np.abs(z + 20) < 10) & (labels == Tissue.SCALP)] = Tissue.SINUS_AIR
    regions = np.zeros(shape, dtype=np.uint8)
    for tissue, name in (
        (Tissue.CORTEX_LEFT, "frontal_cortex"),
        (Tissue.WHITE_LEFT, "frontal_white"),
        (Tissue.PUTAMEN_LEFT, "lentiform"),
    ):
        for side, code in (("left", tissue), ("right", tissue + 1)):
            regions[labels == code] = code_of(name, side)  # type: ignore[arg-type]
    return Anatomy("toy", labels, Grid(shape, affine), regions, np.eye(4))
