"""What the page holds of a scan: place, grey values, size."""

from __future__ import annotations

import base64
import zlib

import nibabel as nib
import numpy as np
import pytest
from little_head import BLEEDS_MM, Head

from microbleeds.geometry import Grid, grid_of
from microbleeds.regions import code_of
from microbleeds.report.review.volumes import BRAIN, Embedded, box, codes_of, embed
from microbleeds.scan import Scan


def unpacked(part: Embedded) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(zlib.decompress(base64.b64decode(part.data), 31))


def value_at(image: nib.Nifti1Image, position_mm: tuple[float, float, float]) -> float:
    i, j, k = np.rint(grid_of(image).to_ijk(position_mm)).astype(int)
    return float(np.asarray(image.dataobj)[i, j, k])


class TestPlace:
    def test_millimetres_are_those_of_the_scan(self, head: Head):
        made = embed(head.scan, head.brain, None)
        swi, phase = unpacked(made.swi), unpacked(made.phase)
        for position in BLEEDS_MM:
            assert value_at(swi, position) < 30
            assert value_at(phase, position) == pytest.approx(1.5, abs=0.02)
        assert grid_of(swi).same_as(made.grid, 1e-3)
        assert np.linalg.det(swi.affine[:3, :3]) > 0, "the axes run to R, A and S"

    def test_box_holds_the_brain_and_a_margin(self, head: Head):
        part = box(head.brain, head.scan.grid)
        assert head.brain[part].sum() == head.brain.sum()
        assert head.brain[part].size <= head.brain.size
        empty = np.zeros_like(head.brain)
        assert empty[box(empty, head.scan.grid)].shape == empty.shape

    def test_codes_tell_brain_without_a_region(self):
        brain = np.array([[[True, True, False]]])
        regions = np.array([[[code_of("thalamus", "left"), 0, 0]]], dtype=np.uint8)
        assert codes_of(brain, regions).tolist() == [[[code_of("thalamus", "left"), BRAIN, 0]]]
        assert codes_of(brain, None).tolist() == [[[BRAIN, BRAIN, 0]]]


class TestValues:
    def test_steps_are_below_the_noise(self, head: Head):
        made = embed(head.scan, head.brain, None)
        part = box(head.brain, head.scan.grid)
        seen, true = np.asarray(unpacked(made.swi).dataobj), head.scan.swi[part]
        inside = head.brain[part]
        assert np.abs(seen - true)[inside & (true < made.swi.window.high)].max() < 2

    def test_phase_far_from_the_brain_is_black(self, head: Head):
        scan = head.scan
        noisy = np.where(head.brain, scan.phase_rad, 3.0).astype(np.float32)
        made = embed(type(scan)(**{**vars(scan), "phase_rad": noisy}), head.brain, None)
        phase = np.asarray(unpacked(made.phase).dataobj)
        assert phase[0, 0, 0] == pytest.approx(-np.pi, abs=0.02)

    def test_without_phase(self, head: Head):
        made = embed(type(head.scan)(**{**vars(head.scan), "phase_rad": None}), head.brain, None)
        assert made.phase is None
        assert made.size == len(made.swi.data) + len(made.codes.data)


class TestEconomy:
    def test_a_large_scan_loses_grey_levels_before_voxels(self, head: Head):
        full = embed(head.scan, head.brain, None)
        fewer = embed(head.scan, head.brain, None, most_bytes=full.size - 1)
        assert fewer.size < full.size
        assert fewer.levels != full.levels
        assert fewer.grid.shape == full.grid.shape

    def test_coarse_voxels_stay_in_place(self, head: Head):
        coarse = embed(head.scan, head.brain, None, most_bytes=1)
        full = embed(head.scan, head.brain, None)
        swi = unpacked(coarse.swi)
        assert np.prod(coarse.grid.shape) < np.prod(full.grid.shape) / 4
        assert swi.shape == unpacked(coarse.codes).shape == unpacked(coarse.phase).shape
        grid = grid_of(swi)
        low = [Grid.to_mm(g, (-0.5, -0.5, -0.5)) for g in (grid, full.grid)]
        assert low[0] == pytest.approx(low[1], abs=0.01), "the outer faces coincide"
        assert value_at(swi, BLEEDS_MM[0]) < 200, "the bleed still is where it was"

    def test_codes_of_coarse_voxels_are_those_of_their_middle(self):
        """The code is the index along the first axis: 90 voxels, eight of which become one."""
        shape = (90, 20, 6)
        regions = np.broadcast_to(np.arange(1, 91, dtype=np.uint8)[:, None, None], shape)
        grid = Grid(shape, np.diag([0.5, 0.5, 2.0, 1.0]))
        values = np.ones(shape, dtype=np.float32)
        scan = Scan(kind="swi", grid=grid, source_grid=grid, swi=values)
        made = embed(scan, np.ones(shape, dtype=bool), regions, most_bytes=1)
        codes = np.asarray(unpacked(made.codes).dataobj)
        assert codes.shape == made.grid.shape
        middles = grid.to_ijk(made.grid.to_mm([(i, 0, 0) for i in range(codes.shape[0] - 1)]))[:, 0]
        assert np.abs(codes[:-1, 0, 0] - 1 - middles).max() <= 0.5
        assert codes[-1, 0, 0] == 90, "the last block lacks its middle"


def test_a_full_head_of_nothing_but_noise_stays_small():
    """The worst case: noise has no repeats. The page adds NiiVue and thumbnails, below 5 MB."""
    shape = (448, 384, 72)
    rng = np.random.default_rng(0)
    swi = rng.integers(0, 4096, shape, dtype=np.int16).astype(np.float32)
    phase = (rng.random(shape, dtype=np.float32) - 0.5) * (2 * np.float32(np.pi))
    grid = Grid(shape, np.diag([0.5, 0.5, 2.0, 1.0]))
    scan = Scan(kind="swi", grid=grid, source_grid=grid, swi=swi, phase_rad=phase)
    made = embed(scan, np.ones(shape, dtype=bool), None)
    assert 5_000_000 < made.size < 35_000_000
