"""What surrounds the brain of the default anatomy: CSF, skull, scalp, face, neck, eyes and air.

The template is skull-stripped, so these are shells by distance and simple shapes in MNI152 mm (|x| as x). They
exist for the background field and the outline of the image, not as anatomy: the air lies where it bends the
field most (frontal, ethmoid and sphenoid sinus, mastoid cells, ear canals, nose and throat).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.tissues import Tissue

Field = NDArray[np.floating]
Mask = NDArray[np.bool_]

_CSF_MM, _SKULL_MM, _SCALP_MM = 2.5, 6.5, 6.0
_SULCUS_MM = 9.0  # gaps in the brain up to twice this wide fill with CSF

# (centre, semi-axes) of ellipsoids in mm; x stands for |x|, so each lateral one is a pair.
_AIR = (
    ((7.0, 78.0, 4.0), (10.0, 5.0, 13.0)),  # frontal sinus
    ((7.0, 54.0, -32.0), (6.0, 17.0, 9.0)),  # ethmoid cells
    ((7.0, 22.0, -36.0), (8.0, 12.0, 9.0)),  # sphenoid sinus
    ((27.0, 52.0, -66.0), (12.0, 15.0, 15.0)),  # maxillary sinus
    ((6.0, 60.0, -58.0), (4.0, 26.0, 14.0)),  # nasal cavity
    ((0.0, 14.0, -72.0), (9.0, 8.0, 22.0)),  # nasopharynx
    ((0.0, 6.0, -110.0), (8.0, 6.0, 40.0)),  # throat
    ((62.0, -22.0, -42.0), (17.0, 4.0, 4.0)),  # ear canal
    ((54.0, -38.0, -42.0), (6.0, 9.0, 11.0)),  # mastoid cells
)
_BONE = (
    ((44.0, -27.0, -42.0), (20.0, 12.0, 10.0)),  # petrous bone
    ((54.0, -38.0, -42.0), (9.0, 13.0, 15.0)),  # mastoid
    ((7.0, 22.0, -36.0), (12.0, 17.0, 13.0)),  # sphenoid
    ((0.0, -8.0, -44.0), (11.0, 9.0, 14.0)),  # clivus
    ((7.0, 77.0, 4.0), (14.0, 9.0, 17.0)),  # brow
    ((27.0, 52.0, -66.0), (15.0, 18.0, 18.0)),  # upper jaw
    ((0.0, -46.0, -100.0), (15.0, 13.0, 30.0)),  # cervical spine
)
_EYE = ((32.0, 62.0, -36.0), (12.0, 12.0, 12.0))


def with_head(brain: NDArray[np.uint8], coordinates: tuple[Field, Field, Field]) -> NDArray[np.uint8]:
    """Return brain labels [X, Y, Z] with the head around them.

    Args:
        brain: tissue labels, 0 outside the brain.
        coordinates: |x|, y, z in MNI152 mm, broadcastable to [X, Y, Z].
    """
    x, y, z = coordinates
    cavity = _cavity(brain > 0)
    outward = _distance(cavity)
    skull = outward <= _SKULL_MM
    head = (outward <= _SKULL_MM + _SCALP_MM) | _face_and_neck(x, y, z)
    labels = np.zeros(brain.shape, dtype=np.uint8)
    labels[head] = Tissue.SCALP
    labels[skull] = Tissue.SKULL
    beneath = ndimage.binary_erosion(head, iterations=2, border_value=1)  # skin covers bone, sinuses and eyes
    for shapes, tissue in ((_BONE, Tissue.SKULL), (_AIR, Tissue.SINUS_AIR), ((_EYE,), Tissue.EYE)):
        labels[_inside(shapes, x, y, z) & beneath & ~cavity] = tissue
    # Bone at least 1.5 mm thick stays between the air and the CSF.
    labels[(labels == Tissue.SINUS_AIR) & (outward < 1.5)] = Tissue.SKULL
    labels[cavity] = Tissue.CSF
    # The cord goes on through the foramen magnum in its CSF, with soft tissue around it.
    canal = (x / 8) ** 2 + ((y + 49 + 0.1 * (z + 72)) / 8) ** 2 < 1
    labels[canal & (z < -66) & (labels > 0)] = Tissue.CSF
    labels[brain > 0] = brain[brain > 0]
    return labels


def _cavity(brain: Mask) -> Mask:
    """Return the inside of the skull: the brain with its sulci and cisterns closed, and a film of CSF."""
    small = np.pad(brain[::2, ::2, ::2], 8)
    grown = ndimage.distance_transform_edt(~small) * 2 <= _SULCUS_MM
    depth = ndimage.distance_transform_edt(grown) * 2
    # Eroding less than was grown leaves the film; smoothing removes the 2 mm steps.
    soft = ndimage.gaussian_filter((depth > _SULCUS_MM - _CSF_MM).astype(np.float32), 0.8)[8:-8, 8:-8, 8:-8]
    return (_doubled(soft, brain.shape) > 0.5) | brain


def _distance(mask: Mask) -> NDArray[np.float32]:
    """Return the distance in mm to a mask of 1 mm voxels, computed at 2 mm, interpolated linearly."""
    small = mask[::2, ::2, ::2]
    inner = ndimage.distance_transform_edt(small)
    outer = ndimage.distance_transform_edt(~small)
    return _doubled(((outer - inner) * 2).astype(np.float32), mask.shape)


def _doubled(small: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Interpolate an array sampled at every second voxel to all voxels of ``shape``, linearly."""
    result = small
    for axis, size in enumerate(shape):
        even = np.arange(size) / 2
        low = np.floor(even).astype(int)
        high = np.minimum(low + 1, result.shape[axis] - 1)
        part = 0.5 * (np.take(result, low, axis) + np.take(result, high, axis))
        odd = np.arange(size) % 2 == 1
        shaped = odd.reshape([-1 if a == axis else 1 for a in range(3)])
        result = np.where(shaped, part, np.take(result, low, axis))
    return result


def _face_and_neck(x: Field, y: Field, z: Field) -> Mask:
    """Return the outline below the brain case: a face, a nose and a neck."""
    face = (x / 62) ** 2 + ((y - 28) / 58) ** 4 + ((z + 55) / 68) ** 4 < 1
    nose = (x / 13) ** 2 + ((y - 88) / 20) ** 2 + ((z + 50) / 22) ** 2 < 1
    neck = (x / 60) ** 2 + ((y + 25) / 58) ** 2 < 1
    brow = (x / 34) ** 2 + ((y - 76) / 17) ** 2 + ((z + 2) / 28) ** 2 < 1
    return face | nose | brow | (neck & (z < -45))


def _inside(
    shapes: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...],
    x: Field,
    y: Field,
    z: Field,
) -> Mask:
    """Return the union of ellipsoids."""
    union = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), dtype=bool)
    for (cx, cy, cz), (ax, ay, az) in shapes:
        union |= ((x - cx) / ax) ** 2 + ((y - cy) / ay) ** 2 + ((z - cz) / az) ** 2 < 1
    return union
