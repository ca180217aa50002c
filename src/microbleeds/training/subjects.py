"""Subjects as training sees them: prepared once, kept as memory-mapped arrays.

A subject's folder holds ``image.npy`` (float16 [2, X, Y, Z], not masked), ``depth.npy`` (int8 [X, Y, Z],
quarter millimetres below the brain surface, negative outside) and ``subject.json`` (grid and points).
The depth instead of a mask lets training grow and shrink the mask at no cost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds.atomic import atomic_folder
from microbleeds.evaluate import Truth
from microbleeds.geometry import Grid
from microbleeds.prepare import Prepared, depth_below_surface

DEPTH_UNIT_MM = 0.25
ANYWHERE = 4000  # points in the brain from which crops "anywhere" are drawn


@dataclass(frozen=True, eq=False)
class TrainingSubject:
    """One prepared subject with its truth; points are voxels of ``grid``.

    Args:
        name: unique in its data set.
        image: float16 [2, X, Y, Z].
        depth: int8 [X, Y, Z] in units of ``DEPTH_UNIT_MM``.
        grid: working grid.
        bleeds: [N, 3] visible microbleeds.
        mimics: [K, 3] where a detection is a false positive.
        ignored: [I, 3] where a detection is neither.
        anywhere: [A, 3] random points of the brain.
    """

    name: str
    image: NDArray[np.float16]
    depth: NDArray[np.int8]
    grid: Grid
    bleeds: NDArray[np.float64]
    mimics: NDArray[np.float64]
    ignored: NDArray[np.float64]
    anywhere: NDArray[np.float64]

    @property
    def has_phase(self) -> bool:
        """Whether the second channel carries anything."""
        return bool(np.any(self.image[1]))

    def prepared(self, *, with_phase: bool = True) -> Prepared:
        """Return the subject as the detector wants it, or as it would without its phase."""
        image = np.array(self.image, dtype=np.float32)
        if not with_phase:
            image[1] = 0
        return Prepared(image, np.asarray(self.depth) > 0, self.grid, with_phase and self.has_phase)


def subject_from(name: str, prepared: Prepared, truth: Truth) -> TrainingSubject:
    """Make a training subject of a prepared scan and its truth."""
    limit_mm = 127 * DEPTH_UNIT_MM
    depth = depth_below_surface(prepared.brain, prepared.grid, limit_mm)
    # The distance is accurate to 1 mm only; the mask itself stays exact.
    depth = np.where(prepared.brain, np.maximum(depth, DEPTH_UNIT_MM), np.minimum(depth, 0))
    voxels = np.flatnonzero(prepared.brain)
    # An even subset: random would need a seed, and crops are jittered anyway.
    chosen = voxels[np.linspace(0, len(voxels) - 1, min(ANYWHERE, len(voxels))).astype(int)]
    to_voxels = prepared.grid.to_ijk
    return TrainingSubject(
        name=name,
        image=prepared.image.astype(np.float16),
        depth=np.round(depth / DEPTH_UNIT_MM).astype(np.int8),
        grid=prepared.grid,
        bleeds=to_voxels(truth.counted_mm),
        mimics=to_voxels(truth.mimics_mm[~truth.mimic_ignored]),
        ignored=to_voxels(truth.ignored_mm),
        anywhere=np.stack(np.unravel_index(chosen, prepared.brain.shape), axis=1).astype(np.float64),
    )


def save_subject(subject: TrainingSubject, folder: Path, key: str = "") -> None:
    """Write a subject whole or not at all; ``key`` says what it was made from."""
    points = {name: getattr(subject, name).tolist() for name in ("bleeds", "mimics", "ignored", "anywhere")}
    facts = {
        "name": subject.name,
        "key": key,
        "shape": subject.grid.shape,
        "affine": subject.grid.affine.tolist(),
    }
    with atomic_folder(folder, overwrite=True) as partial:
        np.save(partial / "image.npy", subject.image)
        np.save(partial / "depth.npy", subject.depth)
        (partial / "subject.json").write_text(json.dumps(facts | points), encoding="utf-8")


def load_subject(folder: Path) -> TrainingSubject:
    """Open a subject; its arrays stay on disk until a crop touches them."""
    facts = json.loads((folder / "subject.json").read_text(encoding="utf-8"))
    points = {
        name: np.asarray(facts[name], dtype=np.float64).reshape(-1, 3)
        for name in ("bleeds", "mimics", "ignored", "anywhere")
    }
    return TrainingSubject(
        name=facts["name"],
        image=np.load(folder / "image.npy", mmap_mode="r"),
        depth=np.load(folder / "depth.npy", mmap_mode="r"),
        grid=Grid(tuple(facts["shape"]), np.asarray(facts["affine"])),
        **points,
    )
