"""A small simulated data set that several rooms' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import pytest

from microbleeds.simulate import protocol as protocols
from microbleeds.simulate.cohort import CohortSettings, simulate_cohort
from microbleeds.simulate.protocol import Protocol

# The coarsest voxels that `detect` accepts: a whole head in seconds.
COARSE = replace(
    protocols.PROTOCOLS["3t-0.8x0.8x3"],
    name="coarse",
    matrix=(144, 176, 36),
    spacing_mm=(1.2, 1.2, 4.0),
    oversampling=(1, 1, 2),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def coarse_protocol() -> Iterator[Protocol]:
    protocols.PROTOCOLS["coarse"] = COARSE
    yield COARSE
    del protocols.PROTOCOLS["coarse"]


@pytest.fixture(scope="session")
def coarse_data(coarse_protocol: Protocol, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scans of one MNI152 head."""
    out = tmp_path_factory.mktemp("simulated") / "data"
    settings = CohortSettings("coarse", "mixed", "rich", 2)
    simulate_cohort(out, subjects=2, seed=3, settings=settings, device="cpu")
    return out


@pytest.fixture(scope="session")
def slab_data(coarse_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images of ``coarse_data`` cut to 64 mm around the deep nuclei: searched in a third of the time."""
    out = tmp_path_factory.mktemp("slab") / "data"
    for path in coarse_data.glob("sub-*/anat/*"):
        cut = out / path.relative_to(coarse_data)
        cut.parent.mkdir(parents=True, exist_ok=True)
        if path.name.endswith(".nii.gz"):
            nib.save(nib.load(path).slicer[:, :, 10:26], cut)
        else:
            cut.write_bytes(path.read_bytes())
    return out
