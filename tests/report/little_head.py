"""A little head with four findings, and its record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from microbleeds.geometry import Grid, canonical
from microbleeds.regions import VENTRICLE, code_of
from microbleeds.report.assemble import assemble
from microbleeds.report.record import ModelRecord, OperatingPoint, Record
from microbleeds.scan import Candidate, PhaseFacts, Scan, SequenceFacts

SPACING_MM = (1.0, 1.0, 3.0)


@dataclass(frozen=True)
class Place:
    group: str
    region: str
    side: str
    kept: bool = True
    reason: str = "Kept."
    margin_mm: float | None = 4.0
    parenchyma_share: float | None = 0.9


@dataclass(frozen=True, eq=False)
class Head:
    scan: Scan
    brain: NDArray[np.bool_]
    record: Record


BLEEDS_MM = ((-30.0, 20.0, 6.0), (12.0, -8.0, 0.0), (20.0, -30.0, -24.0), (25.0, 25.0, 12.0), (0.0, 0.0, 24.0))
SCORES = (0.97, 0.7, 0.9, 0.3, 0.99)
PLACES = (
    Place("lobar", "frontal_white", "left"),
    Place("deep", "thalamus", "right"),
    Place("infratentorial", "cerebellum", "right"),
    Place("lobar", "frontal_cortex", "right"),
    Place("none", "csf", "none", kept=False, reason="It lies in cerebrospinal fluid.", margin_mm=None),
)


def source_grid() -> Grid:
    """An LPS file: its first axes run to the left and to the back."""
    shape = (90, 110, 34)
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid(shape, affine)


@pytest.fixture(scope="session")
def head() -> Head:
    """An ellipsoid with dark round bleeds; phase is positive in them."""
    source = source_grid()
    grid = canonical(np.zeros(source.shape, dtype=np.uint8), source)[1]
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), -1)
    position = grid.to_mm(index)
    brain = (np.linalg.norm(position / (38, 48, 44), axis=-1) < 1).astype(bool)
    noise = np.random.default_rng(0).normal(0, 8, grid.shape)
    swi = np.where(brain, 300 + noise, 20).astype(np.float32)
    phase = np.zeros(grid.shape, dtype=np.float32)
    for centre in BLEEDS_MM:
        inside = np.linalg.norm(position - centre, axis=-1) < 2.5
        swi[inside] = 10
        phase[inside] = 1.5
    scan = Scan(
        kind="swi",
        grid=grid,
        source_grid=source,
        swi=swi,
        phase_rad=phase,
        sequence=SequenceFacts(3.0, 20.0, 28.0, 15.0, "ACME <MR>"),
        phase_facts=PhaseFacts(
            "0..4095", "values run from 0 to 4095", "paramagnetic-dark", "veins are dark", False, "it wraps"
        ),
        files={"swi": "/data/<script>alert(1)</script>.nii.gz", "phase": "/data/phase & more.nii.gz"},
        warnings=("The phase sign is uncertain.",),
    )
    candidates = [Candidate(p, s, 2.5) for p, s in zip(BLEEDS_MM, SCORES, strict=True)]
    return Head(scan, brain, assemble(scan, candidates, PLACES, model(), ["Said twice.", "Said twice."]))


@dataclass(frozen=True, eq=False)
class Segmented:
    """What a segmentation says of the little head."""

    grid: Grid
    brain: NDArray[np.bool_]
    regions: NDArray[np.uint8]
    located: bool = True
    confident: bool = True
    warnings: tuple[str, ...] = ()


def segmented(head: Head) -> Segmented:
    """Frontal white matter on both sides, a thalamus, a ventricle and a cerebellum below."""
    grid = head.scan.grid
    x, y, z = np.moveaxis(grid.to_mm(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1)), -1, 0)
    right = np.where(x > 0, 1, 0)
    regions = code_of("frontal_white", "left") + right
    deep = np.linalg.norm([x, y, z], axis=0) < 16
    regions = np.where(deep, code_of("thalamus", "left") + right, regions)
    regions = np.where(deep & (np.abs(x) < 4), VENTRICLE, regions)
    regions = np.where((z < -15) & (y < 0), code_of("cerebellum", "left") + right, regions)
    return Segmented(grid, head.brain, np.where(head.brain, regions, 0).astype(np.uint8))


def model() -> ModelRecord:
    return ModelRecord(
        name="test",
        sha256="0123456789abcdef" * 4,
        training="Its weights learned from 3 simulated scans.",
        scores={"mean_sensitivity": 0.81},
        operating_point=OperatingPoint(name="balanced", cut=0.5, definite_cut=0.75),
    )
