"""`regions.nii.gz`, `regions.tsv` and `regions.json`: the fine regions on the grid of the input file.

Nothing is written where the regions are unknown: an image of zeros would say that all is outside of the brain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds import __version__
from microbleeds.geometry import Grid, from_canonical
from microbleeds.regions import SCALES
from microbleeds.report.record import SegmentationRecord
from microbleeds.report.region_table import volumes, write_region_table
from microbleeds.scan import Scan


class Segmented(Protocol):
    """What lies where in a scan (`segmentation.Segmentation`); arrays lie on ``grid``."""

    @property
    def grid(self) -> Grid:
        """The scan's canonical grid."""

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Parenchyma, ventricles and a thin rim, [X, Y, Z]."""

    @property
    def regions(self) -> NDArray[np.uint8]:
        """Codes of :mod:`microbleeds.regions`, [X, Y, Z]."""

    @property
    def located(self) -> bool:
        """Whether the regions are known."""

    @property
    def confident(self) -> bool:
        """Whether they look like those of a head."""

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences for the reader."""


def segmentation_record(segmentation: Segmented) -> SegmentationRecord:
    """Describe a segmentation."""
    voxel_ml = segmentation.grid.voxel_ml
    return SegmentationRecord(
        located=segmentation.located,
        confident=segmentation.confident,
        brain_ml=round(float(segmentation.brain.sum()) * voxel_ml, 1),
        regions=volumes(segmentation.regions, segmentation.grid) if segmentation.located else [],
    )


def region_warnings(segmentation: Segmented, scan: Scan) -> tuple[str, ...]:
    """Return what a reader of the regions alone has to know: of the image first, then of the segmentation."""
    return (*scan.image_warnings, *segmentation.warnings)


def write_regions(segmentation: Segmented, scan: Scan, folder: Path) -> None:
    """Write `regions.nii.gz` on the input grid, its table and its sidecar; nothing if the regions are unknown."""
    if not segmentation.located:
        return
    described = segmentation_record(segmentation)
    write_on_input_grid(segmentation.regions, scan.source_grid, Path(folder) / "regions.nii.gz")
    write_region_table(described.regions, Path(folder) / "regions.tsv")
    sidecar = {
        "Description": "Fine anatomical regions by automatic segmentation; regions.tsv names the values.",
        "Manual": False,
        "Sources": list(scan.files.values()),
        "GeneratedBy": [{"Name": "microbleeds", "Version": __version__}],
        "Scales": {name: scale.source for name, scale in SCALES.items()},
        "Confident": described.confident,
        "BrainVolumeMl": described.parenchyma_ml,
        "SearchMaskVolumeMl": described.brain_ml,
        "Warnings": region_warnings(segmentation, scan),
    }
    (Path(folder) / "regions.json").write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")


def write_on_input_grid(volume: NDArray, source: Grid, path: Path) -> None:
    """Write a canonical volume of whole numbers (below 256) with the axes and the affine of the input file."""
    array = np.ascontiguousarray(from_canonical(volume.astype(np.uint8), source))
    image = nib.Nifti1Image(array, source.affine)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
