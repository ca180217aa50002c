from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from toy_subjects import toy_prepared, toy_preset

from microbleeds.errors import InputError
from microbleeds.prepare import PreparationSpec
from microbleeds.search import model_record
from microbleeds.simulate.cohort import CohortSettings
from microbleeds.training.collection import hold_out, open_collection, spread
from microbleeds.training.dataset import (
    LayoutScan,
    cached_subjects,
    heads_of,
    is_simulated,
    read_subject,
    subject_names,
)
from microbleeds.training.plan import Mix, Plan
from microbleeds.training.presets import SamplingSettings
from microbleeds.training.run import train
from microbleeds.training.simulated import DrawSimulated
from microbleeds.training.start import mean_start
from microbleeds.training.subjects import save_subject
from microbleeds.weights import load_detector
from microbleeds.weights.store import SHIPPED

SPEC = PreparationSpec()


def describe_simulated(data: Path) -> None:
    """Say of a data set that ``microbleeds simulate`` wrote it, a head for each subject."""
    (data / "dataset_description.json").write_text('{"SimulationOptions": {}}')
    rows = [f"{path.name}\t{number}\n" for number, path in enumerate(sorted(data.glob("sub-*")), 1)]
    (data / "participants.tsv").write_text("participant_id\thead\n" + "".join(rows))


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


def test_a_stated_sign_of_the_phase_makes_another_entry(tmp_path: Path) -> None:
    write_subject(tmp_path, 0)
    scan = LayoutScan(tmp_path, "sub-000", "sub-000")
    dark = LayoutScan(tmp_path, "sub-000", "sub-000", "paramagnetic-dark")
    bright = LayoutScan(tmp_path, "sub-000", "sub-000", "paramagnetic-bright")
    assert len({scan.key(SPEC), dark.key(SPEC), bright.key(SPEC)}) == 3
    assert np.array_equal(dark.read(SPEC).image[1], -bright.read(SPEC).image[1])


def test_names_need_a_truth(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no subject"):
        subject_names(tmp_path)
    write_subject(tmp_path, 0)
    assert subject_names(tmp_path) == ["sub-000"]
    # One without a truth was left out without a word, while check-data refused it.
    (tmp_path / "sub-001").mkdir()
    with pytest.raises(InputError, match="sub-001 has no derivatives/truth"):
        subject_names(tmp_path)


def test_images_that_are_not_compressed_are_read(tmp_path: Path) -> None:
    write_subject(tmp_path, 0)
    whole = read_subject(tmp_path, "sub-000", SPEC)
    keys = {LayoutScan(tmp_path, "sub-000", "sub-000").key(SPEC)}
    for path in [*tmp_path.rglob("*_swi.nii.gz"), *tmp_path.rglob("*_part-phase_GRE.nii.gz")]:
        nib.save(nib.load(path), path.with_suffix(""))
        path.unlink()
    keys.add(LayoutScan(tmp_path, "sub-000", "sub-000").key(SPEC))
    next(tmp_path.rglob("*_part-phase_GRE.nii")).with_suffix(".json").write_text("{}")
    keys.add(LayoutScan(tmp_path, "sub-000", "sub-000").key(SPEC))
    assert len(keys) == 3
    assert np.array_equal(read_subject(tmp_path, "sub-000", SPEC).image, whole.image)


def test_visits_of_a_subject_stay_together(tmp_path: Path) -> None:
    write_subject(tmp_path / "flat", 0)
    names = ["sub-000_ses-01", "sub-000_ses-02"]
    for path in (tmp_path / "flat").rglob("sub-000_*"):
        for name in names:
            place = tmp_path / "data" / path.parent.parent.relative_to(tmp_path / "flat") / name[-6:] / "anat"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / path.name.replace("sub-000", name))
    (tmp_path / "data" / "participants.tsv").write_text("participant_id\thead\nsub-000\t7\n")
    scans = open_collection(tmp_path / "data").scans
    assert [(scan.name, scan.group, scan.bleeds()) for scan in scans] == [(name, "head 7", 2) for name in names]
    assert len({scan.key(SPEC) for scan in scans}) == 2
    assert np.array_equal(scans[1].read(SPEC).image, read_subject(tmp_path / "flat", "sub-000", SPEC).image)


