"""From the network's grid to brain and regions on the scan's own grid.

Probabilities are interpolated linearly and decided on the fine grid, so that borders are smooth there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import max_pool3d, pad

from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import CELL, AnatomyClass
from microbleeds.segmentation.look import Seen, axis_weights, likeliest, likeliest_places, regions_of

RIM_VOXELS = (3, 3, 1)  # of fluid that belongs to the brain: 3 mm in plane, 2 mm along z
NEARLY_OUTSIDE = 0.9  # voxels whose neighbours are all outside with this probability need no closer look


def filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask [X, Y, Z] with its holes; by components, which is ten times as fast as by growing."""
    parts, _ = ndimage.label(~np.pad(mask, 1))
    return (parts != parts[0, 0, 0])[1:-1, 1:-1, 1:-1]


def brain_of(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return parenchyma, ventricles and a rim of fluid, without holes, bool [X, Y, Z] on the network's grid."""
    core = classes >= AnatomyClass.VENTRICLE
    field = torch.from_numpy(core)[None, None].float()
    size = tuple(2 * n + 1 for n in RIM_VOXELS)
    near = max_pool3d(field, size, stride=1, padding=RIM_VOXELS)[0, 0].numpy() > 0.5
    return filled(core | (near & (classes == AnatomyClass.CSF)))


def on_scan_grid(seen: Seen, brain: NDArray[np.bool_], grid: Grid) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return brain, bool [X, Y, Z], and region codes, uint8 [X, Y, Z], on the scan's ``grid``.

    Args:
        seen: on the network's grid.
        brain: bool, on the network's grid.
        grid: the scan's.
    """
    i, j, k = (-(-n // c) for n, c in zip(seen.view.shape, CELL, strict=True))
    by_voxel = _weights(seen.view, grid, seen.start, seen.grid.shape)
    first = tuple(s // c for s, c in zip(seen.start, CELL, strict=True))
    by_cell = _weights(Grid((i, j, k), _cell_affine(seen.view)), grid, first, seen.right.shape)
    inside = (seen.classes[AnatomyClass.OUTSIDE] < NEARLY_OUTSIDE) | brain
    box = [_span(inside, axis) for axis in range(3)]
    rows, columns, slices = (_reach(w, span) for w, span in zip(by_voxel, box, strict=True))
    fields = torch.from_numpy(np.concatenate([seen.classes, brain[None].astype(np.float32)]))
    places = torch.from_numpy(np.concatenate([seen.places, seen.right[None]]))
    found_brain = np.zeros(grid.shape, dtype=bool)
    regions = np.zeros(grid.shape, dtype=np.uint8)
    for k in range(slices.start, slices.stop):
        fine = _slice(fields, by_voxel, rows, columns, k)
        place = _slice(places, by_cell, rows, columns, k)
        found_brain[rows, columns, k] = (fine[-1] > 0.5).numpy()
        somewhere, lobe = likeliest_places(place[:-1])
        side = (place[-1] > 0.5).to(torch.uint8)
        regions[rows, columns, k] = regions_of(
            likeliest(fine[:-1]).numpy(), somewhere.numpy(), lobe.numpy(), side.numpy()
        )
    return found_brain, regions


def _weights(source: Grid, target: Grid, start: Sequence[int], shape: Sequence[int]) -> list[Tensor]:
    """Return the weights [n_target, n] of a part of ``source``; what reaches beyond it weighs nothing."""
    found = []
    for axis, (first, length) in enumerate(zip(start, shape, strict=True)):
        weights = axis_weights(source, target, axis)[:, first : first + length]
        found.append(pad(weights, (0, length - weights.shape[1])))
    return found


def _cell_affine(grid: Grid) -> NDArray[np.float64]:
    """Return the affine of the cells: their first corner is that of the voxels."""
    affine = grid.affine.copy()
    affine[:3, :3] = affine[:3, :3] * np.array(CELL)
    affine[:3, 3] = grid.to_mm((np.array(CELL) - 1) / 2)
    return affine


def _slice(fields: Tensor, weights: list[Tensor], rows: slice, columns: slice, k: int) -> Tensor:
    """Interpolate ``fields`` [C, x, y, z] to slice ``k``, [C, rows, columns]."""
    along_z = weights[2][k]
    used = torch.nonzero(along_z)[:, 0]
    plane = (fields[..., used] * along_z[used]).sum(dim=-1)
    return weights[0][rows] @ plane @ weights[1][columns].T


def _span(mask: NDArray[np.bool_], axis: int) -> slice:
    """Return the first to past-the-last index along ``axis`` that holds any of ``mask``, empty without any."""
    there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    return slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 0)


def _reach(weights: Tensor, span: slice) -> slice:
    """Return the fine voxels that take anything from the coarse voxels of ``span``, by weights [fine, coarse]."""
    there = torch.nonzero(weights[:, span].sum(dim=1) > 0)[:, 0]
    return slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 0)
