"""The anatomy network's view of an image: what it says of each voxel of its own grid.

That grid has the axes and the first outer corner of the image's own canonical grid, so an oblique scan stays
oblique: the network was trained on tilted heads. It is padded at the far ends only, so corners keep their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool3d, interpolate

from microbleeds.compute import Compute
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import CELL, MULTIPLE, SPACING_MM, AnatomyNetwork, coordinate_maps, whereabouts
from microbleeds.networks.finite import finite
from microbleeds.prepare import Kernel, resampling_matrix
from microbleeds.regions import LOBES

Float = NDArray[np.float32]

LEAST_SHAPE = (96, 128, 48)  # a smaller field of view is padded; smaller windows were not trained on
BLOCK = (8, 8, 4)  # voxels by which air around the head is cut off, 8 mm
AIR = 0.12  # mean of a block of air at most; the brightest tissues of the head are near 1


@dataclass(frozen=True, eq=False)
class Seen:
    """The network's answer.

    Args:
        view: the grid of 1 x 1 x 2 mm that covers the whole image.
        start: [3] first voxel of ``grid`` in it.
        grid: the part of it that holds the head; all arrays lie on it.
        image: float32 [X, Y, Z] the normalised image.
        classes: float32 [11, X, Y, Z], probabilities of :class:`AnatomyClass`.
        places: float32 [9, x, y, z], probabilities of :class:`Place` on the cells of 2 x 2 x 2 mm; their first
            corner is that of ``grid``, at the far ends they may reach beyond it.
        right: float32 [x, y, z], probability of the right half of the head, on the cells.
    """

    view: Grid
    start: tuple[int, int, int]
    grid: Grid
    image: Float
    classes: Float
    places: Float
    right: Float

    @property
    def likeliest(self) -> NDArray[np.uint8]:
        """The likeliest class of each voxel, [X, Y, Z]."""
        return likeliest(torch.from_numpy(self.classes)).numpy()

    @cached_property
    def whereabouts(self) -> NDArray[np.uint8]:
        """Place, lobe and side of each voxel in one number, uint8 [X, Y, Z].

        Probabilities of the cells are interpolated to the voxels, so that borders do not run in steps of 2 mm.
        """
        x, y, z = self.grid.shape
        fields = torch.from_numpy(np.concatenate([self.places, self.right[None]])).movedim(-1, 0)[:z]
        size = (fields.shape[2] * CELL[0], fields.shape[3] * CELL[1])
        fine = interpolate(fields, size=size, mode="bilinear")[..., :x, :y].movedim(0, -1)
        place, lobe = likeliest_places(fine[:-1])
        return whereabouts(place.numpy(), lobe.numpy(), (fine[-1] > 0.5).to(torch.uint8).numpy())


def likeliest(fields: Tensor) -> Tensor:
    """Return the index, uint8 [...], of the largest of ``fields`` [C, ...]; five times as fast as argmax."""
    index, _ = _larger_than(fields[0], torch.zeros_like(fields[0], dtype=torch.uint8), fields[1:], 1)
    return index


def likeliest_places(fields: Tensor) -> tuple[Tensor, Tensor]:
    """Return the likeliest place and the likeliest lobe, uint8 [...], of probabilities [9, ...]."""
    none = torch.zeros_like(fields[0], dtype=torch.uint8)
    lobe, best = _larger_than(fields[0], none, fields[1 : len(LOBES)], 1)
    place, _ = _larger_than(best, lobe.clone(), fields[len(LOBES) :], len(LOBES))
    return place, lobe


def _larger_than(best: Tensor, index: Tensor, fields: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Return ``index``, changed to the number (from ``first`` on) of the largest field above ``best``, and it."""
    for number, field in enumerate(fields, start=first):
        index[field > best] = number
        best = torch.maximum(best, field)
    return index, best


def normalise(image: Tensor) -> Tensor:
    """Divide by the 99th percentile of the positive voxels (of some of them) and clip to 0..1.5."""
    bright = image[::3, ::3, ::2]
    bright = bright[bright > 0]
    if bright.numel() == 0:
        return torch.zeros_like(image)
    # torch.quantile takes at most 16 million values; a head at this grid has 200,000 here.
    return (image / torch.quantile(bright[:10_000_000], 0.99).clamp_min(1e-12)).clamp(0, 1.5)


