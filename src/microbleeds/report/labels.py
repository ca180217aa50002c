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

    The voxel that holds the centre is drawn even if the sphere is smaller than a voxel. Where spheres
    overlap, the lower id (the surer finding) wins.

    Returns:
        Shape ``grid.shape``; 0 elsewhere.
    """
    volume = np.zeros(grid.shape, dtype=np.uint16)
    for finding in sorted((f for f in findings if f.kept), key=lambda f: -f.id):
        _draw(volume, grid, finding)
    return volume


def write_labels(findings: Sequence[Finding], grid: Grid, path: Path) -> None:
    """Write the label image with the affine of the input file."""
    image = nib.Nifti1Image(label_volume(findings, grid), grid.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"microbleed findings, numbered by id"
    nib.save(image, path)


def _draw(volume: NDArray[np.uint16], grid: Grid, finding: Finding) -> None:
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
    i, j, k = (int(v) for v in np.clip(np.round(centre), 0, np.asarray(grid.shape) - 1))
    volume[i, j, k] = finding.id
