"""Contours, silhouettes with findings on them, and the overlay of the regions."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from little_head import Head, segmented
from PIL import Image

from microbleeds.regions import REGIONS, code_of
from microbleeds.report.contours import contours, outline_path
from microbleeds.report.outline import label_places, outlines
from microbleeds.report.overlay import region_slices
from microbleeds.report.overview import brain_box
from microbleeds.report.planes import AXIAL, slice_at
from microbleeds.report.region_table import colour_of
from microbleeds.report.thumbnails import canvas


def loops_of(path: str) -> list[np.ndarray]:
    """Points [N, 2] of each closed part of a path."""
    parts = re.findall(r"M([^Z]*)Z", path)
    return [np.array([point.split() for point in part.split("L")], dtype=float) for part in parts]


def area(loop: np.ndarray) -> float:
    x, y = loop.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def disc(shape, centre, radius) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.hypot(rows - centre[0], columns - centre[1]) < radius


class TestContours:
    def test_area_and_middle_of_a_disc(self):
        (loop,) = loops_of(outline_path(disc((80, 100), (40, 60), 25), (1.0, 1.0)))
        assert area(loop) == pytest.approx(np.pi * 25**2, rel=0.03)
        assert loop.mean(axis=0) == pytest.approx((60.5, 40.5), abs=0.5)  # centre of pixel (row 40, column 60)

    def test_mm_of_oblong_pixels(self):
        (loop,) = loops_of(outline_path(disc((40, 100), (20, 50), 15), (1.0, 3.0)))
        assert np.ptp(loop, axis=0) == pytest.approx((30, 90), rel=0.08)

    def test_a_hole_is_a_line_of_its_own_and_a_speck_is_none(self):
        ring = disc((90, 90), (45, 45), 35) & ~disc((90, 90), (45, 45), 15)
        ring[2:5, 2:5] = True
        assert len(loops_of(outline_path(ring, (1.0, 1.0)))) == 2

    def test_touching_corners_and_the_picture_s_edge(self):
        checks = np.kron(np.indices((4, 4)).sum(axis=0) % 2, np.ones((12, 12))).astype(bool)
        assert all(len(loop) > 3 for loop in loops_of(outline_path(checks, (1.0, 1.0))))
        (loop,) = loops_of(outline_path(np.ones((30, 40), dtype=bool), (1.0, 1.0)))
        assert area(loop) == pytest.approx(1200, rel=0.05)

    @pytest.mark.parametrize("pixel_mm", [(0.5, 0.5), (0.5, 2.0), (0.3, 0.3)])
    def test_a_mask_that_fills_the_picture_is_closed(self, pixel_mm: tuple[float, float]):
        (loop,) = loops_of(outline_path(np.ones((200, 200), dtype=bool), pixel_mm))
        assert len(loop) > 3

    def test_nothing_has_no_outline(self):
        assert outline_path(np.zeros((20, 20), dtype=bool), (1.0, 1.0)) == ""
        assert contours(np.zeros((5, 5), dtype=np.float32)) == []


class TestOutlines:
    def test_marks_lie_within_their_silhouettes(self, head: Head):
        part = brain_box(canvas(head.scan, head.brain))
        views = outlines(head.brain, segmented(head).regions, part, head.record.kept)
        assert [view.plane.name for view in views] == ["axial", "coronal", "sagittal"]
        for view in views:
            assert view.shapes[0].name == "brain"
            (brain,) = loops_of(view.shapes[0].path)
            for mark in view.marks:
                assert brain.min(axis=0)[0] < mark.x < brain.max(axis=0)[0]
                assert brain.min(axis=0)[1] < mark.y < brain.max(axis=0)[1]

    def test_left_is_right_of_the_picture(self, head: Head):
        part = brain_box(canvas(head.scan, head.brain))
        axial = outlines(head.brain, None, part, head.record.kept)[0]
        x = {mark.finding.side: mark.x for mark in axial.marks}
        assert x["right"] < axial.width / 2 < x["left"]

    def test_without_regions_there_is_the_brain_alone(self, head: Head):
        part = brain_box(canvas(head.scan, head.brain))
        assert [[s.name for s in v.shapes] for v in outlines(head.brain, None, part, [])] == [["brain"]] * 3

    def test_numbers_keep_apart(self):
        places = label_places([(50.0, 50.0), (57.0, 50.0), (50.0, 56.0)])
        for n, (x, y) in enumerate(places):
            assert all(abs(x - a) >= 6.9 or abs(y - b) >= 5 for a, b in places[n + 1 :])
        assert label_places([]) == []


class TestOverlay:
    def test_colours_lie_where_the_regions_are(self, head: Head):
        drawn, codes = canvas(head.scan, head.brain), segmented(head).regions
        part = brain_box(drawn)
        ((one,),) = region_slices(drawn, codes, part, ((AXIAL, (0.5,)),))
        picture = Image.open(io.BytesIO(base64.b64decode(one.regions.split(",")[1]))).convert("RGBA")
        assert picture.size == (one.picture.width, one.picture.height)
        index = int(0.5 * part.grid.shape[2])
        expected = slice_at(codes[part.box], AXIAL, index)
        for share_row, share_column in ((0.5, 0.2), (0.5, 0.8), (0.1, 0.5)):
            code = expected[int(share_row * expected.shape[0]), int(share_column * expected.shape[1])]
            red, green, blue, alpha = picture.getpixel(
                (int(share_column * picture.width), int(share_row * picture.height))
            )
            assert f"#{red:02x}{green:02x}{blue:02x}" == colour_of(REGIONS[int(code)])
            assert 0 < alpha < 255
        assert picture.getpixel((0, 0))[3] == 0, "clear outside of the brain"
        assert code_of("frontal_white", "right") in expected
