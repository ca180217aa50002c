"""Alignment of two scans: found, its error stated, and refused where it fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from made_up import visit
from microbleeds.followup.registration import HeadView, register, views_of
from microbleeds.followup.rigid import distances_mm
from microbleeds.geometry import Grid, grid_of
from microbleeds.simulate.pose import rigid

POSE = rigid(7.0, np.array([1.0, 0.4, -0.6]), np.array([9.0, -12.0, 6.0]), np.zeros(3))


def views(one, two):
    return views_of((one.scan, one.segmentation), (two.scan, two.segmentation))


def coarse_view(data: Path, subject: str) -> HeadView:
    """A simulated scan with its true brain mask."""
    image = nib.load(data / subject / "anat" / f"{subject}_part-mag_GRE.nii.gz")
    mask = nib.load(data / "derivatives" / "truth" / subject / "anat" / f"{subject}_desc-brain_mask.nii.gz")
    array = np.asarray(image.dataobj, dtype=np.float32)
    return HeadView(array, np.asarray(mask.dataobj) > 0, grid_of(image), None)


class TestFound:
    @pytest.fixture(scope="class")
    def posed(self):
        return views(visit(noise=1), visit(noise=2, pose=POSE))

    def test_a_pose_is_recovered(self, posed):
        baseline, followup = posed
        found = register(baseline, followup)
        points = baseline.grid.to_mm(np.argwhere(baseline.brain)[::500])
        assert found.failure is None
        assert np.percentile(distances_mm(found.followup_from_baseline, POSE, points), 95) < 1.0
        assert found.error_mm < 1.0
        assert found.likeness > 0.6
        assert found.common_share > 0.9

    def test_another_coil_profile_changes_little(self, posed):
        baseline, followup = posed
        ramp = np.linspace(0.5, 1.6, followup.grid.shape[0], dtype=np.float32)[:, None, None]
        found = register(baseline, replace(followup, image=followup.image * ramp))
        points = baseline.grid.to_mm(np.argwhere(baseline.brain)[::500])
        assert np.percentile(distances_mm(found.followup_from_baseline, POSE, points), 95) < 0.5

    def test_a_coarse_simulated_head_within_a_millimetre(self, coarse_data: Path):
        # Two scans of one head with other noise and bodies; the second one's world is turned.
        baseline, still = (coarse_view(coarse_data, subject) for subject in ("sub-001", "sub-002"))
        moved = Grid(still.grid.shape, POSE @ still.grid.affine)
        found = register(baseline, HeadView(still.image, still.brain, moved, None))
        points = baseline.grid.to_mm(np.argwhere(baseline.brain)[::500])
        assert found.failure is None
        assert distances_mm(found.followup_from_baseline, POSE, points).max() < 1.0


class TestRefused:
    def test_two_heads(self):
        found = register(*views(visit(noise=1), visit(noise=2, head=5, pose=POSE)))
        assert found.failure is not None
        assert found.failure.startswith("The scans could not be aligned")
        assert found.likeness < 0.3

    def test_hardly_anything_in_common(self):
        whole, cut = visit(noise=1), visit(noise=2)
        view, other = views(whole, cut)
        brain = other.brain.copy()
        brain[:, :60] = False
        found = register(view, HeadView(other.image, brain, other.grid, None))
        assert found.failure is not None
        assert "brain coincides" in found.failure or "apart" in found.failure
