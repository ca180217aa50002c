"""The network that finds the brain and its coarse anatomy on a 3 mm grid, whatever the contrast.

A small 3D U-Net. Its finest level is at 6 mm, where the arithmetic costs an eighth: each 2 x 2 x 2 block of the
3 mm grid enters as one vector and leaves as eight answers, one per voxel. It gives three things:

* the logits of :class:`AnatomyClass`. Left and right of a structure share a class, so each class sees twice the
  examples, and a mirrored head is just another example;
* one logit for "right half of the head" (x > 0 in MNI152), from which the side of a paired structure follows;
* on the 12 mm level, the MNI152 position in units of :data:`POSITION_UNIT_MM`: a least-squares fit of it over the
  brain gives an affine to MNI152 that also holds where the field of view cuts structures off, which centroids
  of structures would not.

Input: [B, 1, X, Y, Z] on canonical axes (R, A, S), X, Y, Z multiples of :data:`MULTIPLE`.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import max_pool3d, relu

from microbleeds.tissues import Tissue

SPACING_MM = 3.0  # of the input grid; fine enough for regions, and a step of training costs a third of 2 mm
MULTIPLE = 16  # three poolings below blocks of two voxels
POSITION_STRIDE = 4  # the positions come on the 12 mm level
POSITION_UNIT_MM = 50.0  # brings MNI152 coordinates to about -2..2
CHANNELS = (24, 48, 96, 128)
OUTPUTS = 13  # twelve classes and the side


class AnatomyClass(IntEnum):
    """What the network tells apart, sides aside."""

    OUTSIDE = 0
    CSF = 1
    VENTRICLE = 2  # lateral and third
    FOURTH_VENTRICLE = 3
    CORTEX = 4
    WHITE = 5
    CAUDATE = 6
    LENTIFORM = 7  # putamen, pallidum and accumbens
    THALAMUS = 8  # with the ventral diencephalon
    HIPPOCAMPUS = 9  # with the amygdala
    BRAINSTEM = 10  # with red nucleus and substantia nigra
    CEREBELLUM = 11


_CLASS_OF_STEM = {
    "CSF": AnatomyClass.CSF,
    "VENTRICLE": AnatomyClass.VENTRICLE,
    "VENTRICLE_THIRD": AnatomyClass.VENTRICLE,
    "CHOROID_PLEXUS": AnatomyClass.VENTRICLE,
    "VENTRICLE_FOURTH": AnatomyClass.FOURTH_VENTRICLE,
    "CORTEX": AnatomyClass.CORTEX,
    "WHITE": AnatomyClass.WHITE,
    "CAUDATE": AnatomyClass.CAUDATE,
    "PUTAMEN": AnatomyClass.LENTIFORM,
    "PALLIDUM": AnatomyClass.LENTIFORM,
    "ACCUMBENS": AnatomyClass.LENTIFORM,
    "THALAMUS": AnatomyClass.THALAMUS,
    "VENTRAL_DC": AnatomyClass.THALAMUS,
    "RED_NUCLEUS": AnatomyClass.BRAINSTEM,
    "SUBSTANTIA_NIGRA": AnatomyClass.BRAINSTEM,
    "HIPPOCAMPUS": AnatomyClass.HIPPOCAMPUS,
    "AMYGDALA": AnatomyClass.HIPPOCAMPUS,
    "BRAINSTEM": AnatomyClass.BRAINSTEM,
    "CEREBELLAR_CORTEX": AnatomyClass.CEREBELLUM,
    "CEREBELLAR_WHITE": AnatomyClass.CEREBELLUM,
    "DENTATE": AnatomyClass.CEREBELLUM,
}


def class_of_tissue() -> NDArray[np.uint8]:
    """Return the table [256] from a :class:`Tissue` code to its :class:`AnatomyClass`."""
    table = np.zeros(256, dtype=np.uint8)
    for tissue in Tissue:
        stem = tissue.name.removesuffix("_LEFT").removesuffix("_RIGHT")
        table[tissue] = _CLASS_OF_STEM.get(stem, AnatomyClass.OUTSIDE)
    return table


class AnatomyOutput(NamedTuple):
    """What :class:`AnatomyNetwork` returns.

    Args:
        classes: logits [B, 12, X, Y, Z] of :class:`AnatomyClass`.
        right: logit [B, 1, X, Y, Z] of lying in the right half of the head.
        position: [B, 3, X / 4, Y / 4, Z / 4] MNI152 coordinates in :data:`POSITION_UNIT_MM`.
    """

    classes: Tensor
    right: Tensor
    position: Tensor


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions with instance norm; the second one is a residual branch."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)
        self.enter_norm = nn.InstanceNorm3d(outputs, affine=True)
        self.branch = nn.Conv3d(outputs, outputs, 3, padding=1, bias=False)
        self.branch_norm = nn.InstanceNorm3d(outputs, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map [B, inputs, X, Y, Z] to [B, outputs, X, Y, Z]."""
        entered = relu(self.enter_norm(self.enter(features)))
        return relu(entered + self.branch_norm(self.branch(entered)))


class AnatomyNetwork(nn.Module):
    """3D U-Net for brain and coarse anatomy; see the module's description.

    Args:
        channels: features of the levels at 6, 12, 24 and 48 mm.
    """

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        self.enter = nn.Conv3d(1, channels[0], 2, stride=2)
        self.encoder = nn.ModuleList(
            ResidualBlock(before, after) for before, after in pairwise((channels[0], *channels))
        )
        self.rise = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in pairwise(channels))
        self.decoder = nn.ModuleList(ResidualBlock(2 * a, a) for a, _ in pairwise(channels))
        self.leave = nn.ConvTranspose3d(channels[0], OUTPUTS, 2, stride=2)
        self.position = nn.Conv3d(channels[1], 3, 1)

    def forward(self, image: Tensor) -> AnatomyOutput:
        """Segment ``image`` [B, 1, X, Y, Z], values of :func:`microbleeds.segmentation.coarse.normalise`."""
        skips: list[Tensor] = []
        features = self.enter(image)
        for level, block in enumerate(self.encoder):
            features = block(max_pool3d(features, 2) if level else features)
            skips.append(features)
        position = features
        for level in reversed(range(len(self.decoder))):
            features = self.decoder[level](torch.cat([self.rise[level](features), skips[level]], dim=1))
            if level == 1:
                position = self.position(features)
        logits = self.leave(features)
        return AnatomyOutput(logits[:, :-1], logits[:, -1:], position)
