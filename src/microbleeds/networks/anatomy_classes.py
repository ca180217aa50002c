"""What the anatomy network tells apart, and its widths, free of torch so that a weights card can hold them."""

from __future__ import annotations

from enum import IntEnum

CHANNELS = (32, 64, 128, 160, 160)  # of the levels at 2, 4, 8, 16 and 32 mm
LAST_CHANNELS = 32  # of the finest level on the way up, which holds the answers of four voxels


class AnatomyClass(IntEnum):
    """What the network tells apart in each voxel, sides aside."""

    OUTSIDE = 0
    CSF = 1
    VENTRICLE = 2
    CORTEX = 3
    WHITE = 4
    CAUDATE = 5  # with the accumbens
    LENTIFORM = 6
    THALAMUS = 7  # with the ventral diencephalon
    HIPPOCAMPUS = 8  # with the amygdala
    BRAINSTEM = 9
    CEREBELLUM = 10


class Place(IntEnum):
    """Part of the cerebrum; cortex knows the lobes alone."""

    FRONTAL = 0
    PARIETAL = 1
    TEMPORAL = 2
    OCCIPITAL = 3
    INSULA = 4
    INTERNAL_CAPSULE = 5
    EXTERNAL_CAPSULE = 6
    CORPUS_CALLOSUM = 7
    PERIVENTRICULAR_WHITE = 8
