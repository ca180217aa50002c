"""Heads from label maps: FreeSurfer brain labels with labels outside the brain (500 and above).

This is the form of the maps on which SynthSeg was trained (BBillot/SynthSeg, ``data/training_label_maps``).
The labels outside the brain were named by looking at them: 502 carotid arteries, 506 eyes, 507 muscle and other
soft tissue, 508 eye muscles, 509 nasal mucosa, 511 skin, 512 spinal cord, 514 dural sinuses and neck veins, 515
compact bone, 516 marrow, 530 optic nerve. Air inside the head has no label of its own: it is 0, as outside.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, canonical, grid_of
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.landmarks import mni_from_labels
from microbleeds.simulate.nuclei import add_nuclei
from microbleeds.simulate.parcellation import regions_from_labels
from microbleeds.tissues import Tissue

TISSUE_OF_LABEL: dict[int, Tissue] = {
    2: Tissue.WHITE_LEFT,
    3: Tissue.CORTEX_LEFT,
    4: Tissue.VENTRICLE_LEFT,
    5: Tissue.VENTRICLE_LEFT,
    7: Tissue.CEREBELLAR_WHITE_LEFT,
    8: Tissue.CEREBELLAR_CORTEX_LEFT,
    10: Tissue.THALAMUS_LEFT,
    11: Tissue.CAUDATE_LEFT,
    12: Tissue.PUTAMEN_LEFT,
    13: Tissue.PALLIDUM_LEFT,
    14: Tissue.VENTRICLE_THIRD,
    15: Tissue.VENTRICLE_FOURTH,
    16: Tissue.BRAINSTEM,
    17: Tissue.HIPPOCAMPUS_LEFT,
    18: Tissue.AMYGDALA_LEFT,
    24: Tissue.CSF,
    25: Tissue.WHITE_LEFT,  # a white-matter lesion
    26: Tissue.ACCUMBENS_LEFT,
    28: Tissue.VENTRAL_DC_LEFT,
    41: Tissue.WHITE_RIGHT,
    42: Tissue.CORTEX_RIGHT,
    43: Tissue.VENTRICLE_RIGHT,
    44: Tissue.VENTRICLE_RIGHT,
    46: Tissue.CEREBELLAR_WHITE_RIGHT,
    47: Tissue.CEREBELLAR_CORTEX_RIGHT,
    49: Tissue.THALAMUS_RIGHT,
    50: Tissue.CAUDATE_RIGHT,
    51: Tissue.PUTAMEN_RIGHT,
    52: Tissue.PALLIDUM_RIGHT,
    53: Tissue.HIPPOCAMPUS_RIGHT,
    54: Tissue.AMYGDALA_RIGHT,
    57: Tissue.WHITE_RIGHT,
    58: Tissue.ACCUMBENS_RIGHT,
    60: Tissue.VENTRAL_DC_RIGHT,
    72: Tissue.VENTRICLE_THIRD,  # cavum septi pellucidi, "fifth ventricle"
    85: Tissue.CSF,  # optic chiasm: a nerve in a cistern, never a site of bleeds
    136: Tissue.CHOROID_PLEXUS_LEFT,
    137: Tissue.CHOROID_PLEXUS_LEFT,
    163: Tissue.CHOROID_PLEXUS_RIGHT,
    164: Tissue.CHOROID_PLEXUS_RIGHT,
    502: Tissue.SCALP,
    506: Tissue.EYE,
    507: Tissue.SCALP,
    508: Tissue.SCALP,
    509: Tissue.SCALP,
    511: Tissue.SCALP,
    512: Tissue.SCALP,
    514: Tissue.CSF,  # inside the skull; in the neck it becomes SCALP
    515: Tissue.SKULL,
    516: Tissue.SKULL,
    530: Tissue.SCALP,
}
VESSELS = (30, 62)  # perforators in the putamen, a few voxels: they take the tissue around them

MARGIN_MM = 12  # air kept around the head, so that a larger deformed head still fits


def label_map_paths(folder: Path) -> list[Path]:
    """Return the label maps (``*.nii.gz``, ``*.nii``) of a folder in the order of their names.

    Raises:
        InputError: if the folder is missing or holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"The anatomy folder {folder} doesn't exist; give a folder of label maps (.nii.gz).")
    paths = sorted(p for p in folder.iterdir() if p.name.endswith((".nii.gz", ".nii")))
    if not paths:
        raise InputError(f"The anatomy folder {folder} holds no .nii.gz file; give a folder of label maps.")
    return paths


def load_label_map(path: Path) -> Anatomy:
    """Read a whole-head label map of the SynthSeg training form as an :class:`Anatomy`.

    Raises:
        InputError: if the file isn't a 3D image of 1 mm voxels with the labels of this module.
    """
    path = Path(path)
    numbers, grid = _read(path)
    labels = _without_specks(_tissues_of(numbers))
    if not labels.any():
        raise InputError(f"The label map {path} holds no label of a tissue; give a whole-head label map.")
    labels, grid = _cropped(labels, grid)
    if not np.isin((Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT, Tissue.SKULL, Tissue.BRAINSTEM), labels).all():
        raise InputError(f"{path.name} lacks white matter, brainstem or skull, so it is no whole-head label map.")
    mni_from_ras = mni_from_labels(labels, grid)
    labels = _with_inner_air(labels, grid, mni_from_ras)
    labels = add_nuclei(labels, grid, mni_from_ras)
    rimless = regions_from_labels(labels, grid, mni_from_ras)
    return Anatomy(path.name.removesuffix(".gz").removesuffix(".nii"), labels, grid, rimless, mni_from_ras)