def to_view(volume: NDArray, grid: Grid) -> tuple[Float, Grid]:
    """Bring a canonical volume [X, Y, Z] to the network's grid: averages where finer, linear where coarser."""
    target = grid.with_spacing(SPACING_MM)
    image = torch.from_numpy(np.ascontiguousarray(volume, dtype=np.float32))
    for axis in (2, 0, 1):  # slices are views of the last axis; thin them out first
        matrix = axis_weights(grid, target, axis)
        image = torch.tensordot(matrix, image, dims=([1], [axis])).movedim(0, axis)
    return image.contiguous().numpy(), target


def axis_weights(source: Grid, target: Grid, axis: int) -> Tensor:
    """Return the resampling weights [n_target, n_source] along one axis of grids with a common first corner."""
    ratio = float(target.spacing_mm[axis] / source.spacing_mm[axis])
    kernel: Kernel = "area" if ratio > 1 else "linear"
    return torch.from_numpy(resampling_matrix(source.shape[axis], target.shape[axis], ratio, kernel))


def look(volume: NDArray, grid: Grid, network: AnatomyNetwork, compute: Compute) -> Seen:
    """Run the network on a whole image.

    Args:
        volume: [X, Y, Z] non-negative image of any contrast on the canonical ``grid``.
        grid: its grid.
        network: in evaluation mode.
        compute: device and precision.
    """
    image, view = to_view(volume, grid)
    normal = normalise(torch.from_numpy(image))
    box = head_box(normal)
    start = (box[0].start, box[1].start, box[2].start)
    normal = normal[box].contiguous()
    padded = _padded(normal, network.coordinates)
    network = network.to(compute.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    with torch.inference_mode(), compute.autocast():
        laid = padded[None].to(compute.device, memory_format=torch.channels_last_3d)
        output = finite(partial(network, laid))
        x, y, z = normal.shape
        classes = _probabilities(output.class_volume()[:, :x, :y, :z])
        places = _probabilities(output.places.movedim(-1, 0))
        right = output.right.sigmoid().float().cpu().contiguous()
    grid = view.cropped(start, [s.stop for s in box])
    return Seen(view, start, grid, normal.numpy(), classes.numpy(), places.numpy(), right.numpy())


def _probabilities(logits: Tensor) -> Tensor:
    """Return the softmax of logits [C, X, Y, Z] in memory, one slice after the other.

    Whoever brings them to another grid reads slices; out of lines along z that takes 30 times as long.
    """
    return logits.movedim(-1, 0).contiguous().softmax(dim=1).float().cpu().movedim(0, -1)


def head_box(image: Tensor) -> tuple[slice, slice, slice]:
    """Return the box of blocks that hold signal, with a block of air around it where there is one.

    The norms of the network are taken over the image: with less air around the head they are those of the
    training, and what is not computed costs nothing.

    Args:
        image: [X, Y, Z] normalised.
    """
    first, second, third = (slice(0, size) for size in image.shape)
    whole = first, second, third
    if any(size < block for size, block in zip(image.shape, BLOCK, strict=True)):
        return whole  # less than a block, of which no mean can be taken
    means = avg_pool3d(image[None, None], BLOCK, ceil_mode=True, count_include_pad=False)[0, 0]
    there = torch.nonzero(means > AIR)
    if not len(there):
        return whole
    low, high = there.amin(dim=0).tolist(), there.amax(dim=0).tolist()
    first, second, third = (
        slice(max(0, (a - 1) * block), min(size, (b + 2) * block))
        for a, b, block, size in zip(low, high, BLOCK, image.shape, strict=True)
    )
    return first, second, third


def _padded(image: Tensor, coordinates: bool) -> Tensor:
    """Pad an image [X, Y, Z] with zeros at the far ends, and add the maps where they are wanted: [C, X, Y, Z]."""
    i, j, k = (
        max(least, -(-n // step) * step) for n, least, step in zip(image.shape, LEAST_SHAPE, MULTIPLE, strict=True)
    )
    x, y, z = image.shape
    padded = torch.zeros(1, i, j, k)
    padded[0, :x, :y, :z] = image
    return torch.cat([padded, coordinate_maps((i, j, k), (0, 0, 0), (x, y, z))]) if coordinates else padded
