"""Orientation, scale and windows of the pictures."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from little_head import Head
from PIL import Image

from microbleeds.geometry import Grid
from microbleeds.report.overview import brain_box, overviews
from microbleeds.report.planes import (
    AXIAL,
    CORONAL,
    PLANES,
    SAGITTAL,
    core_of,
    darkest_slab,
    position_in,
    slice_at,
)
from microbleeds.report.thumbnails import FIELD_MM, PIXELS, Picture, canvas, close_ups, whole_slice
from microbleeds.report.window import Window, magnitude_window, phase_window


def decoded(picture: Picture) -> np.ndarray:
    data = base64.b64decode(picture.source.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data)))


class TestPlanes:
    def test_radiological_convention(self):
        array = np.zeros((5, 6, 7))
        array[4, 0, 0] = 1  # far right, back, below
        assert slice_at(array, AXIAL, 0)[-1, 0] == 1  # left of the picture, bottom
        assert slice_at(array, CORONAL, 0)[-1, 0] == 1
        assert slice_at(array, SAGITTAL, 4)[-1, -1] == 1  # back is right of the picture

    @pytest.mark.parametrize("plane", PLANES)
    def test_position_agrees_with_the_picture(self, plane):
        grid = Grid((5, 6, 7), np.diag([1.0, 2.0, 3.0, 1.0]))
        voxel = np.array([1, 4, 2])
        array = np.zeros(grid.shape)
        array[tuple(voxel)] = 1
        row, column = np.argwhere(slice_at(array, plane, int(voxel[plane.across])))[0]
        assert position_in(plane, grid, voxel.astype(float)) == (column + 0.5, row + 0.5)

    def test_darkest_slab(self):
        array = np.ones((3, 3, 9))
        array[1, 1, 6] = 0
        brain = np.ones(array.shape, dtype=bool)
        core = core_of(brain)
        assert core.all(), "where the image ends in brain is no edge of it"
        assert darkest_slab(array, brain, core, AXIAL, 4, 10.0, 2.0).min() == 0
        assert darkest_slab(array, brain, core, AXIAL, 4, 6.0, 2.0).min() == 1

    def test_skull_does_not_cover_the_slab(self):
        array, brain = np.ones((3, 3, 9)), np.ones((3, 3, 9), dtype=bool)
        array[1, 1, 5], brain[1, 1, 5] = 0, False
        assert darkest_slab(array, brain, brain, AXIAL, 4, 10.0, 2.0).min() == 1
        nothing = np.zeros_like(brain)
        assert darkest_slab(array, nothing, nothing, AXIAL, 4, 10.0, 2.0).max() == 0, "it is black without brain"

    def test_edges_of_other_slices_are_no_rings(self):
        """A brain that narrows upwards, with a dark edge on each slice, and a bleed just below the one shown."""
        i, j, k = np.meshgrid(np.arange(100) - 49.5, np.arange(100) - 49.5, np.arange(12), indexing="ij")
        away_mm, radius_mm = 0.5 * np.hypot(i, j), 24 - 1.5 * k
        brain = away_mm < radius_mm
        array = np.where(core_of(brain), 300.0, 20.0)
        array[50, 50, 5] = 0
        core = core_of(brain)
        shown = darkest_slab(array, brain, core, AXIAL, 6, 14.0, 2.0)
        inside = slice_at(core & (k == 6), AXIAL, 6)
        assert shown[inside].min() == 0
        assert np.mean(shown[inside] == 300) > 0.99, "no ring lies in the brain of the slice"
        beside = shown[slice_at(away_mm > 15.5, AXIAL, 6)]
        assert 0 < beside.max() < 300, "it fades"
        assert shown[0, 0] == 0
        assert darkest_slab(array, brain, brain, AXIAL, 6, 14.0, 2.0)[inside].mean() < 280, "the rings were there"

    def test_a_core_touches_nothing_but_brain(self):
        brain = np.zeros((9, 9, 9), dtype=bool)
        brain[3:8, 3:8, :4] = True
        core = core_of(brain)
        assert core[4:7, 4:7, :3].all()
        assert core.sum() == 3 * 3 * 3


class TestWindow:
    def test_ends(self):
        assert Window(-1, 1).to_grey(np.array([-9, -1, 0, 1, 9])).tolist() == [0, 0, 128, 255, 255]

    def test_bleeds_are_black_and_tissue_grey(self, head: Head):
        window = magnitude_window(head.scan.swi, head.brain)
        assert window.to_grey(np.array([10.0]))[0] == 0
        assert 150 < window.to_grey(np.array([300.0]))[0] < 255

    def test_outliers_do_not_matter(self, head: Head):
        spoilt = head.scan.swi.copy()
        spoilt[tuple(np.argwhere(head.brain)[0])] = 1e6
        assert magnitude_window(spoilt, head.brain).high < 400

    def test_flat_phase_is_not_stretched(self, head: Head):
        assert phase_window(np.zeros_like(head.scan.swi), head.brain) == Window(-0.3, 0.3)

    def test_empty_brain_falls_back_to_the_image(self, head: Head):
        assert magnitude_window(head.scan.swi, np.zeros_like(head.brain)).high > 0


class TestCloseUps:
    def test_finding_is_in_the_middle_and_round(self, head: Head):
        views = close_ups(canvas(head.scan, head.brain), head.record.findings[2].position_ras_mm)
        assert list(views) == ["SWI", "phase", "mIP"]
        for picture in views["SWI"]:
            grey = decoded(picture).astype(float)
            assert grey.shape == (PIXELS, PIXELS)
            near = slice(PIXELS // 2 - 40, PIXELS // 2 + 40)
            rows, columns = np.nonzero(grey[near, near] < 100)
            # A ball of 5 mm; the nearest acquired slice may lie up to half a voxel (1.5 mm) away.
            tolerance = 2.0 * PIXELS / FIELD_MM
            assert abs(rows.mean() - 40) < tolerance
            assert abs(columns.mean() - 40) < tolerance
            extent = max(np.ptp(rows), np.ptp(columns)) * FIELD_MM / PIXELS
            assert 3.5 < extent < 7.5

    def test_paramagnetic_phase_is_bright(self, head: Head):
        views = close_ups(canvas(head.scan, head.brain), head.record.findings[0].position_ras_mm)
        middle = PIXELS // 2
        assert decoded(views["phase"][0])[middle, middle] > 200

    def test_beyond_the_image_is_black(self, head: Head):
        corner = tuple(float(v) for v in head.scan.grid.to_mm((0, 0, 0)))
        for picture in close_ups(canvas(head.scan, head.brain), corner)["SWI"]:
            # The corner lies right, down: there is nothing left over beyond it.
            assert decoded(picture)[-20:].max() < 10

    def test_without_phase(self, head: Head):
        scan = replace(head.scan, phase_rad=None, phase_facts=None)
        assert list(close_ups(canvas(scan, head.brain), (0.0, 0.0, 0.0))) == ["SWI", "mIP"]

    def test_whole_slice_has_square_pixels_and_the_place(self, head: Head):
        position = head.record.findings[0].position_ras_mm
        picture, left, top = whole_slice(canvas(head.scan, head.brain), position)
        assert picture.width / picture.height == pytest.approx(90 / 110, rel=0.02)
        # 30 mm to the patient's left is right of the middle; 20 mm to the front is above it.
        assert left == pytest.approx(0.5 + 30 / 90)
        assert top == pytest.approx(0.5 - 20 / 110)


class TestOverview:
    def test_cut_to_the_brain_and_square(self, head: Head):
        drawn = canvas(head.scan, head.brain)
        part = brain_box(drawn)
        for picture, plane in zip(overviews(drawn, part), PLANES, strict=True):
            size = np.asarray(part.grid.shape) * part.grid.spacing_mm
            assert picture.width / picture.height == pytest.approx(size[plane.column] / size[plane.row], rel=0.03)
        assert part.grid.shape[0] < head.scan.grid.shape[0]

    def test_places_lie_within(self, head: Head):
        part = brain_box(canvas(head.scan, head.brain))
        left, top = part.place(AXIAL, (0.0, 0.0, 0.0))
        assert (left, top) == pytest.approx((0.5, 0.5), abs=0.02)

    def test_empty_mask(self, head: Head):
        drawn = canvas(head.scan, np.zeros_like(head.brain))
        assert len(overviews(drawn, brain_box(drawn))) == 3
