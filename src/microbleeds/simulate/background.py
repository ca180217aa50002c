"""The background field of the head: air, bone and soft tissue, minus what the scanner's shim takes away.

It is computed on a 2 mm lattice of the whole head and brought to the fine image grid with cubic B-splines:
trilinear upsampling makes 2 mm stripes in the phase.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import BSpline
from torch import Tensor

from microbleeds.geometry import Grid
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.field import dipole_field
from microbleeds.tissues import Tissue

# ppm relative to air, so that zero padding is exact.
TISSUE_PPM, BONE_PPM = -9.4, -11.5
LATTICE_MM = 2.0
NECK_MM = 80.0
PADDING_MM = (100.0, 100.0, 130.0)


def background_field(
    anatomy: Anatomy, generator: np.random.Generator, device: torch.device
) -> tuple[NDArray[np.float32], Grid]:
    """Return the shimmed background field in ppm on a 2 mm lattice in RAS axes, and the lattice.

    Second-order shim terms are removed by a random 50 to 100 %, as scanners do not always use them.
    """
    labels = anatomy.labels[::2, ::2, ::2]
    grid = anatomy.grid.with_spacing((LATTICE_MM,) * 3)
    affine = grid.affine.copy()
    affine[:3, 3] = anatomy.grid.affine[:3, 3]  # every second voxel: the first centre stays where it was
    neck = int(NECK_MM / LATTICE_MM)
    first = int(np.flatnonzero((labels != Tissue.AIR).any(axis=(0, 1)))[0])
    labels = np.concatenate([np.repeat(labels[:, :, first : first + 1], neck, axis=2), labels[:, :, first:]], 2)
    affine[:3, 3] += affine[:3, 2] * (first - neck)
    chi = torch.as_tensor(_head_susceptibility(labels), device=device)
    field = dipole_field(chi, (LATTICE_MM,) * 3, (0.0, 0.0, 1.0), PADDING_MM).cpu().numpy()
    lattice = Grid(labels.shape, affine)
    parenchyma = (labels >= Tissue.VENTRICLE_LEFT) & (labels <= max(Tissue))
    return _shim(field, parenchyma, lattice, generator), lattice


def _head_susceptibility(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Air 0, bone and soft tissue by their difference to air; a voxel of blur against staircase edges."""
    table = np.full(256, TISSUE_PPM, dtype=np.float32)
    table[[Tissue.AIR, Tissue.SINUS_AIR]] = 0.0
    table[Tissue.SKULL] = BONE_PPM
    return ndimage.gaussian_filter(table[labels], 1.0)


def _shim(
    field: NDArray[np.float32], region: NDArray[np.bool_], lattice: Grid, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Subtract the least-squares polynomial of second order over ``region``."""

    def terms(points: NDArray) -> NDArray:
        x, y, z = (points - lattice.centre_mm).T / 100
        one = np.ones_like(x)
        return np.stack([one, x, y, z, x * y, x * z, y * z, x * x - y * y, 2 * z * z - x * x - y * y], -1)

    inside = np.argwhere(region)
    fit, *_ = np.linalg.lstsq(terms(lattice.to_mm(inside)), field[region], rcond=None)
    fit[4:] *= generator.uniform(0.5, 1.0)
    everywhere = np.moveaxis(np.indices(field.shape), 0, -1).reshape(-1, 3)
    return (field - (terms(lattice.to_mm(everywhere)) @ fit).reshape(field.shape)).astype(np.float32)


def upsample(field: NDArray[np.float32], lattice: Grid, target: Grid, device: torch.device) -> Tensor:
    """Bring a smooth field to a finer, rotated grid.

    Cubic to a 2 mm lattice along the target's axes, then separable cubic B-splines to the target.

    Returns:
        [X, Y, Z] float32 on ``target``.
    """
    coarse_shape = [
        int(np.ceil(n * d / LATTICE_MM)) + 5 for n, d in zip(target.shape, target.spacing_mm, strict=True)
    ]
    axes = target.affine[:3, :3] / target.spacing_mm
    origin = target.affine[:3, 3] - axes @ np.full(3, 2 * LATTICE_MM)
    coarse = Grid(
        (coarse_shape[0], coarse_shape[1], coarse_shape[2]),
        np.block([[axes * LATTICE_MM, origin[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]]),
    )
    step = np.linalg.inv(lattice.affine) @ coarse.affine
    sampled = ndimage.affine_transform(
        field, step[:3, :3], step[:3, 3], output_shape=coarse.shape, order=3, mode="nearest"
    )
    coefficients = torch.as_tensor(ndimage.spline_filter(sampled, order=3, output=np.float32), device=device)
    matrices = [
        torch.as_tensor(_spline_matrix(2 + np.arange(n) * d / LATTICE_MM, m), device=device)
        for n, d, m in zip(target.shape, target.spacing_mm, coarse.shape, strict=True)
    ]
    a, b, c = matrices
    along_z = coefficients @ c.T  # one axis at a time, the cheapest order for slices thicker than pixels
    return torch.einsum("ai,ijk->ajk", a, torch.einsum("bj,ijk->ibk", b, along_z))


def _spline_matrix(positions: NDArray[np.float64], n: int) -> NDArray[np.float32]:
    """[len(positions), n] matrix of cubic B-spline weights for coefficients at 0..n-1."""
    kernel = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    weights = kernel(positions[:, None] - np.arange(n)[None, :])
    return np.nan_to_num(weights).astype(np.float32)
