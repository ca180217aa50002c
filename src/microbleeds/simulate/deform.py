"""Many heads from one: random pose, shape, ventricles, atrophy and side.

The map is a *pull-back*: the new head at p (mm) shows the old head at q = A phi(p). A is affine (pose, size,
mirror); phi is the flow of a smooth velocity field on a 4 mm lattice, so it never folds. Labels and regions
are taken from the nearest old voxel by the same map. The pose of the old head in its scanner (up to 36
degrees of nodding in the known maps) is undone first: the new head looks straight ahead, save for the drawn
rotation, and the origin of its world is near that of MNI152.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation
from scipy.special import ndtr

from microbleeds.geometry import Grid
from microbleeds.regions import CSF as CSF_REGION
from microbleeds.regions import cortex_of_white
from microbleeds.regions import mirrored as mirrored_regions
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.tissues import Tissue, among, mirrored

_LATTICE_MM = 4
_STEPS = 8  # Euler steps of the flow; a step stays below 1 mm in practice
_MARGIN_MM = 8
_LOWEST_MNI_MM = -125.0  # the neck below adds nothing to the field in the brain
_DECAY_MM = 16.0  # how far the growth of the ventricles pushes into the white matter
_CORTICES = (
    Tissue.CORTEX_LEFT,
    Tissue.CORTEX_RIGHT,
    Tissue.CEREBELLAR_CORTEX_LEFT,
    Tissue.CEREBELLAR_CORTEX_RIGHT,
)


@dataclass(frozen=True)
class DeformSettings:
    """How much a head may change; pairs are limits of uniform draws, ``_sd`` of normal ones.

    Args:
        scale_sd: overall size, about 1.
        axis_scale_sd: further factor of each axis, about 1.
        rotation_sd_deg: about x (nodding), y (tilting) and z (turning).
        warps: smoothing length in mm and the limits of the displacement's standard deviation in mm.
        ventricle_growth_mm: outward shift of the walls of the lateral and third ventricles; less in a head whose
            ventricles are wide already.
        atrophy_mm: shift of the border between cortex and sulcal CSF into the cortex.
        mirror_probability: chance to swap left and right.
    """

    scale_sd: float = 0.035
    axis_scale_sd: float = 0.02
    rotation_sd_deg: tuple[float, float, float] = (6.0, 3.0, 4.0)
    warps: tuple[tuple[float, tuple[float, float]], ...] = (
        (28.0, (2.0, 4.0)),
        (13.0, (0.8, 1.8)),
        (7.0, (0.2, 0.6)),
    )
    ventricle_growth_mm: tuple[float, float] = (0.0, 6.6)
    atrophy_mm: tuple[float, float] = (0.0, 0.8)
    mirror_probability: float = 0.5


def deform(
    anatomy: Anatomy, generator: np.random.Generator, settings: DeformSettings = DeformSettings()
) -> Anatomy:
    """Return another head drawn from ``anatomy``; the same generator state gives the same head.

    Returns:
        An anatomy on its own 1 mm grid, whose ``mni_from_ras`` follows the affine part.
    """
    mirror = bool(generator.random() < settings.mirror_probability)
    old_from_new = _pose(anatomy, generator, settings, mirror)
    grid = _new_grid(anatomy, old_from_new)
    growth_mm = generator.uniform(*settings.ventricle_growth_mm) * _room_to_grow(anatomy)
    atrophy_mm = generator.uniform(*settings.atrophy_mm)
    velocity = _noise(grid, generator, settings)
    if growth_mm > 0:
        velocity += growth_mm * _ventricle_pull(anatomy, old_from_new, grid)
    labels, rimless = _pulled_back(anatomy, old_from_new, grid, flow(velocity))
    if mirror:
        labels, rimless = mirrored()[labels], mirrored_regions()[rimless]
    if atrophy_mm > 0:
        _shrink_cortex(labels, rimless, atrophy_mm)
    mni_from_ras = anatomy.mni_from_ras @ old_from_new
    if mirror:
        mni_from_ras = np.diag([-1.0, 1.0, 1.0, 1.0]) @ mni_from_ras
    return Anatomy(anatomy.name, labels, grid, rimless, mni_from_ras)


def _room_to_grow(anatomy: Anatomy) -> float:
    """Return a factor of the ventricles' growth, 0..1: above 30 ml it falls, since some old heads have 90 ml."""
    return float(min(1.0, 30_000 / max(1, anatomy.ventricles.sum())))


