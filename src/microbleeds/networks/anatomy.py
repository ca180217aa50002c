"""The network that finds the brain and its regions on a grid of 1 x 1 x 2 mm, whatever the contrast.

A 3D U-Net with residual blocks (Kim et al., arXiv 2306.13020, section on anatomical localisation). Its finest
level lies on cells of 2 x 2 x 2 mm, where the arithmetic costs a quarter: the four voxels of a cell enter as one
vector and leave as four answers. It gives

* for each voxel the logits of :class:`AnatomyClass`. Left and right of a structure share a class, so each class
  sees twice the examples, and a mirrored head is just another example;
* for each cell the logits of :class:`Place`, the part of the cerebrum that cortex and white matter belong to;
* for each cell one logit for the right half of the head, from which the side of a paired structure follows.

:func:`regions_by_whereabouts` turns the three into codes of :mod:`microbleeds.regions`.

Input: [1, C, X, Y, Z] on canonical axes (R, A, S), X, Y, Z multiples of :data:`MULTIPLE`. C is 1, or 4 with the
coordinate maps of the paper. A batch holds one image: norms are taken over it, in use as in training.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import max_pool3d, relu_

from microbleeds.networks.anatomy_classes import CHANNELS, LAST_CHANNELS, AnatomyClass, Place
from microbleeds.regions import LOBES, REGIONS, code_of

SPACING_MM = (1.0, 1.0, 2.0)  # of the input grid; at 2 mm a perfect answer could not pass Dice 0.95 for the lobes
CELL = (2, 2, 1)  # voxels of a cell
MULTIPLE = (32, 32, 16)  # four poolings of the cells
IGNORED = 255  # code of voxels that are not to be answered

_WHOLE = {  # classes that are one region on each side
    AnatomyClass.CAUDATE: "caudate",
    AnatomyClass.LENTIFORM: "lentiform",
    AnatomyClass.THALAMUS: "thalamus",
    AnatomyClass.HIPPOCAMPUS: "hippocampus",
    AnatomyClass.BRAINSTEM: "brainstem",
    AnatomyClass.CEREBELLUM: "cerebellum",
}
_SINGLE = {"outside": AnatomyClass.OUTSIDE, "csf": AnatomyClass.CSF, "ventricle": AnatomyClass.VENTRICLE}


def region_table() -> NDArray[np.uint8]:
    """Return the region codes [class, place, side], shape [11, 9, 2]; side 1 is right.

    Cortex at one of the deep places, which is no region, is code 0: ask for its likeliest lobe.
    """
    table = np.zeros((len(AnatomyClass), len(Place), 2), dtype=np.uint8)
    for name, member in _SINGLE.items():
        table[member] = code_of(name)
    for number, side in enumerate(("left", "right")):
        for member, name in _WHOLE.items():
            table[member, :, number] = code_of(name, side)  # type: ignore[arg-type]
        for place in Place:
            name = place.name.lower()
            lobar = name in LOBES
            table[AnatomyClass.WHITE, place, number] = code_of(f"{name}_white" if lobar else name, side)  # type: ignore[arg-type]
            if lobar:
                table[AnatomyClass.CORTEX, place, number] = code_of(f"{name}_cortex", side)  # type: ignore[arg-type]
    return table


def whereabouts(
    places: NDArray[np.uint8], lobes: NDArray[np.uint8], right: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return place, lobe and side of voxels in one number, uint8: a column of :func:`regions_by_whereabouts`.

    Args:
        places: codes of :class:`Place`.
        lobes: codes of :class:`Place` among the lobes.
        right: 1 in the right half of the head, else 0.
    """
    count = np.uint8(len(Place))
    return (places * count + lobes) * np.uint8(2) + right


