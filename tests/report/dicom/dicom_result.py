"""The little head's result as DICOM objects, written once for all tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dicom_series
import numpy as np
import pydicom
import pytest
from little_head import Head
from numpy.typing import NDArray

from microbleeds.regions import code_of
from microbleeds.report.dicom import Source, Volumes, source_of, write_dicom
from microbleeds.report.thumbnails import canvas

MADE = datetime(2026, 1, 3, 12, 30, 15)


@dataclass(frozen=True, eq=False)
class Written:
    head: Head
    source: Source
    volumes: Volumes
    folder: Path

    def read(self, name: str) -> pydicom.Dataset:
        return pydicom.dcmread(self.folder / name)


def little_regions(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Two regions side by side, and fluid, which makes no segment."""
    regions = np.zeros(shape, dtype=np.uint8)
    regions[20:40, 20:60, 5:20] = code_of("frontal_white", "left")
    regions[40:60, 20:60, 5:20] = code_of("periventricular_white", "right")
    regions[60:70, 60:80, 5:8] = code_of("csf")
    return regions


@pytest.fixture(scope="session")
def written(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Written:
    grid = head.scan.source_grid
    source = source_of(dicom_series.series(grid))
    volumes = Volumes(grid, little_regions(grid.shape), canvas(head.scan, head.brain))
    folder = tmp_path_factory.mktemp("dicom")
    write_dicom(head.record, source, volumes, folder, created=MADE)
    return Written(head, source, volumes, folder)
