"""Small structures that label maps lack: red nucleus, substantia nigra, dentate and choroid plexus.

Each is a simple shape in MNI152 mm inside the structure that holds it. An affine places a head's midbrain only
within some mm, so a shape moves with the centre of its host (the ventral diencephalon, the cerebellar white
matter) in that head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.geometry import Grid
from microbleeds.tissues import Tissue

Points = NDArray[np.float64]

# Usual centres of the hosts, right side, RAS mm in MNI152 (means over 16 label maps), and of the shapes.
_VENTRAL_DC_CENTRE = np.array([11.5, -15.5, -8.5])
_CEREBELLAR_WHITE_CENTRE = np.array([17.0, -53.0, -31.5])
_DENTATE_CENTRE = np.array([14.5, -56.0, -35.0])
_TRIGONE_CENTRE = np.array([24.0, -42.0, 10.0])


def add_nuclei(labels: NDArray[np.uint8], grid: Grid, mni_from_ras: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a copy of tissue labels [X, Y, Z] with the small nuclei; what is labelled already stays."""
    result = labels.copy()
    for right in (False, True):
        _add_midbrain(result, grid, mni_from_ras, right)
        _add_dentate(result, grid, mni_from_ras, right)
        if not (labels == Tissue.CHOROID_PLEXUS_LEFT + right).any():
            _add_choroid_plexus(result, grid, mni_from_ras, right)
    return result


def _mirrored_mni(
    host: NDArray[np.bool_], grid: Grid, mni_from_ras: NDArray[np.float64], right: bool
) -> tuple[NDArray[np.int64], Points]:
    """Return the voxels [N, 3] of a mask and their MNI152 mm [N, 3], mirrored to the right side."""
    ijk = np.argwhere(host)
    points = grid.to_mm(ijk) @ mni_from_ras[:3, :3].T + mni_from_ras[:3, 3]
    points[:, 0] *= 1 if right else -1
    return ijk, points


def _put(labels: NDArray[np.uint8], ijk: NDArray[np.int64], where: NDArray[np.bool_], tissue: int) -> None:
    """Write a tissue at the voxels [N, 3] chosen by ``where`` [N], in place."""
    labels[tuple(ijk[where].T)] = tissue


def _add_midbrain(labels: NDArray[np.uint8], grid: Grid, mni_from_ras: NDArray[np.float64], right: bool) -> None:
    """Place red nucleus (a ball of 6 mm) and substantia nigra (an oblique plate of 4 mm) of one side."""
    diencephalon = labels == Tissue.VENTRAL_DC_LEFT + right
    if not diencephalon.any():
        return
    _, inside = _mirrored_mni(diencephalon, grid, mni_from_ras, right)
    shift = inside.mean(0) - _VENTRAL_DC_CENTRE
    host = diencephalon | (labels == Tissue.BRAINSTEM)
    ijk, points = _mirrored_mni(host, grid, mni_from_ras, right)
    points = points - shift
    red = np.linalg.norm((points - (5.0, -20.5, -9.0)) / (3.2, 3.2, 3.8), axis=1) < 1
    plate = points - (10.0, -17.0, -12.5)
    # The plate runs from before the red nucleus outwards and backwards, 38 degrees in the axial plane.
    along = 0.79 * plate[:, 0] - 0.61 * plate[:, 1]
    across = 0.61 * plate[:, 0] + 0.79 * plate[:, 1]
    nigra = (along / 7.0) ** 2 + (across / 2.2) ** 2 + (plate[:, 2] / 5.0) ** 2 < 1
    own_side = points[:, 0] > 0.5
    _put(labels, ijk, nigra & own_side, Tissue.SUBSTANTIA_NIGRA_LEFT + right)
    _put(labels, ijk, red & own_side, Tissue.RED_NUCLEUS_LEFT + right)


def _add_dentate(labels: NDArray[np.uint8], grid: Grid, mni_from_ras: NDArray[np.float64], right: bool) -> None:
    """Place the dentate of one side: a crumpled shell 2.5 mm thick, open to the front and the midline."""
    host = labels == Tissue.CEREBELLAR_WHITE_LEFT + right
    if not host.any():
        return
    ijk, points = _mirrored_mni(host, grid, mni_from_ras, right)
    shift = np.clip(points.mean(0) - _CEREBELLAR_WHITE_CENTRE, -2.5, 2.5)
    offset = points - _DENTATE_CENTRE - shift
    # The long axis points backwards and outwards by 35 degrees.
    along = -0.82 * offset[:, 1] + 0.57 * offset[:, 0]
    across = 0.82 * offset[:, 0] + 0.57 * offset[:, 1]
    radius = np.sqrt((along / 9.5) ** 2 + (across / 5.5) ** 2 + (offset[:, 2] / 6.5) ** 2)
    hilum = (across < -1.5) & (along < 5)
    _put(labels, ijk, (radius < 1) & (radius > 0.6) & ~hilum, Tissue.DENTATE_LEFT + right)


def _add_choroid_plexus(
    labels: NDArray[np.uint8], grid: Grid, mni_from_ras: NDArray[np.float64], right: bool
) -> None:
    """Place the glomus of the choroid plexus in the trigone of one side: the inner part of the ventricle."""
    ventricle = labels == Tissue.VENTRICLE_LEFT + right
    if not ventricle.any():
        return
    box = ndimage.find_objects(ventricle.astype(np.uint8))[0]
    depth = ndimage.distance_transform_edt(np.pad(ventricle[box], 1))[1:-1, 1:-1, 1:-1]
    ijk, points = _mirrored_mni(ventricle, grid, mni_from_ras, right)
    offset = (points - _TRIGONE_CENTRE) / (11.0, 9.0, 9.0)
    inner = depth[tuple((ijk - [s.start for s in box]).T)] > 1.5
    chosen = inner & (np.linalg.norm(offset, axis=1) < 1)
    _put(labels, ijk, chosen, Tissue.CHOROID_PLEXUS_LEFT + right)