def test_a_linked_folder_of_images_decides_what_is_prepared(tmp_path: Path) -> None:
    write_subject(tmp_path / "data", 0)
    anatomy = tmp_path / "data" / "sub-000" / "anat"
    anatomy.rename(tmp_path / "elsewhere")
    anatomy.symlink_to(tmp_path / "elsewhere")
    before = LayoutScan(tmp_path / "data", "sub-000", "sub-000").key(SPEC)
    os.utime(next((tmp_path / "elsewhere").glob("*_swi*")), (1, 1))
    assert LayoutScan(tmp_path / "data", "sub-000", "sub-000").key(SPEC) != before


def test_a_missing_brain_mask_is_segmented(tmp_path: Path) -> None:
    write_subject(tmp_path, 0)
    next(tmp_path.rglob("*brain_mask*")).unlink()
    prepared = toy_prepared(0)[0]
    subject = read_subject(tmp_path, "sub-000", SPEC)
    # So small a view shows no anatomy: what has signal is taken.
    found = (subject.depth > 0).sum()
    assert 0.9 * prepared.brain.sum() < found < 1.1 * prepared.brain.sum()
    assert len(subject.bleeds) == 2


def test_a_mask_on_another_grid_is_named(tmp_path: Path) -> None:
    write_subject(tmp_path, 0)
    path = next(tmp_path.rglob("*brain_mask*"))
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), dtype=np.uint8), np.eye(4)), path)
    with pytest.raises(InputError, match="another grid"):
        read_subject(tmp_path, "sub-000", SPEC)


def test_held_out_subjects_are_spread() -> None:
    names = [f"sub-{n:03d}" for n in range(10)]
    assert spread(names, 3) == ["sub-000", "sub-004", "sub-008"]
    assert spread(names, 0) == []
    assert spread(names[:2], 6) == names[:2]


def scans_of(heads: dict[str, str]) -> list[LayoutScan]:
    return [LayoutScan(Path("data"), name, head) for name, head in heads.items()]


class TestHeldOut:
    def test_at_most_a_fifth(self) -> None:
        def held(count: int) -> int:
            return len(hold_out(scans_of({f"s{n}": f"s{n}" for n in range(count)}), 6)[1])

        assert [held(count) for count in (1, 4, 5, 14, 30, 100)] == [0, 0, 1, 2, 6, 6]

    def test_a_head_is_never_on_both_sides(self) -> None:
        scans = scans_of({f"s{n:02d}": f"head {n // 4}" for n in range(40)})
        for most in (1, 3, 6, 8, 99):
            kept, held = hold_out(scans, most)
            assert 0 < len(held) <= min(most, 8)
            assert not {scan.group for scan in kept} & {scan.group for scan in held}
        assert {scan.group for scan in hold_out(scans, 6)[1]} == {"head 0", "head 5"}
        assert hold_out(scans, 0) == (scans, [])

    def test_by_burden_some_bleeds_are_held_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        scans = scans_of({f"s{n}": f"s{n}" for n in range(10)})
        monkeypatch.setattr(LayoutScan, "bleeds", lambda scan: 4 if scan.name in ("s3", "s7", "s8") else 0)
        assert [scan.name for scan in hold_out(scans, 6)[1]] == ["s0", "s5"]
        kept, held = hold_out(scans, 6, by_burden=True)
        assert [scan.name for scan in held] == ["s5", "s8"]
        assert len(kept) == 8

    def test_heads_come_from_the_table(self, tmp_path: Path) -> None:
        names = ["sub-001", "sub-002", "sub-003"]
        assert len(set(heads_of(tmp_path, names).values())) == 3
        rows = ["participant_id\thead", "sub-001\t1", "sub-002\t1", "sub-003\tn/a", "sub-009\t1"]
        (tmp_path / "participants.tsv").write_text("\n".join(rows) + "\n")
        heads = heads_of(tmp_path, names)
        assert heads["sub-001"] == heads["sub-002"] != heads["sub-003"]
        assert list(heads) == names

    def test_a_simulated_scan_needs_its_head(self, tmp_path: Path) -> None:
        """A simulation that was broken off: two scans of one head would be taken for two people."""
        names = ["sub-001", "sub-002", "sub-003_ses-01"]
        (tmp_path / "dataset_description.json").write_text('{"SimulationOptions": {}}')
        with pytest.raises(InputError, match=r"3 scans \(sub-001, .*finish it with --resume"):
            heads_of(tmp_path, names)
        (tmp_path / "participants.tsv").write_text("participant_id\thead\nsub-001\t1\nsub-003\t2\n")
        with pytest.raises(InputError, match=r"1 scans \(sub-002\)"):
            heads_of(tmp_path, names)
        assert heads_of(tmp_path, [names[0], names[2]]) == {"sub-001": "head 1", "sub-003_ses-01": "head 2"}


