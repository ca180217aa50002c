"""The tissue classes of a whole head, as data.

A label volume holds one :class:`Tissue` code per voxel (uint8). Paired structures come as ``_LEFT`` then
``_RIGHT`` with consecutive codes; left is the subject's left, x < 0 in RAS mm.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Tissue(IntEnum):
    """Tissue codes of a head's label volume."""

    AIR = 0  # outside the head
    SINUS_AIR = 1  # paranasal sinuses, mastoid cells, pharynx, ear canals
    SCALP = 2  # skin, fat, muscle and every other soft tissue outside the skull
    SKULL = 3
    EYE = 4
    CSF = 5  # sulcal and cisternal
    VENTRICLE_LEFT = 6  # lateral, with the inferior horn
    VENTRICLE_RIGHT = 7
    VENTRICLE_THIRD = 8
    VENTRICLE_FOURTH = 9
    CORTEX_LEFT = 10
    CORTEX_RIGHT = 11
    WHITE_LEFT = 12
    WHITE_RIGHT = 13
    CAUDATE_LEFT = 14
    CAUDATE_RIGHT = 15
    PUTAMEN_LEFT = 16
    PUTAMEN_RIGHT = 17
    PALLIDUM_LEFT = 18
    PALLIDUM_RIGHT = 19
    ACCUMBENS_LEFT = 20
    ACCUMBENS_RIGHT = 21
    THALAMUS_LEFT = 22
    THALAMUS_RIGHT = 23
    HIPPOCAMPUS_LEFT = 24
    HIPPOCAMPUS_RIGHT = 25
    AMYGDALA_LEFT = 26
    AMYGDALA_RIGHT = 27
    VENTRAL_DC_LEFT = 28
    VENTRAL_DC_RIGHT = 29
    BRAINSTEM = 30
    CEREBELLAR_CORTEX_LEFT = 31
    CEREBELLAR_CORTEX_RIGHT = 32
    CEREBELLAR_WHITE_LEFT = 33
    CEREBELLAR_WHITE_RIGHT = 34
    RED_NUCLEUS_LEFT = 35
    RED_NUCLEUS_RIGHT = 36
    SUBSTANTIA_NIGRA_LEFT = 37
    SUBSTANTIA_NIGRA_RIGHT = 38
    DENTATE_LEFT = 39
    DENTATE_RIGHT = 40
    CHOROID_PLEXUS_LEFT = 41
    CHOROID_PLEXUS_RIGHT = 42


VENTRICLES = (
    Tissue.VENTRICLE_LEFT,
    Tissue.VENTRICLE_RIGHT,
    Tissue.VENTRICLE_THIRD,
    Tissue.VENTRICLE_FOURTH,
    Tissue.CHOROID_PLEXUS_LEFT,
    Tissue.CHOROID_PLEXUS_RIGHT,
)
PARENCHYMA = tuple(t for t in Tissue if t >= Tissue.CORTEX_LEFT and t not in VENTRICLES)


def among(labels: NDArray[np.uint8], *tissues: Tissue) -> NDArray[np.bool_]:
    """Return where a label volume [X, Y, Z] holds one of ``tissues``, shape [X, Y, Z]."""
    table = np.zeros(256, dtype=bool)
    table[[int(tissue) for tissue in tissues]] = True
    return table[labels]


def mirrored() -> NDArray[np.uint8]:
    """Return the table [256] that swaps the left and right member of every paired tissue."""
    table = np.arange(256, dtype=np.uint8)
    for tissue in Tissue:
        if tissue.name.endswith("_LEFT"):
            table[tissue], table[tissue + 1] = tissue + 1, tissue
    return table
