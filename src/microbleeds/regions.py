"""Fine anatomical regions and the rating scales built from them, as data.

A region volume holds one code per voxel (uint8). Left and right are the subject's; paired regions have
consecutive codes, left first. Cortex and white matter of a lobe are kept apart, since BOMBS counts them apart;
so each of the scales MARS (Gregoire 2009), BOMBS (Cordonnier 2009) and Kim (arXiv 2306.13020) can be derived
from the same volume:

* MARS: deep and periventricular white matter, the corpus callosum and the capsules are deep; the hippocampus
  and the amygdala count with the temporal lobe.
* BOMBS: periventricular white matter and the corpus callosum count with the subcortical white matter (lobar).
* Kim: the corpus callosum is lobar; the periventricular white matter has no class of its own there and counts
  with the subcortical white matter (lobar).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Group = Literal["lobar", "deep", "infratentorial", "none"]
Side = Literal["left", "right", "none"]


@dataclass(frozen=True)
class Region:
    """A fine region.

    Args:
        code: value in a region volume.
        name: the same for both sides, for instance ``frontal_cortex``.
        side: the subject's side.
        group: lobar, deep, infratentorial or none by MARS.
    """

    code: int
    name: str
    side: Side
    group: Group


@dataclass(frozen=True)
class Scale:
    """A rating scale.

    Args:
        name: ``MARS``, ``BOMBS`` or ``Kim``.
        source: who defined it.
        rows: fine region's name to the scale's row; regions that count nowhere are absent.
        groups: row to group.
    """

    name: str
    source: str
    rows: Mapping[str, str]
    groups: Mapping[str, Group]

    def row_of(self, region: Region) -> str | None:
        """Return the row on which a finding in ``region`` counts, ``None`` outside the parenchyma."""
        return self.rows.get(region.name)

    def group_of(self, region: Region) -> Group:
        """Return the group of a finding in ``region`` on this scale."""
        row = self.rows.get(region.name)
        return "none" if row is None else self.groups[row]


OUTSIDE, CSF, VENTRICLE = 0, 1, 2

PERIVENTRICULAR_MM = 10.0  # MARS (Gregoire 2009): white matter so near to the lateral ventricle is deep
MARGIN_LIMIT_MM = 12.0  # around a finding no other group is looked for beyond it: a margin of this is "or more"

LOBES = ("frontal", "parietal", "temporal", "occipital", "insula")
_PAIRED: tuple[tuple[str, Group], ...] = (
    *((f"{lobe}_{tissue}", "lobar") for lobe in LOBES for tissue in ("cortex", "white")),
    ("hippocampus", "lobar"),  # with the amygdala
    ("caudate", "deep"),  # with the accumbens
    ("lentiform", "deep"),  # putamen and pallidum
    ("thalamus", "deep"),  # with the ventral diencephalon
    ("internal_capsule", "deep"),
    ("external_capsule", "deep"),  # with the claustrum and the extreme capsule
    ("corpus_callosum", "deep"),
    ("periventricular_white", "deep"),  # white matter within 10 mm of the lateral ventricle
    ("brainstem", "infratentorial"),  # with red nucleus and substantia nigra
    ("cerebellum", "infratentorial"),
)
_FIRST_PAIR = 10

REGIONS: Mapping[int, Region] = MappingProxyType(
    {
        region.code: region
        for region in (
            Region(OUTSIDE, "outside", "none", "none"),
            Region(CSF, "csf", "none", "none"),
            Region(VENTRICLE, "ventricle", "none", "none"),
            *(
                Region(_FIRST_PAIR + 2 * n + (side == "right"), name, side, group)
                for n, (name, group) in enumerate(_PAIRED)
                for side in ("left", "right")
            ),
        )
    }
)


def code_of(name: str, side: Side = "none") -> int:
    """Return the code of a region.

    Raises:
        KeyError: if there is no such region.
    """
    for region in REGIONS.values():
        if (region.name, region.side) == (name, side):
            return region.code
    raise KeyError(f"There is no region {name!r} on side {side!r}.")


def mirrored() -> NDArray[np.uint8]:
    """Return the table [256] that swaps the left and right code of every paired region."""
    table = np.arange(256, dtype=np.uint8)
    for region in REGIONS.values():
        if region.side != "none":
            table[region.code] = region.code + (1 if region.side == "left" else -1)
    return table


def cortex_of_white() -> NDArray[np.uint8]:
    """Return the table [256] from the subcortical white matter of each lobe to its cortex; the rest stays."""
    table = np.arange(256, dtype=np.uint8)
    for region in REGIONS.values():
        if region.name.endswith("_white") and region.name.removesuffix("_white") in LOBES:
            table[region.code] = code_of(region.name.removesuffix("white") + "cortex", region.side)
    return table


def _rows(*pairs: tuple[str, tuple[str, ...]]) -> Mapping[str, str]:
    """Turn (row, regions) pairs into a mapping of regions to rows."""
    return MappingProxyType({name: row for row, names in pairs for name in names})


def _lobe_rows() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return one row per lobe; the temporal one holds the hippocampus and the amygdala."""
    extra = {"temporal": ("hippocampus",)}
    return tuple((lobe, (f"{lobe}_cortex", f"{lobe}_white", *extra.get(lobe, ()))) for lobe in LOBES)


