"""The look-up table of `regions.nii.gz`: names, colours, groups and rows on each scale, and volumes.

Conventions:
    * Columns ``index name abbreviation color`` follow BIDS (`dseg.tsv` of discrete segmentations); the others
      say the side, the group and the row on each scale, and the volume in this scan.
    * Names are those of the simulator's truth: the side first, ``left_frontal_cortex``.
    * Colours: blues and greens are lobar, warm colours deep, violets infratentorial, greys fluid; cortex is the
      darker shade of its lobe. Left and right share a colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from microbleeds import tab_separated
from microbleeds.geometry import Grid
from microbleeds.regions import REGIONS, SCALES, Group, Region
from microbleeds.report.record import RegionVolume

_LOOKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "outside": ("OUT", "#000000"),
        "csf": ("CSF", "#8a949e"),
        "ventricle": ("VEN", "#c3cad1"),
        "frontal_cortex": ("FC", "#1f6fb4"),
        "frontal_white": ("FW", "#74b3e6"),
        "parietal_cortex": ("PC", "#13868a"),
        "parietal_white": ("PW", "#6cc9c9"),
        "temporal_cortex": ("TC", "#2f8f46"),
        "temporal_white": ("TW", "#8ed19a"),
        "occipital_cortex": ("OC", "#3d4fa8"),
        "occipital_white": ("OW", "#98a5e3"),
        "insula_cortex": ("IC", "#7f8f1a"),
        "insula_white": ("IW", "#c5d264"),
        "hippocampus": ("HIP", "#5fae2e"),
        "caudate": ("CAU", "#e0561f"),
        "lentiform": ("LEN", "#b8321f"),
        "thalamus": ("THA", "#e8a51c"),
        "internal_capsule": ("INC", "#f2d33c"),
        "external_capsule": ("EXC", "#d98a5b"),
        "corpus_callosum": ("CC", "#d64a7a"),
        "periventricular_white": ("PVW", "#f4a77e"),
        "brainstem": ("BST", "#7a3fb0"),
        "cerebellum": ("CER", "#b48be0"),
    }
)
_SIDES = {"left": "L", "right": "R", "none": ""}


def region_name(region: Region) -> str:
    """Return the name of a region with its side, for instance ``left_thalamus``."""
    return region.name if region.side == "none" else f"{region.side}_{region.name}"


def colour_of(region: Region) -> str:
    """Return the region's colour, ``#rrggbb``; both sides share it."""
    return _LOOKS[region.name][1]


def legend() -> list[tuple[Group, str, str]]:
    """Return (group, name in words, colour) of each region that counts, both sides in one."""
    shown = {region.name: region for region in REGIONS.values() if region.group != "none"}
    return [(region.group, name.replace("_", " "), _LOOKS[name][1]) for name, region in shown.items()]


def volumes(regions: NDArray[np.uint8], grid: Grid) -> list[RegionVolume]:
    """Return the volume of each region but the outside.

    Args:
        regions: [X, Y, Z] codes of :mod:`microbleeds.regions`.
        grid: their grid.
    """
    voxels = np.bincount(regions.ravel(), minlength=256)
    return [
        RegionVolume(index=code, name=region_name(region), volume_ml=round(float(voxels[code]) * grid.voxel_ml, 3))
        for code, region in REGIONS.items()
        if region.name != "outside"
    ]


def write_region_table(sizes: list[RegionVolume], path: Path) -> None:
    """Write `regions.tsv`; ``n/a`` where a region has no row or no volume is known."""
    by_index = {size.index: size.volume_ml for size in sizes}
    scales = [f"{scale.lower()}_{what}" for scale in SCALES for what in ("group", "row")]
    rows = []
    for code, region in REGIONS.items():
        volume = by_index.get(code)
        rows.append([*_described(region), None if volume is None else f"{volume:.3f}"])
    columns = ["index", "name", "abbreviation", "color", "side", *scales, "volume_ml"]
    tab_separated.write_table(columns, rows, path)


def _described(region: Region) -> list[str | None]:
    """Return all cells of a region but its volume."""
    abbreviation, colour = _LOOKS[region.name]
    places = [cell for s in SCALES.values() for cell in (s.group_of(region), s.row_of(region))]
    side = None if region.side == "none" else region.side
    return [str(region.code), region_name(region), f"{_SIDES[region.side]}{abbreviation}", colour, side, *places]
