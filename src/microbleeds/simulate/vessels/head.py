"""What growing vessels needs to know of a head, on a coarse lattice of 1.5 mm.

The lattice covers the brain and a rim. Signed distances are negative inside the structure they are named
after. Landmarks are given in MNI mm, mapped by the head's affine and then corrected on its own labels:
sideways to its midline, onto the wall of its ventricles, out of its parenchyma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.tissues import PARENCHYMA, VENTRICLES, Tissue, among

LATTICE_MM = 1.5
RIM_MM = 12.0  # how far around the parenchyma the lattice and the intracranial CSF reach

LATERAL = (
    Tissue.VENTRICLE_LEFT,
    Tissue.VENTRICLE_RIGHT,
    Tissue.CHOROID_PLEXUS_LEFT,
    Tissue.CHOROID_PLEXUS_RIGHT,
)
CEREBELLUM = (
    Tissue.CEREBELLAR_CORTEX_LEFT,
    Tissue.CEREBELLAR_CORTEX_RIGHT,
    Tissue.CEREBELLAR_WHITE_LEFT,
    Tissue.CEREBELLAR_WHITE_RIGHT,
    Tissue.DENTATE_LEFT,
    Tissue.DENTATE_RIGHT,
)
CEREBRUM = (Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT, Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT)
WHITE = (Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT)
CORTEX = (Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT)

Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Head:
    """A head on the coarse lattice.

    Args:
        grid: lattice of 1.5 mm.
        labels: uint8 [X, Y, Z] of :class:`microbleeds.tissues.Tissue`.
        intracranial: bool [X, Y, Z], brain and the CSF around it.
        outside_parenchyma_mm: signed distance to the parenchyma, ventricles count as outside.
        outside_brain_mm: signed distance to parenchyma and ventricles together.
        to_ventricle_mm: signed distance to the lateral ventricles.
        to_cerebrum_mm, to_cerebellum_mm: distances, 0 inside.
        midline_mm: [Y, Z] x of the mid-sagittal surface in mm.
        mni_from_ras: [4, 4] affine to MNI152 mm.
    """

    grid: Grid
    labels: NDArray[np.uint8]
    intracranial: NDArray[np.bool_]
    outside_parenchyma_mm: Field
    outside_brain_mm: Field
    to_ventricle_mm: Field
    to_cerebrum_mm: Field
    to_cerebellum_mm: Field
    midline_mm: Field
    mni_from_ras: NDArray[np.float64]

    def sample(self, field: NDArray, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Return a lattice field at RAS mm [..., 3] by linear interpolation (borders repeat)."""
        ijk = self.grid.to_ijk(points_mm)
        return ndimage.map_coordinates(field, np.moveaxis(ijk, -1, 0), order=1, mode="nearest", output=float)

    def tissue_at(self, points_mm: ArrayLike) -> NDArray[np.uint8]:
        """Return the label of the nearest lattice voxel of RAS mm [..., 3]."""
        ijk = np.round(self.grid.to_ijk(points_mm)).astype(int)
        i, j, k = np.moveaxis(np.clip(ijk, 0, np.asarray(self.grid.shape) - 1), -1, 0)
        return self.labels[i, j, k]

    def where(self, *tissues: Tissue) -> NDArray[np.bool_]:
        """Return where the lattice has one of ``tissues``."""
        return among(self.labels, *tissues)

    def draw(self, mask: NDArray[np.bool_], count: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return ``count`` random RAS mm positions [N, 3] in the voxels of a lattice mask (none if empty)."""
        voxels = np.argwhere(mask)
        if not len(voxels):
            return np.zeros((0, 3))
        chosen = voxels[generator.integers(len(voxels), size=count)]
        return self.grid.to_mm(chosen + generator.uniform(-0.5, 0.5, (count, 3)))

    def midline_at(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Return x of the mid-sagittal surface at the y and z of RAS mm [..., 3]."""
        jk = self.grid.to_ijk(points_mm)[..., 1:]
        return ndimage.map_coordinates(
            self.midline_mm, np.moveaxis(jk, -1, 0), order=1, mode="nearest", output=float
        )

    def from_mni(self, points_mni_mm: ArrayLike) -> NDArray[np.float64]:
        """Map MNI mm [N, 3] into this head, with x measured from its own midline."""
        inverse = np.linalg.inv(self.mni_from_ras)
        mni = np.asarray(points_mni_mm, dtype=np.float64)
        points = mni @ inverse[:3, :3].T + inverse[:3, 3]
        centre = (mni * [0, 1, 1]) @ inverse[:3, :3].T + inverse[:3, 3]
        points[..., 0] += self.midline_at(points) - centre[..., 0]
        return points

    @property
    def axes(self) -> NDArray[np.float64]:
        """Unit vectors of this head's own right, front and top in RAS, rows of [3, 3] (heads lie tilted)."""
        left, _, right = np.linalg.svd(np.linalg.inv(self.mni_from_ras)[:3, :3].T)
        return left @ right  # the rotation next to the affine, without its shear

    def to_level(
        self, points_mm: NDArray[np.float64], field: Field, level_mm: float, reach_mm: float
    ) -> NDArray[np.float64]:
        """Move each point along the gradient of a signed distance to where it is ``level_mm``.

        No point moves farther than ``reach_mm``.
        """
        points = points_mm.copy()
        for _ in range(int(reach_mm) + 2):
            error = level_mm - self.sample(field, points)
            points += np.clip(error, -1, 1)[:, None] * self.gradient(field, points)
        shift = points - points_mm
        size = np.linalg.norm(shift, axis=1, keepdims=True)
        return points_mm + shift * np.minimum(1, reach_mm / np.maximum(size, 1e-9))

    def gradient(self, field: Field, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the unit gradient of a field at RAS mm [N, 3] by central differences of one lattice step."""
        steps = LATTICE_MM * np.eye(3)
        probes = points_mm[None] + np.concatenate([steps, -steps])[:, None]
        value = self.sample(field, probes)
        slope = (value[:3] - value[3:]).T
        return slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)

    def clear_of(
        self, field: Field, points_mm: NDArray[np.float64], clearance_mm: float, reach_mm: float
    ) -> NDArray[np.float64]:
        """Move points where a signed distance is below ``clearance_mm`` outwards, at most by ``reach_mm``."""
        return self.to_level(points_mm, np.minimum(field, clearance_mm), clearance_mm, reach_mm)


def signed_distance_mm(mask: NDArray[np.bool_]) -> Field:
    """Return the distance to ``mask`` in mm, negative inside; large where the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, 1e3, dtype=np.float32)
    distance = ndimage.distance_transform_edt(~mask) - 0.5
    # Half a voxel each, so that zero lies on the voxels' common face. Inside, the mask's box is enough.
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    inside = ndimage.distance_transform_edt(np.pad(mask[box], 1))[1:-1, 1:-1, 1:-1]
    distance[box] = np.where(mask[box], 0.5 - inside, distance[box])
    return (LATTICE_MM * distance).astype(np.float32)


def coarse_distance_mm(mask: NDArray[np.bool_]) -> Field:
    """Return the distance to ``mask`` in mm, 0 inside, computed on every second voxel (1 mm is enough)."""
    coarse = mask[::2, ::2, ::2]
    if not coarse.any():
        return np.full(mask.shape, 1e3, dtype=np.float32)
    distance = (2 * LATTICE_MM * ndimage.distance_transform_edt(~coarse)).astype(np.float32)
    for axis, size in enumerate(mask.shape):
        distance = np.repeat(distance, 2, axis=axis).take(np.arange(size), axis=axis)
    return distance


def survey(anatomy: Anatomy) -> Head:
    """Return what growing vessels needs to know of ``anatomy``.

    Raises:
        InputError: if cerebrum, cerebellum or lateral ventricles have no voxel.
    """
    _check(anatomy)
    grid, labels = _lattice(anatomy)
    parenchyma = among(labels, *PARENCHYMA)
    outside = signed_distance_mm(parenchyma)
    ventricles = among(labels, *VENTRICLES)
    inside_skull = (labels == Tissue.CSF) | parenchyma | ventricles
    intracranial = _largest(inside_skull & (outside < RIM_MM))
    return Head(
        grid=grid,
        labels=labels,
        intracranial=intracranial,
        outside_parenchyma_mm=outside,
        outside_brain_mm=signed_distance_mm(parenchyma | ventricles),
        to_ventricle_mm=ndimage.gaussian_filter(signed_distance_mm(among(labels, *LATERAL)), 0.7),
        to_cerebrum_mm=coarse_distance_mm(among(labels, *CEREBRUM)),
        to_cerebellum_mm=coarse_distance_mm(among(labels, *CEREBELLUM)),
        midline_mm=_midline(labels, grid),
        mni_from_ras=anatomy.mni_from_ras,
    )


def _check(anatomy: Anatomy) -> None:
    """Refuse a head without the structures that every course is fitted to."""
    for name, tissues in (("cerebrum", CEREBRUM), ("cerebellum", CEREBELLUM), ("lateral ventricle", LATERAL)):
        if not among(anatomy.labels, *tissues).any():
            raise InputError(
                f"The head {anatomy.name} has no voxel of the {name}; give a label map of a whole head."
            )


def _lattice(anatomy: Anatomy) -> tuple[Grid, NDArray[np.uint8]]:
    """Return the brain's box of the labels at 1.5 mm by nearest neighbour."""
    brain = np.argwhere(anatomy.labels[::2, ::2, ::2] >= Tissue.VENTRICLE_LEFT) * 2
    rim = int(RIM_MM) + 2
    start = brain.min(0) - rim
    stop = brain.max(0) + rim + 1
    grid = anatomy.grid.cropped(start, stop).with_spacing([LATTICE_MM] * 3)
    at = [
        np.round((np.arange(n) + 0.5) * LATTICE_MM - 0.5 + low).astype(int)
        for n, low in zip(grid.shape, start, strict=True)
    ]
    inside = [(a >= 0) & (a < n) for a, n in zip(at, anatomy.labels.shape, strict=True)]
    clipped = [np.clip(a, 0, n - 1) for a, n in zip(at, anatomy.labels.shape, strict=True)]
    labels = anatomy.labels[np.ix_(*clipped)].copy()
    labels[~(inside[0][:, None, None] & inside[1][:, None] & inside[2])] = Tissue.AIR
    return grid, labels


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected component of a mask."""
    components, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return components == sizes.argmax()


def _midline(labels: NDArray[np.uint8], grid: Grid) -> Field:
    """Return x in mm of the surface between the hemispheres for each (y, z) of the lattice, [Y, Z]."""
    left = among(labels, Tissue.CORTEX_LEFT, Tissue.WHITE_LEFT, Tissue.CEREBELLAR_CORTEX_LEFT)
    right = among(labels, Tissue.CORTEX_RIGHT, Tissue.WHITE_RIGHT, Tissue.CEREBELLAR_CORTEX_RIGHT)
    x = grid.to_mm(np.stack([np.arange(grid.shape[0])] + [np.zeros(grid.shape[0])] * 2, 1))[:, 0]
    column = x[:, None, None]
    # The innermost voxel of each side; where one side is missing the column says nothing.
    last_left = np.where(left, column, -np.inf).max(0)
    first_right = np.where(right, column, np.inf).min(0)
    known = np.abs(first_right - last_left) < 12
    middle = np.zeros(known.shape)
    middle[known] = (first_right[known] + last_left[known]) / 2
    result = np.full(known.shape, float(np.median(middle[known])) if known.any() else 0.0)
    for sigma in (16.0, 8.0, 3.0):  # from coarse to fine: far from the brain only the coarse one reaches
        weight = ndimage.gaussian_filter(known.astype(float), sigma)
        local = ndimage.gaussian_filter(np.where(known, middle, 0.0), sigma)
        trust = np.clip(weight / 0.2, 0, 1)
        result = (1 - trust) * result + trust * local / np.maximum(weight, 1e-9)
    return result.astype(np.float32)
