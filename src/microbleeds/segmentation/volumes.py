"""Volumes of structures, and whether they are those of a head.

A segmentation that went wrong shows in volumes first: a lobe twice as large, a thalamus that is hardly there. The
ranges come from the heads of the training and travel in the weights' card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.regions import LOBES, REGIONS

# Regions that are measured together: small ones alone vary too much from head to head.
STRUCTURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{f"{lobe} lobe" if lobe != "insula" else lobe: (f"{lobe}_cortex", f"{lobe}_white") for lobe in LOBES},
        "hippocampus": ("hippocampus",),
        "basal ganglia": ("caudate", "lentiform"),
        "thalamus": ("thalamus",),
        "deep white matter": (
            "internal_capsule", "external_capsule", "corpus_callosum", "periventricular_white",
        ),
        "cerebellum": ("cerebellum",),
    }
)  # fmt: skip
CUT_SHARE = 0.1  # of a section through a structure that lies on faces of the view
WIDENED = 1.3  # the ranges of a few dozen heads are narrower than those of people
Ranges = Mapping[str, tuple[float, float]]


def uncut(regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the regions [X, Y, Z] without those that a face of the view cuts: they go on beyond it.

    A few voxels at a face are no cut; a section through a structure has about its volume to the power 2/3.
    """
    faces = (regions[0], regions[-1], regions[:, 0], regions[:, -1], regions[..., 0], regions[..., -1])
    touching = sum(np.bincount(face.ravel(), minlength=256) for face in faces)
    section = np.bincount(regions.ravel(), minlength=256) ** (2 / 3)
    kept = np.where(touching > CUT_SHARE * section, 0, np.arange(256)).astype(np.uint8)
    return kept[regions]


def volumes_ml(regions: NDArray[np.uint8], grid: Grid) -> dict[str, float]:
    """Return the volume of each structure and side (``left thalamus``) that lies in the view as a whole.

    A structure of which nothing is seen is left out: most often it lies outside of the view.

    Args:
        regions: uint8 [X, Y, Z], codes of :mod:`microbleeds.regions`.
        grid: of the regions.
    """
    counts = np.bincount(regions.ravel(), minlength=256)
    whole = np.bincount(uncut(regions).ravel(), minlength=256)
    voxel_ml = float(abs(np.linalg.det(grid.affine[:3, :3]))) / 1000
    found = {}
    for side in ("left", "right"):
        for name, parts in STRUCTURES.items():
            codes = [code for code, r in REGIONS.items() if r.name in parts and r.side == side]
            if counts[codes].any() and all(whole[code] == counts[code] for code in codes):
                found[f"{side} {name}"] = float(counts[codes].sum()) * voxel_ml
    return found


def ranges_of(heads: Iterable[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Return the least and largest volume, ml, of each structure among heads, widened by :data:`WIDENED`."""
    by_name: dict[str, list[float]] = {}
    for head in heads:
        for name, volume in head.items():
            by_name.setdefault(name, []).append(volume)
    return {
        name: (round(min(found) / WIDENED, 2), round(max(found) * WIDENED, 2)) for name, found in by_name.items()
    }


def out_of_range(volumes: Mapping[str, float], ranges: Ranges) -> str | None:
    """Return a sentence that names the structures whose volume no training head had, ``None`` without any."""
    odd = [
        f"{name} {volume:.1f} ml (expected {ranges[name][0]:.1f} to {ranges[name][1]:.1f})"
        for name, volume in volumes.items()
        if name in ranges and not ranges[name][0] <= volume <= ranges[name][1]
    ]
    if not odd:
        return None
    named = ", ".join(odd[:3]) + (f" and {len(odd) - 3} more" if len(odd) > 3 else "")
    return f"The regions have unusual volumes: {named}; check the overlay."
