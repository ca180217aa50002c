"""How far the ventricles stand out from the white matter around them.

Fluid and white matter may have the same brightness (at 1.5 T with a small flip angle, say). Nobody sees the
ventricles' border then, the network guesses it, and the periventricular rim with it: whether a finding there is
deep or lobar can't be trusted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.networks.anatomy_classes import AnatomyClass

NEAR_VOXELS = (20, 20, 10)  # white matter within 20 mm is compared: coils light up a head unevenly
INNER = np.ones((3, 3, 1), dtype=bool)  # borders hold mixtures of both
LEAST_VOXELS = 200  # 0.4 ml of each, to say anything
LEAST_CONTRAST = 2.0  # see docs/method.md


def ventricle_contrast(image: NDArray[np.float32], classes: NDArray[np.uint8]) -> float | None:
    """Return the difference of ventricles and white matter near them, in standard deviations within either.

    The medians' difference over the root of the mean variance: the effect size of two samples, 0 where brightness
    tells nothing.

    Args:
        image: [X, Y, Z] on the network's grid of 1 x 1 x 2 mm.
        classes: uint8 [X, Y, Z], codes of :class:`AnatomyClass`.

    Returns:
        ``None`` where too little of either was found.
    """
    ventricle = classes == AnatomyClass.VENTRICLE
    if not ventricle.any():
        return None
    (box,) = ndimage.find_objects(ventricle.astype(np.uint8))
    near = tuple(
        slice(max(0, side.start - reach), side.stop + reach) for side, reach in zip(box, NEAR_VOXELS, strict=True)
    )
    fluid = image[near][ndimage.binary_erosion(ventricle[near], INNER)]
    white = image[near][ndimage.binary_erosion(classes[near] == AnatomyClass.WHITE, INNER)]
    if min(len(fluid), len(white)) < LEAST_VOXELS:
        return None
    spread = float(np.sqrt((fluid.var() + white.var()) / 2))
    return float(abs(np.median(fluid) - np.median(white))) / max(spread, 1e-6)


def hidden_ventricles(image: NDArray[np.float32], classes: NDArray[np.uint8]) -> list[str]:
    """Return a sentence where the ventricles hardly stand out, none else; arguments as above."""
    contrast = ventricle_contrast(image, classes)
    if contrast is None or contrast >= LEAST_CONTRAST:
        return []
    return [
        "The ventricles hardly stand out from the white matter in this image "
        f"(by {contrast:.1f} standard deviations; {LEAST_CONTRAST} is the least to see them by): "
        "whether a finding near them is deep or lobar is often wrong here; check each."
    ]
