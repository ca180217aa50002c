"""The periventricular rim of a scan: white matter within 10 mm of the lateral ventricle that was found.

The network guesses the rim by its looks, but it is a matter of distance (MARS), so it is measured wherever a
ventricle was found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import parts_of_whereabouts, whereabouts
from microbleeds.networks.anatomy_classes import AnatomyClass, Place
from microbleeds.regions import LOBES
from microbleeds.ventricles import lateral_ventricles, periventricular


def with_measured_rim(where: NDArray[np.uint8], classes: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """Return whereabouts whose rim reaches exactly 10 mm from the ventricles; unchanged without any.

    The ventricle of each half of the head counts, without islands. Third and fourth ventricle may be among it:
    what lies near them is no white matter of the cerebrum, or callosum and capsules, which stay.

    Args:
        where: uint8 [X, Y, Z], see :func:`microbleeds.networks.anatomy.whereabouts`.
        classes: uint8 [X, Y, Z], codes of :class:`AnatomyClass`.
        grid: of both.
    """
    places, lobes, right = parts_of_whereabouts(where)
    found = classes == AnatomyClass.VENTRICLE
    ventricles = lateral_ventricles(found & (right == 0), found & (right == 1), grid.spacing_mm)
    if not ventricles.any():
        return where
    near = periventricular(ventricles, grid.spacing_mm)
    rim = np.uint8(Place.PERIVENTRICULAR_WHITE)
    places = np.where(near & (places < len(LOBES)), rim, places)
    return whereabouts(np.where(~near & (places == rim), lobes, places), lobes, right)
