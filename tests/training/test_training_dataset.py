from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from toy_subjects import toy_prepared

from microbleeds.errors import InputError
from microbleeds.prepare import PreparationSpec
from microbleeds.training.dataset import cached_subjects, read_subject, subject_names
from microbleeds.training.run import _spread

SPEC = PreparationSpec()


def write_subject(data: Path, seed: int) -> np.ndarray:
    """Write a subject in the layout of docs/architecture.md; returns the voxels of its bleeds."""
    prepared, bleeds, mimics = toy_prepared(seed)
    name = f"sub-{seed:03d}"
    anatomy, truth = data / name / "anat", data / "derivatives" / "truth" / name / "anat"
    anatomy.mkdir(parents=True)
    truth.mkdir(parents=True)
    affine = prepared.grid.affine
    swi = np.where(prepared.brain, prepared.image[0] * 400, 5)
    for ending, array in {"swi": swi, "part-mag_GRE": swi, "part-phase_GRE": prepared.image[1]}.items():
        nib.save(nib.Nifti1Image(array.astype(np.float32), affine), anatomy / f"{name}_{ending}.nii.gz")
    mask = nib.Nifti1Image(prepared.brain.astype(np.uint8), affine)
    nib.save(mask, truth / f"{name}_desc-brain_mask.nii.gz")
    rows = ["id\tx_mm\ty_mm\tz_mm\tdiameter_mm\tvisible\tgroup\tregion"]
    for n, place in enumerate(prepared.grid.to_mm(bleeds)):
        x, y, z = place
        rows.append(f"{n}\t{x:.3f}\t{y:.3f}\t{z:.3f}\t2\t{int(n > 0)}\tlobar\tn/a")
    (truth / f"{name}_microbleeds.tsv").write_text("\n".join(rows) + "\n")
    rows = ["id\tkind\tx_mm\ty_mm\tz_mm\tradius_mm\tsusceptibility_ppm\tscored"]
    for n, place in enumerate(prepared.grid.to_mm(mimics)):
        x, y, z = place
        scored = "mimic" if n else "ignored"
        rows.append(f"{n}\tcalcification\t{x:.3f}\t{y:.3f}\t{z:.3f}\t1\t-1\t{scored}")
    (truth / f"{name}_mimics.tsv").write_text("\n".join(rows) + "\n")
    return bleeds


def test_reads_image_and_truth_onto_the_working_grid(tmp_path: Path) -> None:
    bleeds = write_subject(tmp_path, 0)
    subject = read_subject(tmp_path, "sub-000", SPEC)
    prepared, _, mimics = toy_prepared(0)
    to_mm = prepared.grid.to_mm
    assert np.allclose(subject.grid.to_mm(subject.bleeds), to_mm(bleeds[1:]), atol=0.01)
    assert np.allclose(subject.grid.to_mm(subject.ignored), to_mm([bleeds[0], mimics[0]]), atol=0.01)
    assert np.allclose(subject.grid.to_mm(subject.mimics), to_mm(mimics[1:]), atol=0.01)
    i, j, k = np.round(subject.bleeds[0]).astype(int)
    assert subject.image[0, i, j, k] < 0.6
    assert (subject.depth > 0).sum() == prepared.brain.sum()


def test_cache_is_used_and_renewed(tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    write_subject(data, 0)
    cached_subjects(data, ["sub-000"], cache, SPEC)
    written = (cache / "sub-000" / "image.npy").stat().st_mtime_ns
    cached_subjects(data, ["sub-000"], cache, SPEC)
    assert (cache / "sub-000" / "image.npy").stat().st_mtime_ns == written
    (again,) = cached_subjects(data, ["sub-000"], cache, PreparationSpec(swi_clip=1.05))
    assert again.image[0].max() == pytest.approx(1.05, abs=0.01)


def test_names_need_a_truth(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no subject"):
        subject_names(tmp_path)
    write_subject(tmp_path, 0)
    (tmp_path / "sub-001").mkdir()
    assert subject_names(tmp_path) == ["sub-000"]


def test_missing_brain_mask_is_named(tmp_path: Path) -> None:
    write_subject(tmp_path, 0)
    next(tmp_path.rglob("*brain_mask*")).unlink()
    with pytest.raises(InputError, match="brain mask"):
        read_subject(tmp_path, "sub-000", SPEC)


def test_held_out_subjects_are_spread() -> None:
    names = [f"sub-{n:03d}" for n in range(10)]
    assert _spread(names, 3) == ["sub-000", "sub-004", "sub-008"]
    assert _spread(names, 0) == []
    assert _spread(names[:2], 6) == names[:2]
