"""The searched mask as a result holds it, read back on the scan's grid, a part of it, and a coarser one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from little_head import Head

from microbleeds.errors import InputError
from microbleeds.report.brain_image import BRAIN_IMAGE, read_brain, write_brain


def test_comes_back_as_it_was(head: Head, tmp_path: Path):
    write_brain(head.brain, head.scan, tmp_path)
    np.testing.assert_array_equal(read_brain(tmp_path, head.scan.grid), head.brain)


def test_on_a_part_and_with_coarser_voxels(head: Head, tmp_path: Path):
    write_brain(head.brain, head.scan, tmp_path)
    part = head.scan.grid.cropped([10, 20, 5], [70, 90, 30])
    inside = head.brain[10:70, 20:90, 5:30]
    np.testing.assert_array_equal(read_brain(tmp_path, part), inside)
    coarse = read_brain(tmp_path, part.with_spacing(part.spacing_mm * (2, 2, 1)))
    assert coarse.shape == (30, 35, 25)
    assert coarse.mean() == pytest.approx(inside.mean(), abs=0.01)


@pytest.mark.parametrize(("start", "factor"), [(1, 2), (3, 4), (0, 4), (2, 3)])
def test_coarse_voxels_that_reach_beyond_the_image(head: Head, tmp_path: Path, start: int, factor: int):
    """As those of a page whose voxels were averaged, where the brain ends at the image's border."""
    write_brain(head.brain, head.scan, tmp_path)
    size = head.scan.grid.shape[2]
    part = head.scan.grid.cropped([0, 0, start], head.scan.grid.shape)
    coarse = part.with_spacing(part.spacing_mm * (1, 1, factor))
    read = read_brain(tmp_path, coarse)
    middles = np.minimum(start + np.arange(coarse.shape[2]) * factor + (factor - 1) / 2, size - 1)
    assert read.shape == coarse.shape
    np.testing.assert_allclose(
        read.mean(axis=(0, 1)), np.interp(middles, range(size), head.brain.mean((0, 1))), atol=0.05
    )


def test_a_result_without_one(head: Head, tmp_path: Path):
    assert read_brain(tmp_path, head.scan.grid) is None


def test_another_scan_and_damage_are_sentences(head: Head, tmp_path: Path):
    write_brain(head.brain, head.scan, tmp_path)
    elsewhere = replace(head.scan.grid, affine=head.scan.grid.affine + np.eye(4, k=3) * 50)
    with pytest.raises(InputError, match="lies on another grid"):
        read_brain(tmp_path, elsewhere)
    whole = (tmp_path / BRAIN_IMAGE).read_bytes()
    (tmp_path / BRAIN_IMAGE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="can't be read"):
        read_brain(tmp_path, head.scan.grid)
