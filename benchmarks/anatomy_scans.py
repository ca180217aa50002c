"""What the segmentation is benchmarked on: simulated scans as several inputs, and painted heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cohort import Cohort
from microbleeds.errors import InputError
from microbleeds.evaluate.placement import Place
from microbleeds.evaluate.tables import read_table
from microbleeds.geometry import canonical, grid_of
from microbleeds.scan import Scan
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.study import load_study
from microbleeds.training.anatomy import contrast
from microbleeds.training.anatomy.scores import draw_example
from microbleeds.training.dataset import heads_of, subject_names

PAINTED_PER_HEAD = 4


@dataclass(frozen=True, eq=False)
class Item:
    """One image with its truth.

    Args:
        head: scans of one head belong together.
        regions: uint8 [X, Y, Z], true region codes.
        bleeds_mm: float [N, 3] of the true microbleeds, with their ``places`` and whether each is ``visible``.
        protocol: of the simulated scan, empty for painted images.
    """

    name: str
    head: str
    scan: Scan
    regions: NDArray[np.uint8]
    bleeds_mm: NDArray[np.float64]
    places: Sequence[Place] = ()
    visible: Sequence[bool] = ()
    protocol: str = ""


def list_of(cohort: Cohort, data: Path, kind: str) -> list[Item]:
    """Return what to segment of a cohort; images are read when they are asked for."""
    items = []
    for part in cohort.parts:
        folder = data / part.name
        names = subject_names(folder)
        if len(names) != part.subjects or not (folder / "participants.tsv").exists():
            raise InputError(f"{folder} holds {len(names)} of {part.subjects} scans; run `build` first.")
        heads, table = heads_of(folder, names), read_table(folder / "participants.tsv")
        protocols = dict(zip(table.text("participant_id"), table.text("protocol"), strict=True))
        items += [
            LazyItem(folder, name, f"{part.name}/{heads[name]}", kind, protocols[name] or "") for name in names
        ]
    return items  # type: ignore[return-value]


@dataclass(frozen=True)
class LazyItem:
    """A scan of a data set, and as what it is to be segmented."""

    folder: Path
    name: str
    head: str
    kind: str
    protocol: str

    def read(self) -> Item:
        """Read the scan and its truth."""
        anat = self.folder / self.name / "anat"
        truth = self.folder / "derivatives" / "truth" / self.name / "anat"
        if self.kind == "magnitude":
            scan = load_study(magnitude=anat / f"{self.name}_part-mag_GRE.nii.gz")
        else:
            scan = load_study(swi=anat / f"{self.name}_swi.nii.gz")
        if self.kind == "brain-extracted":
            scan = replace(scan, swi=scan.swi * _codes(truth / f"{self.name}_desc-brain_mask.nii.gz"))
        table = read_table(truth / f"{self.name}_microbleeds.tsv")
        places = [
            Place(g, r, s) for g, r, s in zip(*(table.text(c) for c in ("group", "region", "side")), strict=True)
        ]
        regions = _codes(truth / f"{self.name}_dseg.nii.gz")
        visible = [bool(v) for v in table.flags("visible", True)]
        return Item(self.name, self.head, scan, regions, table.positions_mm(), places, visible, self.protocol)


def painted(cohort: Cohort, anatomy: Path, kind: str) -> Iterator[Item]:
    """Paint images of the cohort's label maps in T1-like or T2*-like contrast, other shapes each."""
    shares = {"t1-like": (0.0, 1.0), "t2star-like": (1.0, 0.0)}[kind]
    kept = contrast.SWI_SHARE, contrast.T1_SHARE
    contrast.SWI_SHARE, contrast.T1_SHARE = shares
    try:
        for number, file in enumerate(cohort.anatomies):
            head = load_label_map(anatomy / file)
            for draw in range(PAINTED_PER_HEAD):
                example = draw_example(head, 2_000_000 + 1000 * number + draw)
                name = f"{head.name}-{draw}"
                yield Item(name, head.name, example.scan, example.regions, np.zeros((0, 3)))
    finally:
        contrast.SWI_SHARE, contrast.T1_SHARE = kept


def _codes(path: Path) -> NDArray[np.uint8]:
    """Read whole numbers on the canonical grid."""
    image = nib.load(path)
    return canonical(np.asarray(image.dataobj).astype(np.uint8), grid_of(image))[0]