MARS = Scale(
    "MARS",
    "Microbleed Anatomical Rating Scale, Gregoire et al., Neurology 2009",
    _rows(
        ("brainstem", ("brainstem",)),
        ("cerebellum", ("cerebellum",)),
        ("basal ganglia", ("caudate", "lentiform")),
        ("thalamus", ("thalamus",)),
        ("internal capsule", ("internal_capsule",)),
        ("external capsule", ("external_capsule",)),
        ("corpus callosum", ("corpus_callosum",)),
        ("deep and periventricular white matter", ("periventricular_white",)),
        *_lobe_rows(),
    ),
    MappingProxyType(
        {
            "brainstem": "infratentorial",
            "cerebellum": "infratentorial",
            "basal ganglia": "deep",
            "thalamus": "deep",
            "internal capsule": "deep",
            "external capsule": "deep",
            "corpus callosum": "deep",
            "deep and periventricular white matter": "deep",
            **dict.fromkeys(LOBES, "lobar"),
        }
    ),
)

BOMBS = Scale(
    "BOMBS",
    "Brain Observer MicroBleed Scale, Cordonnier et al., Stroke 2009",
    _rows(
        ("cortex and grey-white junction", (*(f"{lobe}_cortex" for lobe in LOBES), "hippocampus")),
        (
            "subcortical white matter",
            (*(f"{lobe}_white" for lobe in LOBES), "periventricular_white", "corpus_callosum"),
        ),
        ("basal ganglia grey matter", ("caudate", "lentiform")),
        ("internal and external capsule", ("internal_capsule", "external_capsule")),
        ("thalamus", ("thalamus",)),
        ("brainstem", ("brainstem",)),
        ("cerebellum", ("cerebellum",)),
    ),
    MappingProxyType(
        {
            "cortex and grey-white junction": "lobar",
            "subcortical white matter": "lobar",
            "basal ganglia grey matter": "deep",
            "internal and external capsule": "deep",
            "thalamus": "deep",
            "brainstem": "infratentorial",
            "cerebellum": "infratentorial",
        }
    ),
)

KIM = Scale(
    "Kim",
    "grouping of Kim et al., arXiv 2306.13020",
    MappingProxyType(
        {
            name: (
                "infratentorial"
                if group == "infratentorial"
                else "lobar"
                if group == "lobar" or name in ("corpus_callosum", "periventricular_white")
                else "deep"
            )
            for name, group in _PAIRED
        }
    ),
    MappingProxyType({"lobar": "lobar", "deep": "deep", "infratentorial": "infratentorial"}),
)

SCALES: Mapping[str, Scale] = MappingProxyType({scale.name: scale for scale in (MARS, BOMBS, KIM)})
