"""From a scan to its brain mask, coarse tissues, fine regions and position in MNI152.

The image is brought to 2 mm, where :mod:`microbleeds.networks.anatomy` looks at the whole field of view at once;
its probabilities are then interpolated to the scan's grid, so that borders are smooth there.

Conventions:
    * **brain** is parenchyma, ventricles and a rim of about 2 mm of cerebrospinal fluid, without holes. The rim
      keeps bleeds at the brain's surface inside the mask.
    * **tissues** use the codes of :class:`~microbleeds.tissues.Tissue` as far as the network tells them apart: the
      lentiform nucleus is ``PUTAMEN``, the third ventricle belongs to the lateral ones, the thalamus holds the
      ventral diencephalon, the hippocampus the amygdala, cerebellar white matter is ``CEREBELLAR_CORTEX``.
    * **regions** use the codes of :mod:`microbleeds.regions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from microbleeds.compute import Compute, choose
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import (
    MULTIPLE,
    POSITION_STRIDE,
    POSITION_UNIT_MM,
    AnatomyClass,
    AnatomyNetwork,
)
from microbleeds.parcellation import regions_from_labels
from microbleeds.prepare import resampling_matrix
from microbleeds.regions import CSF, OUTSIDE, VENTRICLE, code_of
from microbleeds.scan import Scan
from microbleeds.tissues import Tissue
from microbleeds.weights.anatomy_card import load_anatomy

Float = NDArray[np.float32]

SPACING_MM = 2.0
LEAST_SHAPE = (80, 96, 80)  # smaller fields of view are padded to the smallest window of the training
LEAST_BRAIN_ML = 60.0  # below this a field of view shows too little of a brain to tell where it lies
SMALL_VIEW_ML = 400.0  # a field of view below this may lie inside of the head, where no outline can be seen
LARGEST_MISFIT_MM = 8.0  # median distance of the affine fit beyond which the position is not trusted
LEAST_CERTAINTY = 0.75  # mean probability of the chosen class in the brain; real heads give 0.85-0.95

_SIDED = {
    AnatomyClass.VENTRICLE: Tissue.VENTRICLE_LEFT,
    AnatomyClass.CORTEX: Tissue.CORTEX_LEFT,
    AnatomyClass.WHITE: Tissue.WHITE_LEFT,
    AnatomyClass.CAUDATE: Tissue.CAUDATE_LEFT,
    AnatomyClass.LENTIFORM: Tissue.PUTAMEN_LEFT,
    AnatomyClass.THALAMUS: Tissue.THALAMUS_LEFT,
    AnatomyClass.HIPPOCAMPUS: Tissue.HIPPOCAMPUS_LEFT,
    AnatomyClass.CEREBELLUM: Tissue.CEREBELLAR_CORTEX_LEFT,
}
_UNSIDED = {
    AnatomyClass.OUTSIDE: Tissue.AIR,
    AnatomyClass.CSF: Tissue.CSF,
    AnatomyClass.FOURTH_VENTRICLE: Tissue.VENTRICLE_FOURTH,
    AnatomyClass.BRAINSTEM: Tissue.BRAINSTEM,
}
_PLAIN_REGIONS = {
    Tissue.AIR: OUTSIDE,
    Tissue.CSF: CSF,
    Tissue.VENTRICLE_LEFT: VENTRICLE,
    Tissue.VENTRICLE_RIGHT: VENTRICLE,
    Tissue.VENTRICLE_FOURTH: VENTRICLE,
}
_PARCELLED = (AnatomyClass.CORTEX, AnatomyClass.WHITE, AnatomyClass.BRAINSTEM)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What lies where in a scan; arrays lie on ``grid``, the scan's canonical grid.

    Args:
        grid: grid of the arrays.
        brain: bool [X, Y, Z], see the module's description.
        tissues: uint8 [X, Y, Z], codes of :class:`Tissue`.
        regions: uint8 [X, Y, Z], codes of :mod:`microbleeds.regions`.
        mni_from_ras: [4, 4] affine from the scan's RAS mm to MNI152 mm (approximate).
        located: false when the scan shows too little of the head to tell tissues and regions; these are empty then.
        confident: whether brain, tissues and position look like those of a head.
        warnings: sentences for the reader.
    """

    grid: Grid
    brain: NDArray[np.bool_]
    tissues: NDArray[np.uint8]
    regions: NDArray[np.uint8]
    mni_from_ras: NDArray[np.float64]
    located: bool
    confident: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CoarseAnatomy:
    """The network's answer on the 2 mm grid.

    Args:
        grid: the 2 mm grid.
        probabilities: float32 [12, X, Y, Z] of :class:`AnatomyClass`.
        right: float32 [X, Y, Z], probability of the right half of the head.
        mni_mm: float32 [3, X, Y, Z] on every fourth voxel: MNI152 position of each block of 4 x 4 x 4 voxels.
    """

    grid: Grid
    probabilities: Float
    right: Float
    mni_mm: Float


def normalise(image: Tensor) -> Tensor:
    """Divide by the 99th percentile of the positive voxels (of every second one per axis) and clip to 0..1.5."""
    bright = image[::2, ::2, ::2]
    bright = bright[bright > 0]
    if bright.numel() == 0:
        return torch.zeros_like(image)
    return (image / torch.quantile(bright, 0.99).clamp_min(1e-12)).clamp(0, 1.5)
