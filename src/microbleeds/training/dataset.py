"""A data set in this program's layout (docs/architecture.md) becomes prepared training subjects, cached."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.evaluate import read_truth
from microbleeds.geometry import Grid, canonical, grid_of
from microbleeds.prepare import PreparationSpec, prepare
from microbleeds.read.inheritance import sidecars
from microbleeds.study import SignChoice, load_study
from microbleeds.training.cache import cached
from microbleeds.training.labelled import segmentation_sha256, segmented_brain, stamp, tell_of_doubts
from microbleeds.training.subjects import TrainingSubject, subject_from


def subject_names(data: Path) -> list[str]:
    """Names of the subjects of a data set that have a truth, sorted.

    Raises:
        InputError: if there is none.
    """
    truths = data / "derivatives" / "truth"
    names = sorted(path.name for path in truths.glob("sub-*") if (data / path.name).is_dir())
    if not names:
        raise InputError(f"{data} holds no subject with a truth in derivatives/truth; give a data set folder.")
    return names


def heads_of(data: Path, names: list[str]) -> dict[str, str]:
    """Name to head: the column ``head`` of participants.tsv where there is one, else a head per subject."""
    heads = {name: name for name in names}
    table = data / "participants.tsv"
    if table.exists():
        with table.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                name, head = row.get("participant_id"), row.get("head")
                if name in heads and head and head != "n/a":
                    heads[name] = f"head {head}"
    return heads


def is_simulated(data: Path) -> bool:
    """Whether ``microbleeds simulate`` wrote a data set: its description holds the options then.

    Raises:
        InputError: if dataset_description.json can't be read.
    """
    path = data / "dataset_description.json"
    if not path.exists():
        return False
    try:
        return "SimulationOptions" in json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON; correct or remove it.") from error


@dataclass(frozen=True)
class LayoutScan:
    """A scan of a data set in this program's layout; a :class:`~microbleeds.training.cache.Preparable`.

    Args:
        data: data set folder.
        name: of the subject.
        group: its head, or itself.
        phase_sign: how veins look in its phase file; ``auto`` derives it from the scan.
    """

    data: Path
    name: str
    group: str
    phase_sign: SignChoice = "auto"

    def read(self, spec: PreparationSpec) -> TrainingSubject:
        """Read and prepare it."""
        return read_subject(self.data, self.name, spec, self.phase_sign)

    def key(self, spec: PreparationSpec) -> str:
        """Hash of the specification, of the size and time of each file, and of what finds a brain without mask."""
        folders = self.data / self.name, self.data / "derivatives/truth" / self.name
        files = [path for folder in folders for path in sorted(folder.rglob("*.*"))]
        above = {sidecar for image in files if image.suffix == ".gz" for sidecar in sidecars(image)} - {*files}
        facts = [stamp(path) for path in [*files, *sorted(above)]]
        stated: list[str] = [] if self.phase_sign == "auto" else [self.phase_sign]
        if not (self._truth / f"{self.name}_desc-brain_mask.nii.gz").exists():
            stated.append(segmentation_sha256())
        return hashlib.sha256(json.dumps([spec.model_dump(), facts, *stated]).encode()).hexdigest()

    def bleeds(self) -> int:
        """Number of its visible microbleeds."""
        return len(read_truth(self._truth / f"{self.name}_microbleeds.tsv").counted_mm)

    @property
    def _truth(self) -> Path:
        return self.data / "derivatives" / "truth" / self.name / "anat"


def cached_subjects(
    data: Path, names: list[str], cache: Path, spec: PreparationSpec, workers: int = 1
) -> list[TrainingSubject]:
    """Prepare each subject once and open all of them (see :func:`microbleeds.training.cache.cached`)."""
    return cached([LayoutScan(data, name, name) for name in names], cache, spec, workers)


def read_subject(data: Path, name: str, spec: PreparationSpec, phase_sign: SignChoice = "auto") -> TrainingSubject:
    """Read and prepare one subject of a data set with its true brain mask, or a segmented one if it has none."""
    anatomy, truth = data / name / "anat", data / "derivatives" / "truth" / name / "anat"
    scan = load_study(
        swi=_existing(anatomy / f"{name}_swi.nii.gz"),
        magnitude=_existing(anatomy / f"{name}_part-mag_GRE.nii.gz"),
        phase=_existing(anatomy / f"{name}_part-phase_GRE.nii.gz"),
        phase_sign=phase_sign,
    )
    tell_of_doubts(name, scan)
    mask = _existing(truth / f"{name}_desc-brain_mask.nii.gz")
    brain = segmented_brain(name, scan) if mask is None else _read_mask(mask, scan.grid)
    return subject_from(name, prepare(scan, brain, spec), read_truth(truth / f"{name}_microbleeds.tsv"))


def _existing(path: Path) -> Path | None:
    """The path if it exists."""
    return path if path.exists() else None


def _read_mask(path: Path, grid: Grid) -> NDArray[np.bool_]:
    """Read a mask that must lie on ``grid``."""
    image = cast("nib.spatialimages.SpatialImage", nib.load(path))
    mask, found = canonical(np.asarray(image.dataobj) > 0, grid_of(image))
    if not found.same_as(grid):
        raise InputError(f"{path} lies on another grid than its scan; write both on the same.")
    return mask
