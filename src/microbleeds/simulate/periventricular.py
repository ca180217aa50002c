"""The periventricular rim: cerebral white matter within 10 mm of the lateral ventricle is deep by MARS.

The rim is measured in the head at hand, after it was bent: ventricles grow and white matter stretches, so a rim
that was drawn before would end at 8 to 11 mm. The lateral ventricle is that of :mod:`microbleeds.ventricles`, with
its choroid plexus.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microbleeds.regions import LOBES, code_of
from microbleeds.tissues import Tissue, among
from microbleeds.ventricles import lateral_ventricles, periventricular

_SIDES = (
    (Tissue.VENTRICLE_LEFT, Tissue.CHOROID_PLEXUS_LEFT),
    (Tissue.VENTRICLE_RIGHT, Tissue.CHOROID_PLEXUS_RIGHT),
)


def with_rim(
    regions: NDArray[np.uint8], labels: NDArray[np.uint8], spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)
) -> NDArray[np.uint8]:
    """Return regions whose lobar white matter near the lateral ventricle is periventricular white matter.

    Args:
        regions: uint8 [X, Y, Z], codes of :mod:`microbleeds.regions`; unchanged.
        labels: uint8 [X, Y, Z], codes of :class:`microbleeds.tissues.Tissue`.
        spacing_mm: of both.
    """
    left, right = (among(labels, *side) for side in _SIDES)
    near = periventricular(lateral_ventricles(left, right, spacing_mm), spacing_mm)
    return np.where(near, _rim_of_white()[regions], regions)


def _rim_of_white() -> NDArray[np.uint8]:
    """Return the table [256] from the white matter of each lobe to the rim of its side; the rest stays."""
    table = np.arange(256, dtype=np.uint8)
    for side in ("left", "right"):
        table[[code_of(f"{lobe}_white", side) for lobe in LOBES]] = code_of("periventricular_white", side)
    return table
