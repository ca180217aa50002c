from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.regions import LOBES
from microbleeds.simulate.parcellation import lobe_of

MARS_ATLAS = Path(__file__).parents[2] / "shared/data/atlas/mars_mni152_1mm.nii.gz"


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
