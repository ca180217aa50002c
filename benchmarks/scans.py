"""Scans of a cohort as every row reads them: segmented and prepared once, kept on disk.

A scan's folder in the cache holds ``image.npy`` (float16 [C, X, Y, Z] on the working grid: SWI and phase, or the
magnitude alone), ``brain.npy`` (bool, the segmentation's brain on the working grid) and ``place.npz`` (the
segmentation on the scan's grid, for the rule by place). Its path says which anatomy network and data set made it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from cohort import Cohort
from microbleeds.atomic import atomic_folder
from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.evaluate import Truth, read_truth
from microbleeds.geometry import Grid
from microbleeds.prepare import PreparationSpec, Prepared, prepare
from microbleeds.report.run_record import sha256_of
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation, segment
from microbleeds.study import load_study
from microbleeds.training.dataset import heads_of, subject_names
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS
from rows import Input

FILES = {"swi": "swi", "magnitude": "part-mag_GRE", "phase": "part-phase_GRE"}


@dataclass(frozen=True, eq=False)
class CachedScan:
    """One scan of a cohort.

    Args:
        name: unique in the cohort, for instance ``with/sub-001``.
        head: the head it was simulated from; scans of one head are not independent.
        folder: in the cache.
        truth: of the scan.
    """

    name: str
    head: str
    folder: Path
    truth: Truth

    def prepared(self, use: Input = "swi+phase") -> Prepared:
        """Return the arrays that a detector reads."""
        facts = json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))
        stored = np.load(self.folder / ("magnitude.npy" if use == "magnitude" else "image.npy"))
        image = np.zeros((2, *stored.shape[1:]), dtype=np.float32)
        image[0] = stored[0]
        if use == "swi+phase":
            image[1] = stored[1]
        brain = np.load(self.folder / "brain.npy")
        return Prepared(image, brain, _grid(facts["grid"]), bool(use == "swi+phase" and facts["has_phase"]))

    @property
    def segmentation(self) -> Segmentation:
        """What lies where, on the scan's grid."""
        with np.load(self.folder / "place.npz", allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            arrays = {name: stored[name] for name in stored.files if name != "facts"}
        return Segmentation(grid=_grid(facts.pop("grid")), **arrays, **facts)


def cached_scans(
    cohort: Cohort,
    data: Path,
    cache: Path,
    spec: PreparationSpec,
    compute: Compute,
    *,
    magnitude: bool = False,
    most: int | None = None,
) -> list[CachedScan]:
    """Open all scans of a cohort; those that are not in the cache yet are segmented and prepared.

    Args:
        cohort: its parts are folders of ``data``.
        data: folder of the cohort's scans.
        cache: folder of the cache.
        spec: how to prepare.
        compute: for the segmentation.
        magnitude: whether the magnitude alone is wanted too.
        most: of each part, only the first so many.
    """
    scans = []
    for part in cohort.parts:
        folder = data / part.name
        names = subject_names(folder)
        table = folder / "participants.tsv"
        if len(names) != part.subjects or not table.exists():
            raise InputError(f"{folder} holds {len(names)} of {part.subjects} scans; run `build` first.")
        made = f"{sha256_of(ANATOMY_WEIGHTS)[:8]}-{sha256_of(table)[:8]}-v{spec.version}{mark_of(spec)}"
        heads = heads_of(folder, names)
        for name in names[:most]:
            kept = cache / made / cohort.name / part.name / name
            if not (kept / "facts.json").exists():
                _prepare_into(kept, folder / name / "anat", spec, compute)
            if magnitude and not (kept / "magnitude.npy").exists():
                _add_magnitude(kept, folder / name / "anat", spec)
            truth = read_truth(folder / "derivatives" / "truth" / name / "anat" / f"{name}_microbleeds.tsv")
            scans.append(CachedScan(f"{part.name}/{name}", f"{part.name}/{heads[name]}", kept, truth))
    return scans


def mark_of(spec: PreparationSpec) -> str:
    """Return what tells folders of another preparation from those of the usual one, whose mark is empty."""
    if spec == PreparationSpec():
        return ""
    return f"-{hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:8]}"


def _read(anat: Path, roles: tuple[str, ...]) -> Scan:
    """Read the named images of a scan."""
    name = anat.parent.name
    paths = {role: anat / f"{name}_{FILES[role]}.nii.gz" for role in roles}
    missing = [path.name for path in paths.values() if not path.exists()]
    if missing:
        raise InputError(f"{anat} lacks {', '.join(missing)}; build the cohort anew.")
    return load_study(**paths)  # type: ignore[arg-type]


def _prepare_into(kept: Path, anat: Path, spec: PreparationSpec, compute: Compute) -> None:
    """Segment and prepare a scan, SWI and phase, as the whole program does."""
    scan = _read(anat, ("swi", "phase"))
    found = segment(scan, compute=compute)
    prepared = prepare(scan, found.brain, spec)
    facts = {"grid": _grid_facts(prepared.grid), "has_phase": prepared.has_phase}
    with atomic_folder(kept, overwrite=True) as partial:
        np.save(partial / "image.npy", prepared.image.astype(np.float16))
        np.save(partial / "brain.npy", prepared.brain)
        _save_segmentation(partial / "place.npz", found)
        (partial / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def _add_magnitude(kept: Path, anat: Path, spec: PreparationSpec) -> None:
    """Prepare the magnitude of a scan with the same brain."""
    scan = _read(anat, ("magnitude",))
    with np.load(kept / "place.npz", allow_pickle=False) as stored:
        brain = stored["brain"]
    prepared = prepare(replace(scan, phase_rad=None), brain, spec)
    partial = kept / "magnitude.partial.npy"
    np.save(partial, prepared.image[:1].astype(np.float16))
    partial.replace(kept / "magnitude.npy")


def _save_segmentation(path: Path, found: Segmentation) -> None:
    """Write every field of a segmentation: arrays as such, the rest as JSON."""
    arrays, facts = {}, {}
    for name in (f.name for f in fields(found)):
        value = getattr(found, name)
        if isinstance(value, np.ndarray):
            arrays[name] = value
        else:
            facts[name] = _grid_facts(value) if isinstance(value, Grid) else value
    arrays["facts"] = np.array(json.dumps(facts))
    np.savez_compressed(path, allow_pickle=False, **arrays)


def _grid_facts(grid: Grid) -> dict[str, Any]:
    """Return a grid as JSON."""
    return {"shape": list(grid.shape), "affine": grid.affine.tolist()}


def _grid(facts: dict[str, Any]) -> Grid:
    """Return a grid from JSON."""
    i, j, k = facts["shape"]
    return Grid((i, j, k), np.asarray(facts["affine"]))
