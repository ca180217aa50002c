from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from microbleeds.geometry import Grid
from microbleeds.regions import REGIONS, code_of
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.default_anatomy import default_anatomy
from microbleeds.simulate.landmarks import mni_from_labels
from microbleeds.simulate.microbleeds import BodyLaw, draw_microbleeds
from microbleeds.simulate.parcellation import regions_from_labels
from microbleeds.simulate.placement import Placer
from microbleeds.tissues import Tissue, among, mirrored


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return default_anatomy()


def region_at(head: Anatomy, x: float, y: float, z: float) -> tuple[str, str]:
    """Name and side of the commonest region within 2 mm of an MNI position."""
    i, j, k = np.rint(head.grid.to_ijk((x, y, z))).astype(int)
    codes = head.regions[i - 2 : i + 3, j - 2 : j + 3, k - 2 : k + 3]
    region = REGIONS[int(np.bincount(codes.ravel()).argmax())]
    return region.name, region.side


def test_grid_is_one_millimetre_ras(head: Anatomy) -> None:
    np.testing.assert_array_equal(head.grid.affine[:3, :3], np.eye(3))
    assert head.labels.shape == head.regions.shape == head.grid.shape


def test_every_tissue_is_there_and_left_is_left(head: Anatomy) -> None:
    codes = [int(tissue) for tissue in Tissue]
    assert set(np.unique(head.labels)) == set(codes)
    centres = ndimage.center_of_mass(np.ones(head.grid.shape, dtype=np.uint8), head.labels, codes)
    x_mm = head.grid.to_mm(np.asarray(centres))[:, 0]
    for tissue in Tissue:
        if tissue.name.endswith("_LEFT"):
            assert x_mm[tissue] < -2 < 2 < x_mm[tissue + 1], tissue.name


@pytest.mark.parametrize(
    ("tissues", "low_ml", "high_ml"),
    [
        ((Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT), 450, 800),
        ((Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT), 400, 700),
        ((Tissue.VENTRICLE_LEFT, Tissue.VENTRICLE_RIGHT), 12, 40),
        ((Tissue.THALAMUS_LEFT,), 5, 9),
        ((Tissue.CAUDATE_LEFT,), 3, 6),
        ((Tissue.PUTAMEN_LEFT,), 4, 8),
        ((Tissue.PALLIDUM_LEFT,), 1, 3),
        ((Tissue.HIPPOCAMPUS_LEFT,), 2.5, 6),
        ((Tissue.BRAINSTEM,), 18, 38),
        ((Tissue.CEREBELLAR_CORTEX_LEFT, Tissue.CEREBELLAR_CORTEX_RIGHT), 90, 160),
        ((Tissue.RED_NUCLEUS_LEFT,), 0.08, 0.35),
        ((Tissue.SUBSTANTIA_NIGRA_LEFT,), 0.15, 0.6),
        ((Tissue.DENTATE_LEFT,), 0.4, 1.5),
        ((Tissue.CHOROID_PLEXUS_LEFT,), 0.3, 2),
    ],
)
def test_volumes_are_plausible(head: Anatomy, tissues: tuple[Tissue, ...], low_ml: float, high_ml: float) -> None:
    assert low_ml < head.where(*tissues).sum() / 1000 < high_ml


def test_brain_lies_in_fluid_inside_bone_inside_scalp(head: Anatomy) -> None:
    around = ndimage.binary_dilation(head.brain) & ~head.brain
    above = head.grid.to_mm(np.argwhere(around))[:, 2] > -40
    assert set(np.unique(head.labels[around][above])) == {Tissue.CSF}
    skull = head.where(Tissue.SKULL)
    outside = head.where(Tissue.AIR)
    assert not (ndimage.binary_dilation(skull) & outside).any()


def test_air_sinuses_lie_under_the_frontal_and_temporal_lobes(head: Anatomy) -> None:
    points = head.grid.to_mm(np.argwhere(head.labels == Tissue.SINUS_AIR))
    assert ((points[:, 1] > 70) & (points[:, 2] > -10)).sum() > 1000
    assert ((np.abs(points[:, 0]) > 40) & (np.abs(points[:, 1] + 35) < 15)).sum() > 1000


def test_sulci_are_cut_into_the_cortex(head: Anatomy) -> None:
    """Half or more of the cortex touches fluid within 2 mm; a smooth shell would have a fifth."""
    near = ndimage.binary_dilation(head.where(Tissue.CSF), iterations=2)
    assert near[head.cortex].mean() > 0.5


def test_landmarks_find_the_default_head_where_it_is(head: Anatomy) -> None:
    found = mni_from_labels(head.labels, head.grid)
    corners = np.array([(x, y, z) for x in (-60, 60) for y in (-95, 60) for z in (-35, 65)], dtype=float)
    moved = corners @ found[:3, :3].T + found[:3, 3]
    assert np.linalg.norm(moved - corners, axis=1).max() < 4


def test_masks_agree_with_the_labels(head: Anatomy) -> None:
    np.testing.assert_array_equal(head.brain, head.parenchyma | head.ventricles)
    assert not (head.parenchyma & head.ventricles).any()
    np.testing.assert_array_equal(head.white, among(head.labels, Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT))
    assert mirrored()[Tissue.DENTATE_LEFT] == Tissue.DENTATE_RIGHT


class TestRegions:
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

    @pytest.mark.parametrize("name", ["external_capsule", "internal_capsule", "insula_cortex", "frontal_white"])
    def test_both_sides_of_a_symmetric_head_are_alike(self, head: Anatomy, name: str) -> None:
        left, right = ((head.rimless == code_of(name, side)).sum() for side in ("left", "right"))
        assert left == pytest.approx(right, rel=0.04)

    def test_strictly_lobar_means_nothing_deep(self, head: Anatomy) -> None:
        bodies = draw_microbleeds(np.random.default_rng(0), Placer(head, ()), 30, "strictly-lobar", BodyLaw())
        voxels = np.round(head.grid.to_ijk([body.position_mm for body in bodies])).astype(int)
        groups = Counter(REGIONS[code].group for code in head.regions[tuple(voxels.T)].tolist())
        assert groups["lobar"] > 15
        assert set(groups) <= {"lobar", "infratentorial"}

    def test_a_shifted_head_gets_the_same_regions(self, head: Anatomy) -> None:
        shift = np.eye(4)
        shift[:3, 3] = (40, -20, 7)
        moved = Grid(head.grid.shape, shift @ head.grid.affine)
        again = regions_from_labels(head.labels, moved, np.linalg.inv(shift))
        assert (again != head.rimless).mean() < 1e-4
