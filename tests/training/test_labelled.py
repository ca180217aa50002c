"""Scans that people labelled, as training sees them."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from toy_subjects import toy_prepared

from microbleeds.annotations import LabelledScan
from microbleeds.errors import InputError
from microbleeds.prepare import PreparationSpec
from microbleeds.training import collection
from microbleeds.training import labelled as labelled_module
from microbleeds.training.cache import cached
from microbleeds.training.collection import open_collection
from microbleeds.training.labelled import UserScan
from microbleeds.training.subjects import TrainingSubject

SPEC = PreparationSpec()


def labelled(folder: Path, seed: int, subject: str | None = None, name: str | None = None) -> LabelledScan:
    """Write a toy scan and return it with its labels."""
    prepared, bleeds, mimics = toy_prepared(seed)
    name = name or f"scan {seed}"
    paths = {}
    folder.mkdir(parents=True, exist_ok=True)
    swi = np.where(prepared.brain, prepared.image[0] * 400, 5)
    for role, array in {"swi": swi, "phase": prepared.image[1]}.items():
        paths[role] = folder / f"{name.replace('/', '-')}-{role}.nii.gz"
        nib.save(nib.Nifti1Image(array.astype(np.float32), prepared.grid.affine), paths[role])
    to_mm = prepared.grid.to_mm
    return LabelledScan(
        name=name,
        subject=subject or name,
        swi=paths["swi"],
        magnitude=None,
        phase=paths["phase"],
        positions_ras_mm=to_mm(bleeds),
        ignored_ras_mm=to_mm(mimics[:1]),
        diameters_mm=np.full(len(bleeds), 2.0),
        form="toy",
    )


def test_read_onto_the_working_grid_with_a_segmented_brain(tmp_path: Path) -> None:
    scan = labelled(tmp_path, 0)
    subject = UserScan(scan).read(SPEC)
    prepared = toy_prepared(0)[0]
    to_mm = subject.grid.to_mm
    assert np.allclose(to_mm(subject.bleeds), scan.positions_ras_mm, atol=0.01)
    assert np.allclose(to_mm(subject.ignored), scan.ignored_ras_mm, atol=0.01)
    assert len(subject.mimics) == 0
    assert 0.9 < (subject.depth > 0).sum() / prepared.brain.sum() < 1.1


def test_a_label_outside_the_brain_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scan = labelled(tmp_path, 0)
    away = np.add(scan.positions_ras_mm, [[0, 0, 0], [0, 0, 0], [400, 0, 0]])
    with caplog.at_level(logging.WARNING):
        UserScan(dataclasses.replace(scan, positions_ras_mm=away)).read(SPEC)
    assert "scan 0: 1 of 3 labels lie outside the brain mask" in caplog.text


def test_other_labels_are_prepared_anew(tmp_path: Path) -> None:
    scan, cache = labelled(tmp_path, 0, name="a/b c"), tmp_path / "cache"
    cached([UserScan(scan)], cache, SPEC)
    (folder,) = cache.iterdir()
    assert folder.name.startswith("a_b_c-")
    written = (folder / "image.npy").stat().st_mtime_ns
    cached([UserScan(scan)], cache, SPEC)
    assert (folder / "image.npy").stat().st_mtime_ns == written
    fewer = dataclasses.replace(scan, positions_ras_mm=scan.positions_ras_mm[:1], diameters_mm=[2.0])
    (subject,) = cached([UserScan(fewer)], cache, SPEC)
    assert len(subject.bleeds) == 1


@pytest.mark.parametrize("text", ["", "{}", '{"name": "a", "key', "[]"])
def test_a_damaged_entry_of_the_cache_is_prepared_anew(tmp_path: Path, text: str) -> None:
    scan, cache = UserScan(labelled(tmp_path, 0)), tmp_path / "cache"
    cached([scan], cache, SPEC)
    (folder,) = cache.iterdir()
    (folder / "subject.json").write_text(text)
    (subject,) = cached([scan], cache, SPEC)
    assert subject.name == scan.name


def test_content_is_that_of_labels_and_images_wherever_they_lie(tmp_path: Path) -> None:
    scan = labelled(tmp_path / "a", 0)
    before = UserScan(scan).content()
    assert UserScan(labelled(tmp_path / "b", 0)).content() == before
    mirrored = dataclasses.replace(scan, positions_ras_mm=scan.positions_ras_mm * [-1, 1, 1])
    ignored = dataclasses.replace(scan, ignored_ras_mm=scan.ignored_ras_mm + 1)
    assert before not in (UserScan(mirrored).content(), UserScan(ignored).content())
    assert UserScan(dataclasses.replace(scan, phase=None)).content() != before


def test_a_sidecar_and_another_segmentation_are_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = UserScan(labelled(tmp_path, 0))
    before = scan.key(SPEC)
    (tmp_path / "dataset_description.json").write_text("{}")
    assert scan.labelled.phase is not None
    scan.labelled.phase.with_name(scan.labelled.phase.name.replace(".nii.gz", ".json")).write_text("{}")
    described = scan.key(SPEC)
    monkeypatch.setattr(labelled_module, "segmentation_sha256", lambda: "another")
    assert len({before, described, scan.key(SPEC)}) == 3


def test_a_cache_that_another_run_changes_meanwhile_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (UserScan(labelled(tmp_path, n)) for n in (0, 1))
    cached([first], tmp_path / "cache", SPEC)
    read = UserScan.read

    def meanwhile(scan: UserScan, spec: PreparationSpec) -> TrainingSubject:
        monkeypatch.setattr(UserScan, "read", read)
        cached([dataclasses.replace(first, phase_sign="paramagnetic-dark")], tmp_path / "cache", SPEC)
        return scan.read(spec)

    monkeypatch.setattr(UserScan, "read", meanwhile)
    with pytest.raises(InputError, match="another run"):
        cached([first, second], tmp_path / "cache", SPEC)


def test_names_that_look_alike_on_disk_are_two(tmp_path: Path) -> None:
    scans = [UserScan(labelled(tmp_path, seed, name=name)) for seed, name in enumerate(("a/b", "a_b", "a b"))]
    first = cached(scans, tmp_path / "cache", SPEC)
    assert [subject.name for subject in first] == ["a/b", "a_b", "a b"]
    assert len({subject.image.tobytes() for subject in first}) == 3


def test_the_sign_of_the_phase_can_be_stated(tmp_path: Path) -> None:
    scan = labelled(tmp_path, 0)
    bright, dark = (UserScan(scan, sign) for sign in ("paramagnetic-bright", "paramagnetic-dark"))
    assert bright.key(SPEC) != dark.key(SPEC)
    one, other = bright.read(SPEC), dark.read(SPEC)
    i, j, k = np.round(one.bleeds[0]).astype(int)
    assert one.image[1, i, j, k] > 0.2
    assert np.array_equal(one.image[1], -other.image[1])


def test_a_doubtful_sign_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        UserScan(labelled(tmp_path, 0)).read(SPEC)
    assert "scan 0: The sign of the phase is unsure" in caplog.text


class TestCollection:
    def test_any_form(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        scans = [labelled(tmp_path, n, subject=f"person {n % 2}") for n in (2, 1, 0)]
        scans[0] = dataclasses.replace(scans[0], warnings=("Its slices count from 1.",))
        asked = []

        def found(folder: Path, converted: Path | None) -> list[LabelledScan]:
            asked.append((folder, converted))
            return scans

        monkeypatch.setattr(collection, "labelled_scans", found)
        opened = open_collection(tmp_path, tmp_path / "converted")
        assert asked == [(tmp_path, tmp_path / "converted")]
        assert [scan.name for scan in opened.scans] == ["scan 0", "scan 1", "scan 2"]
        assert [scan.group for scan in opened.scans] == ["person 0", "person 1", "person 0"]
        assert [scan.bleeds() for scan in opened.scans] == [3, 3, 3]
        assert not opened.simulated
        assert "scan 2: Its slices count from 1." in caplog.text

    def test_masks_where_the_program_keeps_tables_are_read_as_masks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "derivatives" / "truth" / "sub-01" / "anat").mkdir(parents=True)
        (tmp_path / "derivatives" / "truth" / "sub-01" / "anat" / "sub-01_mask.nii.gz").touch()
        monkeypatch.setattr(collection, "labelled_scans", lambda folder, converted: [labelled(tmp_path, 0)])
        assert [scan.name for scan in open_collection(tmp_path).scans] == ["scan 0"]

    def test_two_scans_of_one_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scan = labelled(tmp_path, 0)
        monkeypatch.setattr(collection, "labelled_scans", lambda folder, converted: [scan, scan])
        with pytest.raises(InputError, match="Two scans"):
            open_collection(tmp_path)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no folder"):
            open_collection(tmp_path / "missing")
