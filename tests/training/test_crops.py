from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_subjects import SHAPE, toy_preset, toy_subject

from microbleeds.training.augment import jittered_brain, turn_and_flip, vary_intensity
from microbleeds.training.batches import FixedSubjects, batches, make_batch
from microbleeds.training.crops import Crop, choose_place, cut, window_of_step
from microbleeds.training.losses import CENTRE
from microbleeds.training.presets import NO_AUGMENTATION, AugmentSettings, SamplingSettings
from microbleeds.training.subjects import load_subject, save_subject

SUBJECT = toy_subject(0)
STRONG = AugmentSettings(warp=1.0, rotation_deg=30, scaling=0.2)


def darkness_centre(crop: Crop, near: np.ndarray) -> np.ndarray:
    """Middle [2] in plane of the dark blob around a point."""
    i, j, k = np.round(near).astype(int)
    patch = np.maximum(0, 0.7 - crop.image[0, i - 5 : i + 6, j - 5 : j + 6, k])
    centre = [float((patch * index).sum() / patch.sum()) for index in np.indices(patch.shape)]
    return np.array([i - 5 + centre[0], j - 5 + centre[1]])


def assert_points_lie_on_blobs(crop: Crop, tolerance: float) -> None:
    size = np.array(crop.image.shape[1:])
    inside = [p for p in crop.bleeds if np.all(p[:2] > 8) and np.all(p < size - (9, 9, 0.5)) and p[2] > -0.4]
    assert inside
    for point in inside:
        assert np.linalg.norm(darkness_centre(crop, point) - point[:2]) < tolerance


class TestCut:
    def test_is_a_plain_piece(self) -> None:
        crop = cut(SUBJECT, np.array([31.5, 27.5, 5.5]), (32, 32, 8), NO_AUGMENTATION, np.random.default_rng(0))
        assert np.array_equal(crop.image, SUBJECT.image[:, 16:48, 12:44, 2:10].astype(np.float32))
        assert np.allclose(crop.bleeds + np.array([16, 12, 2]), SUBJECT.bleeds)

    def test_beyond_the_image_is_outside_the_brain(self) -> None:
        crop = cut(SUBJECT, np.array([0.0, 0, 0]), (32, 32, 8), NO_AUGMENTATION, np.random.default_rng(0))
        assert not crop.image[:, :15].any()
        assert (crop.depth_mm[:15] < -10).all()
        nowhere = cut(SUBJECT, np.array([999.0, 0, 0]), (32, 32, 8), NO_AUGMENTATION, np.random.default_rng(0))
        assert not nowhere.image.any()

    @pytest.mark.parametrize("seed", range(4))
    def test_points_follow_turning_and_scaling(self, seed: int) -> None:
        middle = np.array([*SUBJECT.bleeds[1][:2], 6.0])
        crop = cut(SUBJECT, middle, (48, 48, 12), STRONG, np.random.default_rng(seed))
        assert crop.image.shape == (2, 48, 48, 12)
        assert_points_lie_on_blobs(crop, 0.3)

    @pytest.mark.parametrize("seed", range(6))
    def test_points_follow_flips_and_quarter_turns(self, seed: int) -> None:
        middle = np.array([*SUBJECT.bleeds[1][:2], 6.0])
        plain = cut(SUBJECT, middle, (48, 48, 12), NO_AUGMENTATION, np.random.default_rng(0))
        turned = turn_and_flip(plain, AugmentSettings(), np.random.default_rng(seed))
        assert_points_lie_on_blobs(turned, 0.3)
        assert np.allclose(np.sort(turned.image.ravel()), np.sort(plain.image.ravel()))


class TestPlaces:
    @pytest.mark.parametrize("kind", ["bleed", "mimic", "mined"])
    def test_every_crop_holds_a_point_of_its_kind(self, kind: str) -> None:
        shares = {f"share_{name}": float(name == kind) for name in ("bleed", "mimic", "mined")}
        settings = SamplingSettings(crop=(32, 32, 8), **shares)
        mined = {SUBJECT.name: np.array([[20.0, 20.0, 6.0]])}
        points = {"bleed": SUBJECT.bleeds, "mimic": SUBJECT.mimics, "mined": mined[SUBJECT.name]}[kind]
        generator = np.random.default_rng(0)
        for _ in range(20):
            _, middle = choose_place([toy_subject(1, 0, 0), SUBJECT], mined, settings.crop, settings, generator)
            assert (np.abs(points - middle) <= np.array([16, 16, 4])).all(axis=1).any()

    def test_without_such_points_anywhere_serves(self) -> None:
        empty = toy_subject(1, 0, 0)
        settings = SamplingSettings(share_bleed=1.0)
        subject, _ = choose_place([empty], {}, settings.crop, settings, np.random.default_rng(0))
        assert subject is empty

    def test_anywhere_means_in_the_brain(self) -> None:
        i, j, k = SUBJECT.anywhere.astype(int).T
        assert (SUBJECT.depth[i, j, k] > 0).all()
        assert len(SUBJECT.anywhere) == 4000


