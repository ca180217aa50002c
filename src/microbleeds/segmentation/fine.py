"""From the coarse anatomy at 3 mm to brain, tissues and regions on the scan's own grid.

Probabilities are interpolated linearly and decided on the fine grid, so borders are smooth there, not blocks of
3 mm. A region is looked up on the coarse grid among the voxels of the same tissue.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import AnatomyClass
from microbleeds.segmentation.coarse import CoarseAnatomy, from_coarse
from microbleeds.tissues import Tissue, among

NEARLY_OUTSIDE = 0.9  # voxels whose neighbours are all outside with this probability need no closer look

_TISSUES: dict[AnatomyClass, tuple[Tissue, Tissue]] = {
    AnatomyClass.OUTSIDE: (Tissue.AIR, Tissue.AIR),
    AnatomyClass.CSF: (Tissue.CSF, Tissue.CSF),
    AnatomyClass.VENTRICLE: (Tissue.VENTRICLE_LEFT, Tissue.VENTRICLE_RIGHT),
    AnatomyClass.FOURTH_VENTRICLE: (Tissue.VENTRICLE_FOURTH, Tissue.VENTRICLE_FOURTH),
    AnatomyClass.CORTEX: (Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT),
    AnatomyClass.WHITE: (Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT),
    AnatomyClass.CAUDATE: (Tissue.CAUDATE_LEFT, Tissue.CAUDATE_RIGHT),
    AnatomyClass.LENTIFORM: (Tissue.PUTAMEN_LEFT, Tissue.PUTAMEN_RIGHT),
    AnatomyClass.THALAMUS: (Tissue.THALAMUS_LEFT, Tissue.THALAMUS_RIGHT),
    AnatomyClass.HIPPOCAMPUS: (Tissue.HIPPOCAMPUS_LEFT, Tissue.HIPPOCAMPUS_RIGHT),
    AnatomyClass.BRAINSTEM: (Tissue.BRAINSTEM, Tissue.BRAINSTEM),
    AnatomyClass.CEREBELLUM: (Tissue.CEREBELLAR_CORTEX_LEFT, Tissue.CEREBELLAR_CORTEX_RIGHT),
}
_TISSUE_TABLE = np.array([_TISSUES[AnatomyClass(c)] for c in range(len(AnatomyClass))], dtype=np.uint8)


def coarse_tissues(seen: CoarseAnatomy) -> NDArray[np.uint8]:
    """Return tissue codes [X, Y, Z] on the 3 mm grid."""
    return _TISSUE_TABLE[seen.classes, (seen.right > 0.5).astype(np.uint8)]


def _brain_field(seen: CoarseAnatomy) -> NDArray[np.float32]:
    """Return a field [X, Y, Z] on the 3 mm grid that exceeds 0.5 in the brain with its rim of fluid."""
    core = seen.classes >= AnatomyClass.VENTRICLE
    rim = ndimage.binary_dilation(core) & (seen.classes == AnatomyClass.CSF)
    filled = ndimage.binary_fill_holes(core | rim)
    inside = np.maximum(1 - seen.probabilities[AnatomyClass.OUTSIDE], 0.51)
    parenchyma = seen.probabilities[AnatomyClass.VENTRICLE :].sum(axis=0)
    return np.where(filled, inside, np.minimum(parenchyma, 0.49)).astype(np.float32)


def on_scan_grid(
    seen: CoarseAnatomy, regions: NDArray[np.uint8], grid: Grid
) -> tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.uint8]]:
    """Interpolate probabilities to the scan's grid, slice by slice, and decide there.

    Returns:
        Brain, tissues and regions on ``grid``. A voxel's region is that of the nearest 3 mm voxel of its own
        tissue, so that region borders follow the smooth tissue borders.
    """
    fields = torch.from_numpy(np.concatenate([seen.probabilities, seen.right[None], _brain_field(seen)[None]]))
    weights = from_coarse(grid, seen.grid)
    spread = SpreadRegions(coarse_tissues(seen), regions)
    brain = np.zeros(grid.shape, dtype=bool)
    tissues = np.zeros(grid.shape, dtype=np.uint8)
    fine_regions = np.zeros(grid.shape, dtype=np.uint8)
    inside = seen.probabilities[AnatomyClass.OUTSIDE] < NEARLY_OUTSIDE
    rows, columns, slices = (_reach(w, _span(inside, axis)) for axis, w in enumerate(weights))
    along_x, along_y, along_z = weights[0][rows], weights[1][columns], weights[2]
    nearest_x, nearest_y = along_x.argmax(dim=1).numpy(), along_y.argmax(dim=1).numpy()
    for k in range(slices.start, slices.stop):
        used = torch.nonzero(along_z[k])[:, 0]
        plane = (fields[..., used] * along_z[k, used]).sum(dim=-1)
        fine = along_x @ plane @ along_y.T
        side = (fine[-2] > 0.5).numpy().astype(np.uint8)
        found = _TISSUE_TABLE[_likeliest(fine[:-2]).numpy(), side]
        tissues[rows, columns, k] = found
        brain[rows, columns, k] = (fine[-1] > 0.5).numpy()
        nearest_z = int(along_z[k].argmax())
        fine_regions[rows, columns, k] = spread.look_up(found, nearest_x, nearest_y, nearest_z)
    return brain, tissues, fine_regions


def _span(mask: NDArray[np.bool_], axis: int) -> slice:
    """Return the first to past-the-last index along ``axis`` that holds any of ``mask``, empty without any."""
    there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    return slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 0)


def _reach(weights: Tensor, span: slice) -> slice:
    """Return the fine voxels that take anything from the coarse voxels of ``span``, by weights [fine, coarse]."""
    there = torch.nonzero(weights[:, span].sum(dim=1) > 0)[:, 0]
    return slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 0)


def _likeliest(fields: Tensor) -> Tensor:
    """Return the index [M, N] of the largest of ``fields`` [C, M, N]; five times as fast as argmax along C."""
    best, index = fields[0], torch.zeros(fields.shape[1:], dtype=torch.uint8)
    for number in range(1, len(fields)):
        index = torch.where(fields[number] > best, number, index)
        best = torch.maximum(best, fields[number])
    return index


class SpreadRegions:
    """Regions of the 3 mm grid, spread so that each tissue's regions reach beyond its border.

    Args:
        tissues: uint8 [X, Y, Z] tissue codes.
        regions: uint8 [X, Y, Z] region codes of the same voxels.
    """

    _PARCELLED = (
        (Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT),
        (Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT),
        (Tissue.BRAINSTEM,),
    )

    def __init__(self, tissues: NDArray[np.uint8], regions: NDArray[np.uint8]) -> None:
        self._whole = np.zeros(256, dtype=np.uint8)  # region of tissues that are one region
        for tissue in np.unique(tissues):
            self._whole[tissue] = np.bincount(regions[tissues == tissue]).argmax()
        self._spread = []
        for group in self._PARCELLED:
            here = among(tissues, *group)
            if here.any():
                index = ndimage.distance_transform_edt(~here, return_distances=False, return_indices=True)
                self._spread.append((group, regions[tuple(index)]))

    def look_up(
        self, tissues: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64], third: int
    ) -> NDArray[np.uint8]:
        """Return the region codes [M, N] of a slice.

        Args:
            tissues: [M, N] tissue codes of the slice.
            first: [M] nearest 3 mm voxel of each row.
            second: [N] nearest 3 mm voxel of each column.
            third: nearest 3 mm slice.
        """
        codes = self._whole[tissues]
        for group, spread in self._spread:
            here = among(tissues, *group)
            codes[here] = spread[:, :, third][np.ix_(first, second)][here]
        return codes
