"""Volumes of structures, and whether they are those of a head.

A segmentation that went wrong shows in volumes first: a lobe twice as large, a thalamus that is hardly there. The
ranges come from the heads of the training and travel in the weights' card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
        "brainstem": ("brainstem",),
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


@dataclass(frozen=True)
class Volumes:
    """Volumes of structures by side and name (``left thalamus``), ml.

    Args:
        whole: of those that lie in the view as a whole. One of which nothing is seen is 0 where the other side is
            whole; else it is left out, since most often it lies outside of the view.
        cut: of what is seen of those that a face of the view cuts.
    """

    whole: Mapping[str, float]
    cut: Mapping[str, float]


def volumes_ml(regions: NDArray[np.uint8], grid: Grid) -> Volumes:
    """Measure the structures.

    Args:
        regions: uint8 [X, Y, Z], codes of :mod:`microbleeds.regions`.
        grid: of the regions.
    """
    counts = np.bincount(regions.ravel(), minlength=256)
    inside = np.bincount(uncut(regions).ravel(), minlength=256)
    whole: dict[str, float] = {}
    cut: dict[str, float] = {}
    for name, parts in STRUCTURES.items():
        by_side = {
            side: [code for code, r in REGIONS.items() if r.name in parts and r.side == side]
            for side in ("left", "right")
        }
        for side, codes in by_side.items():
            if counts[codes].any():
                kept = whole if np.array_equal(inside[codes], counts[codes]) else cut
                kept[f"{side} {name}"] = float(counts[codes].sum()) * grid.voxel_ml
        if any(f"{side} {name}" in whole for side in by_side):
            whole |= {f"{side} {name}": 0.0 for side, codes in by_side.items() if not counts[codes].any()}
    return Volumes(whole, cut)


def ranges_of(heads: Iterable[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Return the least and largest volume, ml, of each structure among heads, widened by :data:`WIDENED`."""
    by_name: dict[str, list[float]] = {}
    for head in heads:
        for name, volume in head.items():
            by_name.setdefault(name, []).append(volume)
    return {
        name: (round(min(found) / WIDENED, 2), round(max(found) * WIDENED, 2)) for name, found in by_name.items()
    }


def out_of_range(volumes: Volumes, ranges: Ranges) -> str | None:
    """Return a sentence that names the structures whose volume no training head had, ``None`` without any.

    What the view cuts may be small, but not too large.
    """
    measured = [(name, volume, 0.0) for name, volume in volumes.cut.items()]
    measured += [(name, volume, 1.0) for name, volume in volumes.whole.items()]
    odd = [
        f"{name} {volume:.1f} ml (expected {ranges[name][0]:.1f} to {ranges[name][1]:.1f})"
        for name, volume, asked in measured
        if name in ranges and not asked * ranges[name][0] <= volume <= ranges[name][1]
    ]
    if not odd:
        return None
    named = ", ".join(odd[:3]) + (f" and {len(odd) - 3} more" if len(odd) > 3 else "")
    return f"The regions have unusual volumes: {named}; check the overlay."
