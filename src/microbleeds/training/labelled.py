"""Scans that people labelled become training subjects.

What they did not label counts as no microbleed. Brain masks come from the program's own segmentation, as in a
search, so that the network learns on what it will see.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations import LabelledScan
from microbleeds.evaluate import truth
from microbleeds.geometry import Grid
from microbleeds.prepare import PreparationSpec, Prepared, prepare
from microbleeds.read.inheritance import sidecars
from microbleeds.scan import Scan
from microbleeds.study import SignChoice, load_study
from microbleeds.training.cache import content_of
from microbleeds.training.subjects import TrainingSubject, subject_from
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class UserScan:
    """A labelled scan; a :class:`~microbleeds.training.cache.Preparable`.

    Args:
        labelled: the scan and its labels.
        phase_sign: how veins look in its phase file; ``auto`` derives it from the scan.
    """

    labelled: LabelledScan
    phase_sign: SignChoice = "auto"

    @property
    def name(self) -> str:
        """Of the scan."""
        return self.labelled.name

    @property
    def group(self) -> str:
        """The subject."""
        return self.labelled.subject

    def read(self, spec: PreparationSpec) -> TrainingSubject:
        """Read, segment and prepare it."""
        scan = load_study(
            swi=self.labelled.swi,
            magnitude=self.labelled.magnitude,
            phase=self.labelled.phase,
            phase_sign=self.phase_sign,
        )
        tell_of_doubts(self.name, scan)
        prepared = prepare(scan, segmented_brain(self.name, scan), spec)
        _tell_of_outsiders(self.labelled, prepared)
        ignored = self.labelled.ignored_ras_mm
        labels = truth(
            self.labelled.positions_ras_mm,
            diameter_mm=self.labelled.diameters_mm,
            mimics_mm=ignored,
            mimic_kinds=("ignored",) * len(ignored),
            mimic_ignored=np.ones(len(ignored), dtype=bool),
        )
        return subject_from(self.name, prepared, labels)

    def key(self, spec: PreparationSpec) -> str:
        """Hash of the specification, labels, brain segmentation, and sizes and times of images and sidecars."""
        scan = self.labelled
        points = [np.round(p, 3).tolist() for p in (scan.positions_ras_mm, scan.ignored_ras_mm)]
        images = [path for path in (scan.swi, scan.magnitude, scan.phase) if path is not None]
        files = [[stamp(path), *(stamp(sidecar) for sidecar in sidecars(path))] for path in images]
        facts = [spec.model_dump(), points, files, segmentation_sha256(), self.phase_sign]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def content(self) -> list[object]:
        """Positions of labels, and sizes of images."""
        scan = self.labelled
        points = [scan.positions_ras_mm, scan.ignored_ras_mm]
        return content_of(points, [scan.swi, scan.magnitude, scan.phase])

    def bleeds(self) -> int:
        """Number of labels."""
        return len(self.labelled.positions_ras_mm)


def segmented_brain(name: str, scan: Scan) -> NDArray[np.bool_]:
    """The brain of a scan without a mask, bool [X, Y, Z] on its grid."""
    from microbleeds.segmentation import segment

    found = segment(scan)
    if not found.confident:
        log.warning("%s: the brain mask is doubtful: %s", name, " ".join(found.warnings))
    return found.brain


def tell_of_doubts(name: str, scan: Scan) -> None:
    """Warn of what reading a scan left unsure: a phase of the wrong sign teaches that veins are calcium."""
    for sentence in scan.warnings:
        if scan.phase_rad is not None and "phase" in sentence:
            log.warning("%s: %s", name, sentence)


def _tell_of_outsiders(scan: LabelledScan, prepared: Prepared) -> None:
    """Warn of labels outside the brain mask: they are never found, in training or afterwards."""
    outside = int((~_inside(prepared.brain, prepared.grid, scan.positions_ras_mm)).sum())
    if outside:
        log.warning(
            "%s: %d of %d labels lie outside the brain mask and can't be learned; check them"
            " with microbleeds check-data.",
            scan.name,
            outside,
            len(scan.positions_ras_mm),
        )


def _inside(brain: NDArray[np.bool_], grid: Grid, positions_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each position [N, 3] lies in the brain, shape [N]."""
    voxels = np.round(grid.to_ijk(positions_mm)).astype(int).reshape(-1, 3)
    held = np.clip(voxels, 0, np.asarray(brain.shape) - 1)
    return np.all(held == voxels, axis=1) & brain[held[:, 0], held[:, 1], held[:, 2]]


def stamp(path: Path) -> list[object]:
    """Name, size and time of a file."""
    return [path.name, path.stat().st_size, path.stat().st_mtime_ns]


@cache
def segmentation_sha256() -> str:
    """Return the sha256 of the weights that segment brains; others give other masks."""
    return hashlib.sha256(ANATOMY_WEIGHTS.read_bytes()).hexdigest()