def test_simulated_data_are_known_by_their_description(tmp_path: Path) -> None:
    assert not is_simulated(tmp_path)
    description = tmp_path / "dataset_description.json"
    description.write_text('{"Name": "Hospital"}')
    assert not is_simulated(tmp_path)
    description.write_text('{"Name": "x", "SimulationOptions": {"seed": 1}}')
    assert is_simulated(tmp_path)
    description.write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        is_simulated(tmp_path)


def test_another_process_that_prepared_the_same_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_subject(tmp_path / "data", 0)

    def raced(subject: object, folder: Path, key: str) -> None:
        save_subject(subject, folder, key)  # type: ignore[arg-type]
        raise OSError("Directory not empty")

    monkeypatch.setattr("microbleeds.training.cache.save_subject", raced)
    (subject,) = cached_subjects(tmp_path / "data", ["sub-000"], tmp_path / "cache", SPEC)
    assert subject.name == "sub-000"


class TestTrain:
    """The whole verb on toy data sets."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("lightning_fabric")
        preset = toy_preset(steps=2, validate_every=0, mine_every=0)
        monkeypatch.setattr("microbleeds.training.run.find_preset", lambda name: preset)

    def test_few_subjects_train_without_validation_and_say_so(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for seed in range(2):
            write_subject(tmp_path / "data", seed)
        card = train(tmp_path / "data", "toy", tmp_path / "run", device="cpu", workers=0)
        assert (card.training.subjects, card.training.simulated, card.training.data) == (2, False, "data")
        assert "NO VALIDATION" in card.training.notes
        assert "NO VALIDATION" in caplog.text
        assert (
            model_record(card, "balanced", with_phase=True).training == "Its weights learned from 2 scans of data."
        )

    def test_several_validation_sets(self, tmp_path: Path) -> None:
        for n, name in enumerate(("data", "one", "two")):
            write_subject(tmp_path / name, n)
        describe_simulated(tmp_path / "data")
        sets = [tmp_path / "one", tmp_path / "two"]
        run = tmp_path / "run"
        card = train(tmp_path / "data", "toy", run, validation_data=sets, device="cpu", workers=0)
        assert sorted(path.name for path in (run / "cache").iterdir()) == [
            "training",
            "validation",
            "validation-2",
        ]
        assert "too little in 2 validation scans" in card.training.notes
        assert card.training.simulated
        assert "1 simulated scans (data)" in model_record(card, "balanced", with_phase=True).training
        again = train(tmp_path / "data", "toy", run, validation_data=sets, device="cpu", workers=0)
        assert again.sha256 == card.sha256
        with pytest.raises(InputError, match="other scans"):  # its best step and thresholds are of both sets
            train(tmp_path / "data", "toy", run, validation_data=sets[0], device="cpu", workers=0)

    def test_goes_on_from_weights_with_their_network(self, tmp_path: Path) -> None:
        for seed in range(2):
            write_subject(tmp_path / "data", seed)
        parent, run = tmp_path / "parent" / "weights.safetensors", tmp_path / "run"
        first = train(tmp_path / "data", "toy", parent.parent, variant="+fusion", device="cpu", workers=0)
        card = train(tmp_path / "data", "toy", run, weights=parent, rate=1e-4, steps=1, device="cpu", workers=0)
        assert card.architecture == first.architecture != toy_preset().architecture
        assert card.training.data == f"data, going on from {first.name}"
        asked = json.loads((run / "run.json").read_text())
        assert (asked["rate"], asked["started_from"]["sha256"]) == (1e-4, first.sha256)
        before, after = load_detector(parent).model, load_detector(run / "weights.safetensors").model
        changes = [
            float((a - b).detach().abs().max())
            for a, b in zip(before.parameters(), after.parameters(), strict=True)
        ]
        assert 0 < max(changes) < 0.01, "one small step from the parent"
        with pytest.raises(InputError, match="other settings"):
            train(tmp_path / "data", "toy", run, weights=parent, rate=1e-3, steps=1, device="cpu", workers=0)

    def test_a_rate_is_that_of_both_stages(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for seed in range(2):
            write_subject(tmp_path / "data", seed)
        plans: list[Plan] = []
        monkeypatch.setattr("microbleeds.training.run.carry_out", plans.append)
        train(tmp_path / "data", "default", tmp_path / "run", rate=1e-4, device="cpu", workers=0)
        preset = plans[0].preset
        assert preset.optimiser.rate == preset.refinement.optimiser.rate == 1e-4

    def test_goes_on_from_the_mean_of_several_with_frozen_norms(self, tmp_path: Path) -> None:
        for seed in range(2):
            write_subject(tmp_path / "data", seed)
        paths = [tmp_path / name / "weights.safetensors" for name in ("one", "two")]
        for seed, path in enumerate(paths):
            train(tmp_path / "data", "toy", path.parent, seed=seed, device="cpu", workers=0)
        start = mean_start(paths)
        one, two = (load_detector(path).model.state_dict() for path in paths)
        for name, value in start.weights.items():
            if value.is_floating_point():
                assert torch.allclose(value, (one[name] + two[name]) / 2), name
        run = tmp_path / "run"
        card = train(
            tmp_path / "data", "toy", run, weights=paths, rate=1e-4, frozen_norms=True, device="cpu", workers=0
        )
        assert card.training.data.startswith("data, going on from the mean of toy-seed0 (")
        made = load_detector(run / "weights.safetensors").model.state_dict()
        for name, value in made.items():
            if "running" in name:
                assert torch.allclose(value, start.weights[name]), name
        with pytest.raises(InputError, match="can be frozen"):
            train(tmp_path / "data", "toy", tmp_path / "new", frozen_norms=True, device="cpu")
        train(tmp_path / "data", "toy", tmp_path / "plain", variant="+fusion", device="cpu", workers=0)
        with pytest.raises(InputError, match="another network"):
            mean_start([paths[0], tmp_path / "plain" / "weights.safetensors"])

    def test_weights_whose_network_the_crops_do_not_fit_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        preset = toy_preset(sampling=SamplingSettings(crop=(40, 40, 8), batch=2))
        monkeypatch.setattr("microbleeds.training.run.find_preset", lambda name: preset)
        with pytest.raises(InputError, match=r"toy can't go on from detector-.*must be a multiple of"):
            train(
                tmp_path / "data", "toy", tmp_path / "run", weights=SHIPPED / "detector.safetensors", device="cpu"
            )
        assert not (tmp_path / "run").exists()

    def test_what_cannot_be_trained_on_is_refused(self, tmp_path: Path) -> None:
        draw = DrawSimulated(CohortSettings("mixed"), 0, (tmp_path / "training_seg_01.nii.gz",))
        with pytest.raises(InputError, match="not on both"):
            train(tmp_path, "toy", tmp_path / "run", simulated=draw)
        with pytest.raises(InputError, match="--stream has its own"):
            train(None, "toy", tmp_path / "run", simulated=draw, mix=Mix(tmp_path))
        with pytest.raises(InputError, match="label maps"):
            train(None, "toy", tmp_path / "run", simulated=DrawSimulated(CohortSettings("mixed"), 0))
        with pytest.raises(InputError, match="share"):
            Mix(tmp_path, 1.0)
        assert not (tmp_path / "run").exists()
