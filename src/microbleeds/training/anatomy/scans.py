"""Simulated scans as training examples of the anatomy network: SWI and magnitude, turned, shaded and cut anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, canonical, grid_of
from microbleeds.networks.anatomy import IGNORED, SPACING_MM
from microbleeds.regions import mirrored
from microbleeds.segmentation.look import axis_weights, to_view
from microbleeds.training.anatomy import contrast
from microbleeds.training.anatomy.sample import Sample, Window, flat_index, seen_through
from microbleeds.training.anatomy.view import is_brain
from microbleeds.training.anatomy.warp import head_positions, uniform

_IMAGES = ("swi", "part-mag_GRE")


@dataclass(frozen=True, eq=False)
class ScanView:
    """A simulated scan on the network's grid.

    Args:
        images: float16 [2, X, Y, Z], SWI and magnitude, brightest tissue near 1.
        regions: uint8 [X, Y, Z], the true region codes.
        middle: float32 [3], voxel in the middle of the brain's box.
    """

    images: Tensor
    regions: Tensor
    middle: Tensor


def load_scan_views(data: Path) -> list[ScanView]:
    """Read all scans of a data set of ``microbleeds simulate``.

    Raises:
        InputError: if the folder holds none, or a scan lacks its images or its truth.
    """
    subjects = sorted(path for path in Path(data).glob("sub-*") if path.is_dir())
    if not subjects:
        raise InputError(f"The folder {data} holds no sub-* folder; give a data set of `microbleeds simulate`.")
    return [_read(Path(data), subject.name) for subject in subjects]


def _read(data: Path, name: str) -> ScanView:
    """Read one scan."""
    images = []
    for suffix in _IMAGES:
        volume, grid = _volume(data / name / "anat" / f"{name}_{suffix}.nii.gz")
        view, target = to_view(np.maximum(volume, 0), grid)
        brightest = max(1e-12, float(np.percentile(view, 99)))
        images.append(torch.from_numpy(view / np.float32(brightest)).half())
    truth, grid = _volume(data / "derivatives" / "truth" / name / "anat" / f"{name}_dseg.nii.gz")
    regions = torch.from_numpy(most_of(truth.astype(np.uint8), grid, target))
    return ScanView(torch.stack(images), regions, middle_of(regions))


def middle_of(regions: Tensor) -> Tensor:
    """Return the voxel in the middle of the brain's box, float32 [3]."""
    brain = torch.nonzero(is_brain(regions))
    return ((brain.amin(dim=0) + brain.amax(dim=0)) / 2).float()


def _volume(path: Path) -> tuple[NDArray[np.float32], Grid]:
    """Read an image on its canonical grid."""
    if not path.exists():
        raise InputError(f"The scan lacks {path}; simulate the data set anew.")
    image = cast("nib.spatialimages.SpatialImage", nib.load(path))
    volume, grid = canonical(np.asarray(image.dataobj, dtype=np.float32), grid_of(image))
    return volume, grid


def most_of(volume: NDArray[np.uint8], source: Grid, target: Grid) -> NDArray[np.uint8]:
    """Return the code [X, Y, Z] that fills most of each voxel of a grid with the same first corner.

    The nearest voxel's code would lie half a voxel off the image, which is averaged, wherever voxels are halved.
    """
    weights = [axis_weights(source, target, axis) for axis in range(3)]
    best, share = np.zeros(target.shape, dtype=np.uint8), torch.full(target.shape, 0.0)
    for code in np.unique(volume):
        part = torch.from_numpy((volume == code).astype(np.float32))
        for axis in (2, 0, 1):
            part = torch.tensordot(weights[axis], part, dims=([1], [axis])).movedim(0, axis)
        more = part > share
        best[more.numpy()] = code
        share = torch.maximum(share, part)
    return best


def draw_scan(view: ScanView, shape: Window, generator: Generator) -> Sample:
    """Draw one example on a window of ``shape`` voxels: another pose, shading, thickness and view of the scan."""
    share = uniform(0, 1, generator)
    one, two = view.images
    image = one if share < 0.45 else two if share < 0.8 else torch.lerp(one, two, uniform(0, 1, generator))
    image, regions = _window(image, view, shape, generator)
    if uniform(0, 1, generator) < 0.5:
        image = contrast.recolour(image, regions, generator)
    image = contrast.shade(image, generator)
    if uniform(0, 1, generator) < 0.25:
        image = contrast.thicken(image, generator)
    return seen_through(image, regions, generator)


def _window(image: Tensor, view: ScanView, shape: Window, generator: Generator) -> tuple[Tensor, Tensor]:
    """Cut a window around a point of the brain; half of the time from a turned, scaled and bent head."""
    regions, spacing = view.regions, torch.tensor(SPACING_MM)
    shift_mm = torch.randn(3, generator=generator) * torch.tensor([8.0, 12.0, 14.0])
    centre = view.middle + shift_mm / spacing
    mirror = uniform(0, 1, generator) < 0.5
    if uniform(0, 1, generator) < 0.5:
        positions_mm = head_positions(shape, centre * spacing, torch.eye(3), mirror, generator)
        voxels = positions_mm / spacing[:, None, None, None]
        size = torch.tensor(image.shape)[:, None, None, None]
        grid = (2 * voxels / (size - 1) - 1).flip(0).movedim(0, -1)[None]
        cut = grid_sample(
            image.float()[None, None], grid, mode="bilinear", padding_mode="zeros", align_corners=True
        )[0, 0]
        rounded = voxels.round()
        outside = ((rounded < 0) | (rounded > size - 1)).any(dim=0)
        codes = regions.reshape(-1)[flat_index(rounded, regions.shape)]
        codes[outside] = IGNORED
        codes = torch.from_numpy(mirrored())[codes.long()] if mirror else codes
        return cut, codes
    cut, codes = _cropped(image, regions, shape, centre)
    return (cut.flip(0), torch.from_numpy(mirrored())[codes.flip(0).long()]) if mirror else (cut, codes)


def _cropped(image: Tensor, regions: Tensor, shape: Window, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Cut a window of whole voxels; what lies outside of the scan is dark and not to be answered."""
    start = [round(float(c) - n / 2) for c, n in zip(centre, shape, strict=True)]
    cut, codes = torch.zeros(shape), torch.full(shape, IGNORED, dtype=torch.uint8)
    here, there = [], []
    for first, length, size in zip(start, shape, image.shape, strict=True):
        low, high = max(0, first), min(size, first + length)
        here.append(slice(low - first, high - first))
        there.append(slice(low, high))
    cut[tuple(here)], codes[tuple(here)] = image[tuple(there)], regions[tuple(there)]
    return cut, codes
