"""Training of a row in a folder of its own, on prepared subjects that all rows share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np

from microbleeds.compute import Precision
from microbleeds.evaluate import read_truth
from microbleeds.geometry import canonical, grid_of
from microbleeds.prepare import PreparationSpec, prepare
from microbleeds.study import load_study
from microbleeds.training.batches import FixedSubjects
from microbleeds.training.dataset import cached_subjects, subject_names
from microbleeds.training.loop import fit
from microbleeds.training.presets import Preset
from microbleeds.training.run import claim_folder
from microbleeds.training.subjects import TrainingSubject, load_subject, save_subject, subject_from
from microbleeds.training.trainer import RunSettings
from rows import DETECTOR, Input, Row


@dataclass(frozen=True)
class Run:
    """One training of the ablation.

    Args:
        row: what is trained.
        preset: with which settings.
        seed: of everything random.
        out: folder of the run.
        precision: of the convolutions.
        workers: threads that make crops ahead; 0 makes them in line, on one core with all else.
    """

    row: Row
    preset: Preset
    seed: int
    out: Path
    precision: Precision = "auto"
    workers: int = 0


def train_row(run: Run, data: Sequence[Path], cache: Path) -> None:
    """Train a row, or go on with a run that was broken off."""
    subjects = training_subjects(data, cache, run.preset.preparation, run.row.input)
    source = "+".join(folder.name for folder in data)
    asked = {"row": run.row.name, "steps": run.preset.steps, "settings": run.row.settings}
    claim_folder(run.out, run.preset, run.seed, source, asked)
    if run.row.method == DETECTOR:
        settings = RunSettings(
            out=run.out, data=source, seed=run.seed, precision=run.precision, workers=run.workers
        )
        fit(FixedSubjects(subjects), (), run.preset, settings)
        return
    from peers import train_peer  # MONAI is wanted by peers only

    train_peer(run, subjects)


def training_subjects(
    data: Sequence[Path], cache: Path, spec: PreparationSpec, use: Input = "swi+phase"
) -> list[TrainingSubject]:
    """Open the prepared subjects of all data sets, each name unique.

    Args:
        data: data set folders.
        cache: holds a folder for each data set, and one more for its magnitudes where they are wanted.
        spec: how to prepare.
        use: the SWI alone reads the same arrays, since training drops the phase from each crop.
    """
    subjects = []
    for folder in data:
        names = subject_names(folder)
        opened = cached_subjects(folder, names, cache / folder.name, spec)
        if use == "magnitude":
            opened = [_with_magnitude(subject, folder, cache, spec) for subject in opened]
        several = len(data) > 1
        subjects += [replace(s, name=f"{folder.name}/{s.name}") if several else s for s in opened]
    return subjects


def _with_magnitude(subject: TrainingSubject, data: Path, cache: Path, spec: PreparationSpec) -> TrainingSubject:
    """Open the subject with its magnitude in place of the SWI, and no phase."""
    kept = cache / f"{data.name}-magnitude" / subject.name
    if not (kept / "subject.json").exists():
        name = subject.name
        truth = data / "derivatives" / "truth" / name / "anat"
        scan = load_study(magnitude=data / name / "anat" / f"{name}_part-mag_GRE.nii.gz")
        mask = cast("nib.spatialimages.SpatialImage", nib.load(truth / f"{name}_desc-brain_mask.nii.gz"))
        brain, _ = canonical(np.asarray(mask.dataobj) > 0, grid_of(mask))
        made = subject_from(name, prepare(scan, brain, spec), read_truth(truth / f"{name}_microbleeds.tsv"))
        save_subject(made, kept)
    return load_subject(kept)
