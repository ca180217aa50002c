"""A data set folder (layout in docs/architecture.md) becomes prepared training subjects, cached."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.evaluate import read_truth
from microbleeds.geometry import Grid, canonical, grid_of
from microbleeds.prepare import PreparationSpec, prepare
from microbleeds.training.subjects import TrainingSubject, load_subject, save_subject, subject_from

log = logging.getLogger(__name__)


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


def cached_subjects(
    data: Path, names: list[str], cache: Path, spec: PreparationSpec, workers: int = 1
) -> list[TrainingSubject]:
    """Prepare each subject once and open all of them.

    Args:
        data: data set folder.
        names: subjects to open.
        cache: folder for prepared arrays; entries made from other files or by another specification are
            made again.
        spec: how to prepare.
        workers: processes.
    """
    missing = [name for name in names if not _fresh(cache / name, _key(data, name, spec))]
    prepare_one = partial(_prepare_into, data, cache, spec)
    if workers > 1 and missing:
        # Spawned: a process forked after torch has used its threads can hang.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(prepare_one, missing))
    else:
        for name in missing:
            prepare_one(name)
    return [load_subject(cache / name) for name in names]


def read_subject(data: Path, name: str, spec: PreparationSpec) -> TrainingSubject:
    """Read and prepare one subject of a data set with its true brain mask."""
    from microbleeds.study import load_study  # here, so that training can be imported without readers

    anatomy, truth = data / name / "anat", data / "derivatives" / "truth" / name / "anat"
    scan = load_study(
        swi=_existing(anatomy / f"{name}_swi.nii.gz"),
        magnitude=_existing(anatomy / f"{name}_part-mag_GRE.nii.gz"),
        phase=_existing(anatomy / f"{name}_part-phase_GRE.nii.gz"),
    )
    brain = _read_mask(truth / f"{name}_desc-brain_mask.nii.gz", scan.grid)
    return subject_from(name, prepare(scan, brain, spec), read_truth(truth / f"{name}_microbleeds.tsv"))


def _fresh(folder: Path, key: str) -> bool:
    """Whether a prepared subject is there and was made from the same."""
    facts = folder / "subject.json"
    return facts.exists() and json.loads(facts.read_text(encoding="utf-8"))["key"] == key


def _prepare_into(data: Path, cache: Path, spec: PreparationSpec, name: str) -> None:
    """Prepare a subject into its folder of the cache."""
    log.info("Preparing %s", name)
    key = _key(data, name, spec)
    try:
        save_subject(read_subject(data, name, spec), cache / name, key)
    except OSError:
        # Another process may have put the same there meanwhile; a folder can't be moved onto it then.
        if not _fresh(cache / name, key):
            raise


def _key(data: Path, name: str, spec: PreparationSpec) -> str:
    """Hash of the specification and of the size and time of each of the subject's files."""
    files = sorted((data / name).rglob("*.*")) + sorted((data / "derivatives/truth" / name).rglob("*.*"))
    facts = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return hashlib.sha256(json.dumps([spec.model_dump(), facts]).encode()).hexdigest()


def _existing(path: Path) -> Path | None:
    """The path if it exists."""
    return path if path.exists() else None


def _read_mask(path: Path, grid: Grid) -> NDArray[np.bool_]:
    """Read a mask that must lie on ``grid``."""
    if not path.exists():
        raise InputError(f"{path} is missing; training needs the true brain mask of each subject.")
    image = cast("nib.spatialimages.SpatialImage", nib.load(path))
    mask, found = canonical(np.asarray(image.dataobj) > 0, grid_of(image))
    if not found.same_as(grid):
        raise InputError(f"{path} lies on another grid than its scan; write both on the same.")
    return mask