def _pose(
    anatomy: Anatomy, generator: np.random.Generator, settings: DeformSettings, mirror: bool
) -> NDArray[np.float64]:
    """Return the affine [4, 4] from the new head's mm to the old head's."""
    upright, origin = _upright(anatomy.mni_from_ras)
    scale = generator.normal(1, settings.scale_sd) * generator.normal(1, settings.axis_scale_sd, 3)
    angles = generator.normal(0, settings.rotation_sd_deg)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    sides = np.diag([-1.0 if mirror else 1.0, 1.0, 1.0])
    pose = np.eye(4)
    # A head of size s is shown by a pull-back that shrinks by s.
    pose[:3, :3] = upright @ sides @ np.diag(1 / np.clip(scale, 0.8, 1.25)) @ turn
    pose[:3, 3] = origin
    return pose


def _upright(mni_from_ras: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rotation [3, 3] from MNI's axes to the head's, and the head's mm of MNI's origin, [3]."""
    left, _, right = np.linalg.svd(mni_from_ras[:3, :3])
    rotation = (left @ right).T
    return np.asarray(rotation, dtype=np.float64), np.linalg.inv(mni_from_ras)[:3, 3].astype(np.float64)


def _new_grid(anatomy: Anatomy, old_from_new: NDArray[np.float64]) -> Grid:
    """Return the 1 mm grid around the posed head; what lies far below the brain is left out."""
    head = grid_points(anatomy.grid, anatomy.labels[::4, ::4, ::4] > 0, 4)
    new_from_old = np.linalg.inv(old_from_new)
    points = head @ new_from_old[:3, :3].T + new_from_old[:3, 3]
    low = np.floor(points.min(0)) - _MARGIN_MM
    high = np.ceil(points.max(0)) + _MARGIN_MM
    # The neck is cut, so no margin below it, save what every fourth voxel may have missed.
    low[2] = max(low[2] + _MARGIN_MM - 4, _LOWEST_MNI_MM)
    affine = np.eye(4)
    affine[:3, 3] = low
    shape = (high - low).astype(int) + 1
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def grid_points(grid: Grid, mask: NDArray[np.bool_], step: int) -> NDArray[np.float64]:
    """Return the RAS mm [N, 3] of the true voxels of a mask taken every ``step`` voxels of ``grid``."""
    return grid.to_mm(np.argwhere(mask) * step)


def _lattice_shape(grid: Grid) -> tuple[int, int, int]:
    """Return the number of lattice points along each axis, enough to reach past the last voxel."""
    i, j, k = (int(np.ceil((n - 1) / _LATTICE_MM)) + 2 for n in grid.shape)
    return i, j, k


def _noise(grid: Grid, generator: np.random.Generator, settings: DeformSettings) -> NDArray[np.float32]:
    """Return the sum of the random warps on the lattice, [3, x, y, z] in mm."""
    shape = _lattice_shape(grid)
    total = np.zeros((3, *shape), dtype=np.float32)
    for length_mm, limits in settings.warps:
        amplitude = generator.uniform(*limits)
        for axis in range(3):
            white = generator.standard_normal(shape, dtype=np.float32)
            smooth = ndimage.gaussian_filter(white, length_mm / _LATTICE_MM, mode="wrap")
            total[axis] += (smooth - smooth.mean()) * (amplitude / smooth.std())
    return total


def _ventricle_pull(anatomy: Anatomy, old_from_new: NDArray[np.float64], grid: Grid) -> NDArray[np.float32]:
    """Return the velocity [3, x, y, z] that shows each point what lay 1 mm nearer to the ventricles.

    It is -grad(d) exp(-d / 16 mm) with d the signed distance to their walls, smoothed over 3 mm, so that it
    turns around gently in the middle of a ventricle.
    """
    shape = _lattice_shape(grid)
    fine = tuple(2 * n for n in shape)
    ijk = np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) * 2 for n in fine], indexing="ij"))
    matrix = _voxel_map(anatomy.grid, old_from_new, grid).astype(np.float32)
    old = np.tensordot(matrix[:3, :3], ijk, axes=1) + matrix[:3, 3, None, None, None]
    labels = _take(anatomy.labels, _nearest_index(anatomy.labels.shape, old))
    inside = among(
        labels, Tissue.VENTRICLE_LEFT, Tissue.VENTRICLE_RIGHT, Tissue.VENTRICLE_THIRD,
        Tissue.CHOROID_PLEXUS_LEFT, Tissue.CHOROID_PLEXUS_RIGHT,
    )  # fmt: skip
    if not inside.any():
        return np.zeros((3, *shape), dtype=np.float32)
    distance = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    distance = ndimage.gaussian_filter(distance.astype(np.float32) * 2, 1.5)
    pull = -np.stack(np.gradient(distance, 2.0)) * np.exp(-np.maximum(distance, 0) / _DECAY_MM)
    return pull[:, ::2, ::2, ::2].astype(np.float32)


def flow(velocity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Integrate a velocity field over unit time and return the displacement, both [3, x, y, z] in mm.

    Composing small steps keeps the map one-to-one where adding the field at once would fold it.
    """
    shape = velocity.shape[1:]
    at = np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij"))
    start = at.copy()
    for _ in range(_STEPS):
        step = [ndimage.map_coordinates(v, at, order=1, mode="nearest") for v in velocity]
        at += np.stack(step) / (_STEPS * _LATTICE_MM)
    return (at - start) * _LATTICE_MM


def _voxel_map(old: Grid, old_from_new: NDArray[np.float64], new: Grid) -> NDArray[np.float64]:
    """Return the affine [4, 4] from new to old voxel coordinates."""
    return np.linalg.inv(old.affine) @ old_from_new @ new.affine


def _pulled_back(
    anatomy: Anatomy, old_from_new: NDArray[np.float64], grid: Grid, shift: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return labels and rimless regions on ``grid``, uint8 [X, Y, Z] each, for a displacement on the lattice."""
    matrix = _voxel_map(anatomy.grid, old_from_new, grid).astype(np.float32)
    # In old voxels; the lattice is small, so the affine part of the shift is turned there.
    turned = np.tensordot(matrix[:3, :3], shift, axes=1).astype(np.float32)
    j, k = (np.arange(n, dtype=np.float32) for n in grid.shape[1:])
    plane = matrix[:3, 1, None, None] * j[:, None] + matrix[:3, 2, None, None] * k + matrix[:3, 3, None, None]
    labels = np.empty(grid.shape, dtype=np.uint8)
    rimless = np.empty(grid.shape, dtype=np.uint8)
    for i in range(grid.shape[0]):
        layer = _refined(turned, 1, np.array([i]))[:, 0]
        old = _refined(_refined(layer, 1, np.arange(grid.shape[1])), 2, np.arange(grid.shape[2]))
        old += plane
        old += matrix[:3, 0, None, None] * np.float32(i)
        index = _nearest_index(anatomy.labels.shape, old)
        labels[i] = _take(anatomy.labels, index)
        rimless[i] = _take(anatomy.rimless, index)
    return labels, rimless


def _refined(values: NDArray[np.float32], axis: int, voxels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Interpolate one axis of lattice values linearly at the given 1 mm voxels."""
    low, rest = np.divmod(voxels, _LATTICE_MM)
    share = (rest / np.float32(_LATTICE_MM)).astype(np.float32)
    share = share.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    return values.take(low, axis) * (1 - share) + values.take(low + 1, axis) * share


def _nearest_index(shape: tuple[int, ...], old: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the flat index [...] of the old voxel nearest to old voxel coordinates [3, ...], -1 for air.

    Below the old image the neck goes on (its lowest slice is repeated); outside its other faces is air.
    """
    i, j, k = np.rint(old).astype(np.int32)
    k = np.maximum(k, 0)
    outside = (i < 0) | (i >= shape[0]) | (j < 0) | (j >= shape[1]) | (k >= shape[2])
    index = (i * shape[1] + j) * shape[2] + k
    index[outside] = -1
    return index


def _take(volume: NDArray[np.uint8], index: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return the values at flat indices; -1 gives 0."""
    values = volume.ravel().take(index, mode="clip")
    values[index < 0] = 0
    return values


def _shrink_cortex(labels: NDArray[np.uint8], rimless: NDArray[np.uint8], atrophy_mm: float) -> None:
    """Give the outer ``atrophy_mm`` of the cortex to the sulcal CSF, in place.

    CSF smoothed with 1 mm is above Phi(-s) at the depth s behind a flat border, and more where a gyrus is
    thin: sulci open first at the crowns, as in age. White matter laid bare by it becomes cortex.
    """
    fluid = ndimage.gaussian_filter((labels == Tissue.CSF).astype(np.float32), 1.0, truncate=3)
    lost = among(labels, *_CORTICES) & (fluid > ndtr(-atrophy_mm))
    bare = ndimage.binary_dilation(lost) & among(labels, Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT)
    labels[lost] = Tissue.CSF
    rimless[lost] = CSF_REGION
    labels[bare] -= np.uint8(Tissue.WHITE_LEFT - Tissue.CORTEX_LEFT)
    rimless[bare] = cortex_of_white()[rimless[bare]]
