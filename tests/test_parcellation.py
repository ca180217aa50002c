from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.parcellation import lobe_of, regions_from_labels
from microbleeds.regions import LOBES, REGIONS, code_of
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.default_anatomy import default_anatomy

MARS_ATLAS = Path(__file__).parents[2] / "shared/data/atlas/mars_mni152_1mm.nii.gz"


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return default_anatomy()


def region_at(head: Anatomy, x: float, y: float, z: float) -> tuple[str, str]:
    """Name and side of the commonest region within 2 mm of an MNI position."""
    i, j, k = np.rint(head.grid.to_ijk((x, y, z))).astype(int)
    codes = head.regions[i - 2 : i + 3, j - 2 : j + 3, k - 2 : k + 3]
    region = REGIONS[int(np.bincount(codes.ravel()).argmax())]
    return region.name, region.side


class TestLobes:
    @pytest.mark.parametrize(
        ("point", "lobe"),
        [
            ((30, 45, 25), "frontal"),
            ((-30, 30, -15), "frontal"),
            ((40, -50, 50), "parietal"),
            ((-8, -60, 45), "parietal"),
            ((55, -25, -15), "temporal"),
            ((-40, 10, -35), "temporal"),
            ((10, -90, 5), "occipital"),
            ((-35, -85, 5), "occipital"),
        ],
    )
    def test_landmarks(self, point: tuple[int, int, int], lobe: str) -> None:
        assert LOBES[lobe_of(np.array([point], dtype=float))[0]] == lobe

    @pytest.mark.skipif(not MARS_ATLAS.exists(), reason="the MARS atlas lies outside the repository")
    def test_nine_tenths_of_the_mars_atlas_agree(self) -> None:
        image = nib.load(MARS_ATLAS)
        atlas = np.asarray(image.dataobj)
        ijk = np.argwhere((atlas >= 9) & (atlas <= 12))
        points = ijk @ image.affine[:3, :3].T + image.affine[:3, 3]
        agreement = lobe_of(points) == atlas[tuple(ijk.T)] - 9
        assert agreement.mean() > 0.92
        for lobe in range(4):
            assert agreement[atlas[tuple(ijk.T)] - 9 == lobe].mean() > 0.8


class TestDefaultHead:
    @pytest.mark.parametrize(
        ("point", "name"),
        [
            ((-38, 5, 0), "insula_cortex"),
            ((0, 10, 24), "corpus_callosum"),
            ((20, -10, 10), "internal_capsule"),
            ((-18, 14, 4), "internal_capsule"),
            ((34, 0, 2), "external_capsule"),
            ((26, 4, 2), "lentiform"),
            ((-12, 12, 8), "caudate"),
            ((11, -18, 8), "thalamus"),
            ((-28, -40, 24), "periventricular_white"),
            ((40, -40, 45), "parietal_cortex"),
            ((28, -20, -14), "hippocampus"),
            ((-3, -28, -32), "brainstem"),
            ((25, -65, -35), "cerebellum"),
        ],
    )
    def test_known_places(self, head: Anatomy, point: tuple[float, float, float], name: str) -> None:
        found, side = region_at(head, *point)
        assert found == name
        if point[0]:
            assert side == ("left" if point[0] < 0 else "right")

    def test_rim_reaches_ten_millimetres_from_the_ventricle(self, head: Anatomy) -> None:
        rim = np.isin(head.regions, [code_of("periventricular_white", s) for s in ("left", "right")])
        assert 30_000 < rim.sum() < 150_000

    def test_a_shifted_head_gets_the_same_regions(self, head: Anatomy) -> None:
        grid = head.grid.cropped((0, 0, 0), head.grid.shape)
        shift = np.eye(4)
        shift[:3, 3] = (40, -20, 7)
        moved = type(grid)(grid.shape, shift @ grid.affine)
        again = regions_from_labels(head.labels, moved, np.linalg.inv(shift))
        assert (again != head.regions).mean() < 1e-4