def parts_of_whereabouts(
    where: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the places, lobes and sides that :func:`whereabouts` made one number of."""
    rest, right = np.divmod(where, np.uint8(2))
    places, lobes = np.divmod(rest, np.uint8(len(Place)))
    return places, lobes, right


def regions_by_whereabouts() -> NDArray[np.uint8]:
    """Return the region codes [class, whereabouts], [11, 162]: cortex by its lobe, white matter by its place."""
    places, lobes, right = np.indices((len(Place), len(Place), 2)).reshape(3, -1)
    table = region_table()
    found = table[:, places, right]
    found[AnatomyClass.CORTEX] = table[AnatomyClass.CORTEX, lobes, right]
    return found


def targets_of_region() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the tables [256] from a region code to its class, place and side; :data:`IGNORED` where none is."""
    classes, places, sides = (np.full(256, IGNORED, dtype=np.uint8) for _ in range(3))
    table = region_table()
    for code, region in REGIONS.items():
        found = np.argwhere(table == code)
        classes[code] = found[0, 0]
        if region.side != "none":
            sides[code] = region.side == "right"
        if classes[code] in (AnatomyClass.CORTEX, AnatomyClass.WHITE):
            places[code] = found[0, 1]
    return classes, places, sides


class AnatomyOutput(NamedTuple):
    """What :class:`AnatomyNetwork` returns, by cells: [X / 2, Y / 2, Z] cells of a volume [X, Y, Z].

    Args:
        classes: logits [x, y, z, 4, 11] of the class of each voxel of a cell; voxels in the order of (i, j)
            parity.
        places: logits [x, y, z, 9].
        right: logits [x, y, z] of lying in the right half of the head.
    """

    classes: Tensor
    places: Tensor
    right: Tensor

    def class_volume(self) -> Tensor:
        """Return the class logits as a volume [11, X, Y, Z], in memory one slice after the other."""
        i, j, k, _, count = self.classes.shape
        by_slice = (
            self.classes.reshape(i, j, k, 2, 2, count).permute(2, 5, 0, 3, 1, 4).reshape(k, count, 2 * i, 2 * j)
        )
        return by_slice.movedim(0, -1)


def by_cells(volume: Tensor) -> Tensor:
    """Return a volume [X, Y, Z] by cells, [X / 2, Y / 2, Z, 4], in the order of :class:`AnatomyOutput`."""
    i, j, k = volume.shape
    return volume.reshape(i // 2, 2, j // 2, 2, k).permute(0, 2, 4, 1, 3).reshape(i // 2, j // 2, k, 4)


class ConvNorm(nn.Module):
    """3x3x3 convolution and a norm over the image at hand.

    For a batch of one that is instance norm; batch norm without running statistics computes the same, and twice as
    fast on processors.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(outputs, track_running_stats=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map [1, inputs, X, Y, Z] to [1, outputs, X, Y, Z]."""
        return self.norm(self.conv(features))


class ResidualBlock(nn.Module):
    """Two convolutions; the second one is a residual branch."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.entry = ConvNorm(inputs, outputs)
        self.branch = ConvNorm(outputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map [1, inputs, X, Y, Z] to [1, outputs, X, Y, Z]."""
        # In place: at the finest level each further copy costs as much as a tenth of its convolution.
        entered = relu_(self.entry(features))
        return relu_(self.branch(entered).add_(entered))


class AnatomyNetwork(nn.Module):
    """3D U-Net for the brain and its regions; see the module's description.

    Args:
        channels: features of the levels, finest first.
        last_channels: of the finest level on the way up.
        coordinates: whether the input holds the paper's three coordinate maps beside the image.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = CHANNELS,
        last_channels: int = LAST_CHANNELS,
        coordinates: bool = False,
    ) -> None:
        super().__init__()
        self.coordinates = coordinates
        self.stem = nn.Conv3d(4 if coordinates else 1, channels[0], CELL, stride=CELL)
        self.encoder = nn.ModuleList(
            ResidualBlock(before, after) for before, after in pairwise((channels[0], *channels))
        )
        rising = (last_channels, *channels[1:])
        self.rise = nn.ModuleList(
            nn.ConvTranspose3d(below, here, 2, stride=2)
            for below, here in zip(rising[1:], channels[:-1], strict=True)
        )
        self.decoder = nn.ModuleList(
            ResidualBlock(2 * here, after) for here, after in zip(channels[:-1], rising[:-1], strict=True)
        )
        self.answer = nn.Conv3d(last_channels, 4 * len(AnatomyClass) + len(Place) + 1, 1)

    def forward(self, image: Tensor) -> AnatomyOutput:
        """Segment ``image`` [1, C, X, Y, Z]: values of :func:`microbleeds.segmentation.look.normalise`, and the
        maps of :func:`coordinate_maps` where the network was built for them.
        """  # noqa: D205
        features = self.stem(image)
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            features = block(max_pool3d(features, 2) if level else features)
            skips.append(features)
        for level in reversed(range(len(self.decoder))):
            features = self.decoder[level](torch.cat([self.rise[level](features), skips[level]], dim=1))
        answers = self.answer(features)[0].permute(1, 2, 3, 0).float()
        split = 4 * len(AnatomyClass)
        classes = answers[..., :split].unflatten(-1, (4, len(AnatomyClass)))
        return AnatomyOutput(classes, answers[..., split:-1], answers[..., -1])


def coordinate_maps(
    shape: tuple[int, int, int], start: tuple[int, int, int], whole: tuple[int, int, int]
) -> Tensor:
    """Return the paper's coordinate maps [3, X, Y, Z]: x, y and z of each voxel, 0..1 over the whole volume.

    Args:
        shape: voxels of the window.
        start: of its first voxel in the volume.
        whole: voxels of the volume.
    """
    axes = [(torch.arange(n) + s) / max(1, w - 1) for n, s, w in zip(shape, start, whole, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))
