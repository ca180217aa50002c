"""The same head in another pose: turned and shifted in the scanner, as between two visits.

Labels keep their voxels and their grid turns, so nothing of the head is interpolated and both visits show the
same cortex to the voxel. B0 stays the scanner's z, so the background field and every dipole are computed anew in
the new pose.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from microbleeds.geometry import Grid
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.background import background_field
from microbleeds.simulate.head import Head
from microbleeds.simulate.inclusions import Inclusion

_NECK_VOXELS = 40  # the lowest slice goes on so far, or a turned head would end in a slanted cut
_MARGIN_MM = 4


def rigid(rotation_deg: float, axis: NDArray, shift_mm: NDArray, centre_mm: NDArray) -> NDArray[np.float64]:
    """Return the [4, 4] rigid map in RAS mm that turns about ``axis`` [3] through a centre [3] and shifts."""
    turn = Rotation.from_rotvec(np.deg2rad(rotation_deg) * np.asarray(axis) / np.linalg.norm(axis)).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = np.asarray(centre_mm) + shift_mm - turn @ np.asarray(centre_mm)
    return matrix


def moved_points(matrix: NDArray, points_mm: NDArray) -> NDArray[np.float64]:
    """Apply a [4, 4] map to RAS mm points [..., 3]."""
    return np.asarray(points_mm, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def posed_head(
    head: Head, new_from_old: NDArray[np.float64], generator: np.random.Generator, device: torch.device
) -> Head:
    """Return the head after a rigid motion [4, 4] in RAS mm; the generator draws its shim."""
    old = head.anatomy
    anatomy = replace(
        old,
        grid=Grid(old.grid.shape, new_from_old @ old.grid.affine),
        mni_from_ras=old.mni_from_ras @ np.linalg.inv(new_from_old),
    )
    vessels = [replace(vessel, points_mm=moved_points(new_from_old, vessel.points_mm)) for vessel in head.vessels]
    field, grid = background_field(_along_scanner(anatomy), generator, device)
    return Head(anatomy, vessels, head.tissues, field, grid)


def moved_body(body: Inclusion, new_from_old: NDArray[np.float64], growth: float = 1.0) -> Inclusion:
    """Return a body after a rigid motion, its lengths ``growth`` times what they were."""
    middle = body.position_mm
    centres = middle + (body.centres_mm - middle) * growth
    return replace(body, centres_mm=moved_points(new_from_old, centres), radii_mm=body.radii_mm * growth)


def _along_scanner(anatomy: Anatomy) -> Anatomy:
    """Return a turned head on a grid along the scanner's axes, nearest labels: good for a field on 2 mm."""
    affine = anatomy.grid.affine.copy()
    affine[:3, 3] -= _NECK_VOXELS * affine[:3, 2]
    labels = np.concatenate([np.repeat(anatomy.labels[:, :, :1], _NECK_VOXELS, axis=2), anatomy.labels], axis=2)
    corners = anatomy.grid.to_mm(np.argwhere(anatomy.labels[::4, ::4, ::4] > 0) * 4)
    low = np.floor(corners.min(0)) - _MARGIN_MM
    low[2] += _MARGIN_MM  # below the neck there's no air
    high = np.ceil(corners.max(0)) + _MARGIN_MM
    target = np.eye(4)
    target[:3, 3] = low
    i, j, k = (int(n) + 1 for n in high - low)
    step = np.linalg.inv(affine) @ target
    upright = ndimage.affine_transform(labels, step[:3, :3], step[:3, 3], output_shape=(i, j, k), order=0)
    # Regions play no part in the field.
    return replace(anatomy, labels=upright, grid=Grid((i, j, k), target), rimless=np.zeros_like(upright))