class TestIntensity:
    IMAGE = np.stack([np.full((8, 8, 4), 0.8), np.full((8, 8, 4), 0.5)]).astype(np.float32)

    def test_nothing_changes_when_switched_off(self) -> None:
        same = vary_intensity(self.IMAGE, NO_AUGMENTATION, np.random.default_rng(0), 2.0)
        assert np.array_equal(same, self.IMAGE)

    def test_phase_is_dropped_as_often_as_asked(self) -> None:
        settings = AugmentSettings(phase_dropout=0.2)
        generator = np.random.default_rng(0)
        dropped = [not vary_intensity(self.IMAGE, settings, generator, 2.0)[1].any() for _ in range(300)]
        assert np.mean(dropped) == pytest.approx(0.2, abs=0.06)

    def test_mask_grows_and_shrinks_within_its_limit(self) -> None:
        crop = cut(SUBJECT, np.array([31.5, 27.5, 5.5]), SHAPE, NO_AUGMENTATION, np.random.default_rng(0))
        generator = np.random.default_rng(0)
        sizes = [jittered_brain(crop, AugmentSettings(mask_mm=2.0), generator).sum() for _ in range(20)]
        brain = (crop.depth_mm > 0).sum()
        assert min(sizes) < brain < max(sizes)
        assert jittered_brain(crop, NO_AUGMENTATION, generator).sum() == brain


class TestBatches:
    def test_depend_on_seed_and_step_alone(self) -> None:
        preset = toy_preset(augment=AugmentSettings())
        subjects = [toy_subject(n) for n in range(2)]
        first, again = (make_batch(subjects, {}, preset, (1, 5, 0)) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        for other in ((2, 5, 0), (1, 6, 0), (1, 5, 1)):
            assert not torch.equal(first.image, make_batch(subjects, {}, preset, other).image)

    def test_threads_keep_the_order(self) -> None:
        preset, source = toy_preset(), FixedSubjects([toy_subject(0)])
        inline = list(batches(source, {}, preset, range(3, 10), seed=0, workers=0))
        ahead = list(batches(source, {}, preset, range(3, 10), seed=0, workers=2))
        assert len(ahead) == 7
        assert all(torch.equal(a.image, b.image) for a, b in zip(inline, ahead, strict=True))

    def test_are_masked_and_labelled(self) -> None:
        sampling = SamplingSettings(crop=(32, 32, 8), batch=3, share_bleed=1.0)
        batch = make_batch([SUBJECT], {}, toy_preset(sampling=sampling), (0, 0, 0))
        assert batch.image.shape == (3, 2, 32, 32, 8)
        assert batch.label.shape == (3, 8, 8, 8)
        assert batch.offset.shape == (3, 3, 8, 8, 8)
        assert all((label == CENTRE).any() for label in batch.label)
        cells = batch.image[:, 0].reshape(3, 8, 4, 8, 4, 8).amax(dim=(2, 4))
        assert (batch.label[cells == 0] != 0).all()

    def test_some_steps_see_one_wide_crop(self) -> None:
        sampling = SamplingSettings(
            crop=(32, 32, 8), batch=3, wide_crop=(64, 48, 16), share_wide=0.5, share_bleed=1.0
        )
        preset = toy_preset(sampling=sampling)
        made = [make_batch([SUBJECT], {}, preset, (0, step, 0)) for step in range(12)]
        assert {batch.image.shape for batch in made} == {(3, 2, 32, 32, 8), (1, 2, 64, 48, 16)}
        assert all((batch.label == CENTRE).any() for batch in made)

    def test_as_many_steps_are_wide_as_asked_for(self) -> None:
        shapes = [window_of_step(SamplingSettings(share_wide=0.25), 3, step)[0] for step in range(400)]
        assert 75 <= shapes.count((192, 192, 48)) <= 125
        assert {window_of_step(SamplingSettings(), 3, step) for step in range(400)} == {((96, 96, 24), 4)}

    def test_all_processes_make_wide_steps_together(self) -> None:
        sampling = SamplingSettings(crop=(32, 32, 8), batch=3, wide_crop=(64, 48, 16), share_wide=0.5)
        preset = toy_preset(sampling=sampling)
        for step in range(8):
            first, second = (make_batch([SUBJECT], {}, preset, (0, step, rank)) for rank in (0, 1))
            assert first.image.shape == second.image.shape
            assert not torch.equal(first.image, second.image)

    def test_a_wide_crop_that_the_network_cant_take_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"\(50, 48, 16\) must be a multiple"):
            toy_preset(sampling=SamplingSettings(crop=(32, 32, 8), wide_crop=(50, 48, 16), share_wide=0.1))


def test_subject_round_trip(tmp_path: Path) -> None:
    save_subject(SUBJECT, tmp_path / "sub-000", key="abc")
    again = load_subject(tmp_path / "sub-000")
    for field in dataclasses.fields(SUBJECT):
        if field.name not in ("grid", "name"):
            assert np.array_equal(getattr(again, field.name), getattr(SUBJECT, field.name)), field.name
    assert again.grid.same_as(SUBJECT.grid, 1e-9)
    assert isinstance(again.image, np.memmap)
    prepared = again.prepared()
    assert prepared.has_phase
    assert prepared.brain.sum() == (SUBJECT.depth > 0).sum()
