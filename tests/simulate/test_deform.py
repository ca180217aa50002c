from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from microbleeds.geometry import Grid
from microbleeds.regions import code_of
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.deform import DeformSettings, deform, flow
from microbleeds.tissues import Tissue, among

STILL = DeformSettings(
    scale_sd=0,
    axis_scale_sd=0,
    rotation_sd_deg=(0, 0, 0),
    warps=(),
    ventricle_growth_mm=(0, 0),
    atrophy_mm=(0, 0),
    mirror_probability=0,
)


def ball(grid: Grid, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    i, j, k = (np.arange(n) + o for n, o in zip(grid.shape, grid.affine[:3, 3], strict=True))
    x, y, z = i[:, None, None] - centre[0], j[None, :, None] - centre[1], k[None, None] - centre[2]
    return x**2 + y**2 + z**2 < radius**2


@pytest.fixture(scope="module")
def head() -> Anatomy:
    """Nested balls 1 mm: scalp, skull, CSF, cortex, white matter, ventricles; a putamen on the left only."""
    affine = np.eye(4)
    affine[:3, 3] = -60
    grid = Grid((121, 121, 121), affine)
    labels = np.zeros(grid.shape, dtype=np.uint8)
    regions = np.zeros(grid.shape, dtype=np.uint8)
    for radius, tissue in (
        (52, Tissue.SCALP),
        (47, Tissue.SKULL),
        (43, Tissue.CSF),
        (40, Tissue.CORTEX_LEFT),
        (36, Tissue.WHITE_LEFT),
    ):
        labels[ball(grid, (0, 0, 0), radius)] = tissue
    for sign, tissue in ((-1, Tissue.VENTRICLE_LEFT), (1, Tissue.VENTRICLE_RIGHT)):
        labels[ball(grid, (9 * sign, 0, 5), 7)] = tissue
    labels[ball(grid, (-25, 5, 0), 6)] = Tissue.PUTAMEN_LEFT
    labels[61:][among(labels[61:], Tissue.CORTEX_LEFT, Tissue.WHITE_LEFT)] += 1
    regions[among(labels, Tissue.WHITE_LEFT)] = code_of("frontal_white", "left")
    regions[among(labels, Tissue.PUTAMEN_LEFT)] = code_of("lentiform", "left")
    return Anatomy("ball", labels, grid, regions, np.eye(4))


def volumes(head: Anatomy) -> np.ndarray:
    return np.bincount(head.labels.ravel(), minlength=len(Tissue)).astype(float)


def test_no_change_gives_the_same_head(head: Anatomy) -> None:
    same = deform(head, np.random.default_rng(0), STILL)
    start = np.rint(same.grid.to_ijk(head.grid.to_mm((0, 0, 0)))).astype(int)
    old = np.argwhere(head.labels > 0)
    np.testing.assert_array_equal(same.labels[tuple((old + start).T)], head.labels[head.labels > 0])
    assert (same.labels > 0).sum() == len(old)


def test_the_same_generator_gives_the_same_head(head: Anatomy) -> None:
    first, second = (deform(head, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    other = deform(head, np.random.default_rng(8))
    assert other.labels.shape != first.labels.shape or (other.labels != first.labels).any()


def test_mirroring_moves_a_structure_and_names_it_anew(head: Anatomy) -> None:
    mirrored = deform(head, np.random.default_rng(0), replace(STILL, mirror_probability=1))
    where = mirrored.labels == Tissue.PUTAMEN_RIGHT
    assert mirrored.grid.to_mm(np.argwhere(where)).mean(0) == pytest.approx((25, 5, 0), abs=0.2)
    assert not (mirrored.labels == Tissue.PUTAMEN_LEFT).any()
    assert set(mirrored.regions[where]) == {code_of("lentiform", "right")}
    # MNI keeps the subject's right at x > 0 after mirroring.
    np.testing.assert_allclose(mirrored.mni_from_ras, np.eye(4), atol=1e-6)


def test_a_tilted_head_is_set_upright(head: Anatomy) -> None:
    angle = np.deg2rad(30)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    tilt[:3, 3] = (1, 2, 3)
    upright = deform(replace(head, mni_from_ras=tilt), np.random.default_rng(0), STILL)
    np.testing.assert_allclose(upright.mni_from_ras, np.eye(4), atol=1e-6)
    found = upright.grid.to_mm(np.argwhere(upright.labels == Tissue.PUTAMEN_LEFT)).mean(0)
    assert found == pytest.approx(tilt[:3, :3] @ (-25, 5, 0) + tilt[:3, 3], abs=0.3)


def test_labels_and_regions_move_together(head: Anatomy) -> None:
    moved = deform(head, np.random.default_rng(3), replace(DeformSettings(), mirror_probability=0))
    putamen = moved.labels == Tissue.PUTAMEN_LEFT
    np.testing.assert_array_equal(putamen, moved.regions == code_of("lentiform", "left"))
    assert putamen.sum() > 300


def test_ventricles_grow_by_what_was_asked(head: Anatomy) -> None:
    grown = deform(head, np.random.default_rng(0), replace(STILL, ventricle_growth_mm=(3, 3)))
    before, after = (h.where(Tissue.VENTRICLE_LEFT, Tissue.VENTRICLE_RIGHT).sum() for h in (head, grown))
    # A ball of 7 mm that grows by 3 mm has 2.9 times the volume; smoothing of the distance takes some of it.
    assert 1.8 < after / before < 3.2
    assert volumes(grown)[Tissue.SKULL] == pytest.approx(volumes(head)[Tissue.SKULL], rel=0.03)


def test_atrophy_gives_cortex_to_the_fluid(head: Anatomy) -> None:
    shrunk = deform(head, np.random.default_rng(0), replace(STILL, atrophy_mm=(0.8, 0.8)))
    lost = volumes(head) - volumes(shrunk)
    cortex = lost[Tissue.CORTEX_LEFT] + lost[Tissue.CORTEX_RIGHT]
    area = 4 * np.pi * 40**2
    assert cortex / area == pytest.approx(0.8, abs=0.35)
    assert lost[Tissue.CSF] == pytest.approx(-cortex, rel=0.02)


def test_size_stays_plausible(head: Anatomy) -> None:
    settings = replace(DeformSettings(), ventricle_growth_mm=(0, 0), atrophy_mm=(0, 0))
    for seed in range(4):
        ratio = deform(head, np.random.default_rng(seed), settings).brain.sum() / head.brain.sum()
        assert 0.65 < ratio < 1.5


def jacobian(displacement: np.ndarray, spacing: float) -> np.ndarray:
    columns = np.stack([np.stack(np.gradient(d, spacing)) for d in displacement])
    return np.linalg.det(np.moveaxis(columns, (0, 1), (-2, -1)) + np.eye(3))


def test_the_flow_never_folds_where_plain_addition_would() -> None:
    # A pull of 6 mm towards a plane from both sides within 8 mm: added at once, it folds.
    x = np.arange(-15, 16)[:, None, None] * 4.0
    pull = -6 * np.tanh(x / 3) * np.exp(-np.abs(x) / 16) * np.ones((31, 9, 9))
    velocity = np.stack([pull, 0 * pull, 0 * pull]).astype(np.float32)
    assert jacobian(velocity, 4.0).min() < 0
    assert jacobian(flow(velocity), 4.0).min() > 0


def test_drawn_warps_do_not_fold() -> None:
    from microbleeds.simulate.deform import _noise

    affine = np.eye(4)
    grid = Grid((180, 216, 200), affine)
    settings = replace(DeformSettings(), warps=((28.0, (4, 4)), (13.0, (1.8, 1.8)), (7.0, (0.6, 0.6))))
    for seed in range(3):
        determinant = jacobian(flow(_noise(grid, np.random.default_rng(seed), settings)), 4.0)
        assert determinant.min() > 0.05
        assert determinant.mean() == pytest.approx(1, abs=0.1)
