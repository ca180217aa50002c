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

from microbleeds.annotations.simulated import layout_files, scan_folder, simulated_names, subject_of_name
from microbleeds.errors import InputError
from microbleeds.evaluate import read_truth
from microbleeds.geometry import Grid, canonical, grid_of
from microbleeds.prepare import PreparationSpec, prepare
from microbleeds.read.inheritance import sidecars
from microbleeds.study import SignChoice, load_study
from microbleeds.training.cache import cached, content_of
from microbleeds.training.labelled import segmentation_sha256, segmented_brain, stamp, tell_of_doubts
from microbleeds.training.subjects import TrainingSubject, subject_from


def subject_names(data: Path) -> list[str]:
    """Names of the scans of a data set, sorted: ``sub-001``, or ``sub-001_ses-01`` where a subject has visits.

    Raises:
        InputError: if there is none, or one has no truth or no image.
    """
    names = simulated_names(data)
    if not names:
        raise InputError(f"{data} holds no subject with a truth in derivatives/truth; give a data set folder.")
    for name in names:
        layout_files(data, name)
    return names


def heads_of(data: Path, names: list[str]) -> dict[str, str]:
    """Name to head: the column ``head`` of participants.tsv where there is one, else a head per subject.

    Raises:
        InputError: if a simulated scan has no head there: several of one head would be taken for independent.
    """
    heads = {name: subject_of_name(name) for name in names}
    table = data / "participants.tsv"
    if table.exists():
        with table.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                subject, head = row.get("participant_id"), row.get("head")
                if subject and head and head != "n/a":
                    scans = (name for name in names if subject in (name, subject_of_name(name)))
                    heads |= dict.fromkeys(scans, f"head {head}")
    unsaid = [name for name, head in heads.items() if head == subject_of_name(name)]
    if unsaid and is_simulated(data):
        raise InputError(
            f"{table} says of {len(unsaid)} scans ({', '.join(unsaid[:3])}) not whose head they show, as after a "
            "simulation that was broken off; finish it with --resume, or take these scans away."
        )
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
        place = scan_folder(self.data, self.name)
        folders = [self.data / place, self.data / "derivatives/truth" / place]
        # Searches below a folder do not go through links.
        folders += [folder / "anat" for folder in folders if (folder / "anat").is_symlink()]
        files = [path for folder in folders for path in sorted(folder.rglob("*.*"))]
        images = [image for image in files if image.name.endswith((".gz", ".nii"))]
        above = {sidecar for image in images for sidecar in sidecars(image)} - {*files}
        facts = [stamp(path) for path in [*files, *sorted(above)]]
        stated: list[str] = [] if self.phase_sign == "auto" else [self.phase_sign]
        if layout_files(self.data, self.name).brain is None:
            stated.append(segmentation_sha256())
        return hashlib.sha256(json.dumps([spec.model_dump(), facts, *stated]).encode()).hexdigest()

    def content(self) -> list[object]:
        """Positions of its truth, and what its images and its brain mask are."""
        files = layout_files(self.data, self.name)
        truth = read_truth(files.truth)
        points = [truth.counted_mm, truth.ignored_mm, truth.mimics_mm[~truth.mimic_ignored]]
        return content_of(points, [files.swi, files.magnitude, files.phase, files.brain])

    def bleeds(self) -> int:
        """Number of its visible microbleeds."""
        return len(read_truth(layout_files(self.data, self.name).truth).counted_mm)


def cached_subjects(
    data: Path, names: list[str], cache: Path, spec: PreparationSpec, workers: int = 1
) -> list[TrainingSubject]:
    """Prepare each subject once and open all of them (see :func:`microbleeds.training.cache.cached`)."""
    return cached([LayoutScan(data, name, name) for name in names], cache, spec, workers)


def read_subject(data: Path, name: str, spec: PreparationSpec, phase_sign: SignChoice = "auto") -> TrainingSubject:
    """Read and prepare one subject of a data set with its true brain mask, or a segmented one if it has none."""
    files = layout_files(data, name)
    scan = load_study(swi=files.swi, magnitude=files.magnitude, phase=files.phase, phase_sign=phase_sign)
    tell_of_doubts(name, scan)
    brain = segmented_brain(name, scan) if files.brain is None else _read_mask(files.brain, scan.grid)
    return subject_from(name, prepare(scan, brain, spec), read_truth(files.truth))


def _read_mask(path: Path, grid: Grid) -> NDArray[np.bool_]:
    """Read a mask that must lie on ``grid``."""
    image = cast("nib.spatialimages.SpatialImage", nib.load(path))
    mask, found = canonical(np.asarray(image.dataobj) > 0, grid_of(image))
    if not found.same_as(grid):
        raise InputError(f"{path} lies on another grid than its scan; write both on the same.")
    return mask