def _read(path: Path) -> tuple[NDArray[np.int32], Grid]:
    """Return the label numbers [X, Y, Z] and their canonical grid, turned to the axes exactly."""
    try:
        image = nib.load(path)
        if not isinstance(image, nib.spatialimages.SpatialImage):
            raise InputError(f"The label map {path} is no image with axes in space; give a NIfTI file.")
        values = np.asarray(image.dataobj)
    except (OSError, EOFError, zlib.error, nib.filebasedimages.ImageFileError) as error:
        raise InputError(f"The label map {path} can't be read ({error}).") from error
    values = values[..., 0] if values.ndim == 4 and values.shape[3] == 1 else values
    if values.ndim != 3:
        raise InputError(f"The label map {path} has {values.ndim} dimensions; it must have three.")
    array, grid = canonical(values, grid_of(image))
    if np.abs(grid.spacing_mm - 1).max() > 0.05:
        spacing = " x ".join(f"{s:.2f}" for s in grid.spacing_mm)
        raise InputError(f"The label map {path} has voxels of {spacing} mm; resample it to 1 mm.")
    numbers = np.rint(array).astype(np.int32)
    unknown = sorted(set(np.unique(numbers).tolist()) - set(TISSUE_OF_LABEL) - set(VESSELS) - {0})
    if unknown:
        raise InputError(f"The label map {path} holds the unknown labels {unknown[:8]}; see docs/simulator.md.")
    affine = np.eye(4)
    affine[:3, 3] = grid.centre_mm - (np.asarray(grid.shape) - 1) / 2
    return numbers, Grid(grid.shape, affine)


def _tissues_of(numbers: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Translate label numbers [X, Y, Z] to tissues, uint8 [X, Y, Z]."""
    table = np.zeros(int(numbers.max()) + 1, dtype=np.uint8)
    for number, tissue in TISSUE_OF_LABEL.items():
        if number < len(table):
            table[number] = tissue
    labels = table[np.maximum(numbers, 0)]
    _fill_from_around(labels, np.isin(numbers, VESSELS))
    veins = numbers == 514
    # A vein is a dural sinus if there is more brain and CSF than muscle and skin within 5 mm.
    inside = ndimage.uniform_filter((labels >= Tissue.CSF).astype(np.float32), 11)
    outside = ndimage.uniform_filter((labels == Tissue.SCALP).astype(np.float32), 11)
    labels[veins & (outside > inside)] = Tissue.SCALP
    return labels


def _fill_from_around(labels: NDArray[np.uint8], holes: NDArray[np.bool_]) -> None:
    """Give each voxel of ``holes`` [X, Y, Z] the tissue of the nearest voxel outside of them, in place."""
    components, _ = ndimage.label(holes)
    for box in ndimage.find_objects(components):
        grown = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
        nearest = ndimage.distance_transform_edt(holes[grown], return_distances=False, return_indices=True)
        labels[grown] = labels[grown][tuple(nearest)]


def _without_specks(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Clear labelled noise in the air around the head: all but the largest component."""
    components, number = ndimage.label(labels > 0)
    if number <= 1:
        return labels
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return np.where(components == sizes.argmax(), labels, 0).astype(np.uint8)


def _cropped(labels: NDArray[np.uint8], grid: Grid) -> tuple[NDArray[np.uint8], Grid]:
    """Cut to the head with a margin of air, but for the neck: its lowest full slice becomes the first."""
    boxes = ndimage.find_objects((labels > 0).astype(np.uint8))
    start = [max(0, s.start - MARGIN_MM) for s in boxes[0]]
    area = (labels > 0).sum(axis=(0, 1))
    start[2] = int(np.argmax(area > 0.3 * area.max()))
    stop = [min(n, s.stop + MARGIN_MM) for s, n in zip(boxes[0], grid.shape, strict=True)]
    cut = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    return np.ascontiguousarray(labels[cut]), grid.cropped(start, stop)


def _with_inner_air(labels: NDArray[np.uint8], grid: Grid, mni_from_ras: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Name the unlabelled voxels inside the head: sinuses, mastoid cells and pharynx, or gaps in the bone.

    Above MNI z = 35 mm no sinus reaches, so a gap there is one of the labelling and becomes bone; a gap
    inside the brain becomes CSF.
    """
    air = (labels == 0) & _filled_head(labels > 0)
    around = ndimage.uniform_filter((labels >= Tissue.CSF).astype(np.float32), 5)
    to_mni_z = mni_from_ras[2] @ grid.affine
    i, j, k = np.ogrid[tuple(slice(0, n) for n in labels.shape)]
    z_mni = to_mni_z[0] * i + to_mni_z[1] * j + to_mni_z[2] * k + to_mni_z[3]
    result = labels.copy()
    result[air] = Tissue.SINUS_AIR
    result[air & (z_mni > 35)] = Tissue.SKULL
    result[air & (around > 0.6)] = Tissue.CSF
    return result


def _filled_head(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Close the nostrils, ear canals and throat (up to 20 mm wide) and fill what lies inside, bool [X, Y, Z]."""
    small = head[::2, ::2, ::2]
    padded = np.pad(small, 12)
    # The neck goes on below the image: repeat its lowest slice, or the pharynx would be open to the air.
    padded[:, :, :12] = padded[:, :, 12:13]
    grown = ndimage.distance_transform_edt(~padded) <= 5
    closed = ndimage.distance_transform_edt(grown) > 5
    closed = ndimage.binary_fill_holes(closed | padded)
    # Without its outermost 2 mm, or the steps of the coarse lattice would stand out of the skin.
    closed = ndimage.binary_erosion(closed)[12:-12, 12:-12, 12:-12]
    big = closed.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    return big[: head.shape[0], : head.shape[1], : head.shape[2]] | head
