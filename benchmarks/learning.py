"""Training of a row in a folder of its own, on prepared subjects that all rows share."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np

from ablation_run import Run
from microbleeds.errors import InputError
from microbleeds.evaluate import read_truth
from microbleeds.geometry import canonical, grid_of
from microbleeds.prepare import PreparationSpec, prepare
from microbleeds.study import load_study
from microbleeds.training.batches import FixedSubjects
from microbleeds.training.cache import cached
from microbleeds.training.dataset import LayoutScan, heads_of, subject_names
from microbleeds.training.loop import fit
from microbleeds.training.run import claim_folder
from microbleeds.training.subjects import TrainingSubject, subject_from
from microbleeds.training.trainer import RunSettings
from rows import DETECTOR, Row
from scans import mark_of


@dataclass(frozen=True)
class MagnitudeScan(LayoutScan):
    """A simulated scan with its magnitude in place of the SWI, and no phase."""

    def read(self, spec: PreparationSpec) -> TrainingSubject:
        """Read and prepare it."""
        truth = self.data / "derivatives" / "truth" / self.name / "anat"
        scan = load_study(magnitude=self.data / self.name / "anat" / f"{self.name}_part-mag_GRE.nii.gz")
        mask = cast("nib.spatialimages.SpatialImage", nib.load(truth / f"{self.name}_desc-brain_mask.nii.gz"))
        brain, _ = canonical(np.asarray(mask.dataobj) > 0, grid_of(mask))
        bleeds = read_truth(truth / f"{self.name}_microbleeds.tsv")
        return subject_from(self.name, prepare(scan, brain, spec), bleeds)


def train_row(run: Run, data: Sequence[Path], cache: Path) -> None:
    """Train a row, or go on with a run that was broken off."""
    subjects = training_subjects(data, cache, run.preset.preparation, run.row)
    source = "+".join(folder.name for folder in data)
    preset = run.preset
    asked = {
        "row": run.row.name,
        "mining": [preset.mine_every, preset.mine_subjects],
        "settings": run.row.settings,
        "label_maps": label_maps(data, run.row),
        **run.row.less_data,
    }
    claim_folder(run.out, run.preset, run.seed, source, more=asked)
    if run.row.method == DETECTOR:
        settings = RunSettings(
            out=run.out, data=source, seed=run.seed, precision=run.precision, workers=run.workers
        )
        fit(FixedSubjects(subjects), (), run.preset, settings)
        return
    from peers import train_peer  # MONAI is wanted by peers only

    train_peer(run, subjects)


def training_subjects(data: Sequence[Path], cache: Path, spec: PreparationSpec, row: Row) -> list[TrainingSubject]:
    """Open the prepared subjects of all data sets that a row learns from, each name unique.

    Args:
        data: data set folders.
        cache: holds a folder for each data set, and one more for its magnitudes where they are wanted.
        spec: how to prepare.
        row: which scans, and which images; the SWI alone reads the same arrays as SWI and phase, since training
            drops the phase from each crop.

    Raises:
        InputError: if no scan is of the kind that the row learns from.
    """
    subjects, heads = [], 0
    for folder in data:
        names = chosen_names(folder, row, heads)
        heads += len(set(heads_of(folder, names).values()))
        kind, prepared = (MagnitudeScan, "-magnitude") if row.input == "magnitude" else (LayoutScan, "")
        scans = [kind(folder, name, name) for name in names]
        opened = cached(scans, cache / f"{folder.name}{prepared}{mark_of(spec)}", spec)
        several = len(data) > 1
        subjects += [replace(s, name=f"{folder.name}/{s.name}") if several else s for s in opened]
    if not subjects:
        raise InputError(f"No scan of {', '.join(str(folder) for folder in data)} has {row.less_data}.")
    return subjects


def chosen_names(data: Path, row: Row, before: int = 0) -> list[str]:
    """Names of the scans of a data set that a row learns from.

    Args:
        data: its folder.
        row: which scans.
        before: heads that other data sets gave already; they count for the row's number of heads.
    """
    names = [name for name in subject_names(data) if _wanted(data, row.only, name)]
    by_head: dict[str, list[str]] = {}
    for name, head in heads_of(data, names).items():
        by_head.setdefault(head, []).append(name)
    wanted = len(by_head) if row.heads is None else max(0, row.heads - before)
    heads = list(by_head)[:wanted]
    return [name for head in heads for name in by_head[head][: row.scans_per_head or len(names)]]


def label_maps(data: Sequence[Path], row: Row) -> list[str]:
    """Names of the label maps behind the scans that a row learns from; a test must not hold any of them."""
    found: set[str] = set()
    for folder in data:
        with (folder / "participants.tsv").open(encoding="utf-8", newline="") as file:
            scans = csv.DictReader(file, delimiter="\t")
            found |= {scan["anatomy"] for scan in scans if all(scan.get(k) == v for k, v in row.only.items())}
    return sorted(found)


def _wanted(data: Path, only: dict[str, str], name: str) -> bool:
    """Whether participants.tsv says of a scan what the row asks for."""
    if not only:
        return True
    with (data / "participants.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["participant_id"] == name]
    return bool(rows) and all(rows[0].get(column) == value for column, value in only.items())
