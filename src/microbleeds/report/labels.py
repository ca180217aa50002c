"""`labels.nii.gz`: each counted finding as a sphere of its diameter, numbered by id, on the input grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.report.record import Finding

#: Drawn where no diameter could be measured; most microbleeds are 2 to 5 mm across (Greenberg 2009).
DEFAULT_DIAMETER_MM = 3.0


def label_volume(findings: Sequence[Finding], grid: Grid) -> NDArray[np.uint16]:
    """Draw the kept findings on a grid of any orientation.

    The voxel that holds a centre is its finding's own, even if the sphere is smaller than a voxel or lies inside
    another. Elsewhere, and where two centres share a voxel, the lower id (the surer finding) wins.

    Returns:
        Shape ``grid.shape``; 0 elsewhere.
    """
    volume = np.zeros(grid.shape, dtype=np.uint16)
    drawn = sorted((f for f in findings if f.kept), key=lambda f: -f.id)
    for finding in drawn:
        _draw_sphere(volume, grid, finding)
    # Last: a small finding inside a larger one that is surer would be gone from the image, though it counts.
    for finding in drawn:
        volume[_centre_voxel(grid, finding)] = finding.id
    return volume


def write_labels(findings: Sequence[Finding], grid: Grid, path: Path) -> None:
    """Write the label image with the affine of the input file."""
    image = nib.Nifti1Image(label_volume(findings, grid), grid.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"microbleed findings, numbered by id"
    nib.save(image, path)


def _draw_sphere(volume: NDArray[np.uint16], grid: Grid, finding: Finding) -> None:
    """Draw one sphere, touching only the voxels around it."""
    radius_mm = (finding.diameter_mm or DEFAULT_DIAMETER_MM) / 2
    centre = grid.to_ijk(finding.position_ras_mm)
    reach = radius_mm / grid.spacing_mm + 1
    low = np.clip(np.floor(centre - reach), 0, grid.shape).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, 0, grid.shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), -1)
    distance = np.linalg.norm(grid.to_mm(index) - np.asarray(finding.position_ras_mm), axis=-1)
    volume[box][distance <= radius_mm] = finding.id


def _centre_voxel(grid: Grid, finding: Finding) -> tuple[int, ...]:
    """Return the voxel of a finding's centre; one at the edge may lie half a voxel outside."""
    nearest = np.clip(np.round(grid.to_ijk(finding.position_ras_mm)), 0, np.asarray(grid.shape) - 1)
    return tuple(int(v) for v in nearest)
