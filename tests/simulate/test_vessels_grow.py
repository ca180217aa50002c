"""Vessels of a synthetic head: where they run, how long and how wide they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.vessels import SINUS_KINDS, Vessel, VesselSettings, grow_vessels, is_venous
from microbleeds.simulate.vessels.vessel import KINDS
from microbleeds.tissues import Tissue, among

ORIGIN_MM = np.array([-80.0, -115.0, -75.0])


def toy_labels() -> NDArray[np.uint8]:
    """Return a head of ellipsoids in MNI mm with radial sulci, 1 mm voxels."""
    x, y, z = np.meshgrid(
        *[o + np.arange(n) for o, n in zip(ORIGIN_MM, (161, 200, 170), strict=True)], indexing="ij"
    )

    def inside(centre: tuple[float, ...], semi: tuple[float, ...]) -> NDArray[np.bool_]:
        parts = [((a - c) / s) ** 2 for a, c, s in zip((x, y, z), centre, semi, strict=True)]
        return np.asarray(sum(parts) < 1)

    labels = np.zeros(x.shape, dtype=np.uint8)
    labels[inside((0, -18, 2), (77, 95, 72))] = Tissue.SKULL
    skull_inside = inside((0, -18, 2), (70, 88, 66))
    labels[skull_inside] = Tissue.CSF
    side = (x > 0).astype(np.uint8)
    tentorium = (y < -30) & (z < -14)
    fissure = (np.abs(x) < 3) & ((z > 24) | (z < -2) | (y < -46) | (y > 38))
    cerebrum = inside((0, -16, 8), (66, 83, 58)) & ~tentorium & ~fissure
    waves = np.sin(y / 3.4) * np.cos(np.arctan2(z, np.abs(x) + 1) * 9)
    cerebrum &= ~((waves > 0.72) & ~inside((0, -16, 8), (53, 70, 45)))
    labels[cerebrum] = (Tissue.WHITE_LEFT + side)[cerebrum]
    core = ndimage.binary_erosion(cerebrum, iterations=3)
    cortex = cerebrum & ~core & (np.abs(x) + np.abs(z - 8) > 16)
    labels[cortex] = (Tissue.CORTEX_LEFT + side)[cortex]
    for tissue, centre, semi in (
        (Tissue.VENTRICLE_LEFT, (10, -8, 17), (7, 30, 8)),
        (Tissue.CAUDATE_LEFT, (14, 12, 6), (4, 9, 6)),
        (Tissue.PUTAMEN_LEFT, (25, 2, 0), (5, 13, 8)),
        (Tissue.THALAMUS_LEFT, (11, -19, 3), (7, 11, 7)),
    ):
        for right in (0, 1):
            sign = 1 if right else -1
            labels[inside((sign * centre[0], *centre[1:]), semi)] = tissue + right
    labels[(np.abs(x) < 2.5) & (y > -28) & (y < -2) & (z > -6) & (z < 9)] = Tissue.VENTRICLE_THIRD
    labels[inside((0, -44, 4), (9, 11, 9))] = Tissue.CSF  # the cistern of the vein of Galen
    stem = (x**2 + (y + 24) ** 2 < 150) & (z < -8) & (z > -60) & skull_inside
    labels[stem] = Tissue.BRAINSTEM
    cerebellum = inside((0, -62, -36), (44, 26, 20)) & skull_inside & ~stem
    labels[cerebellum] = (Tissue.CEREBELLAR_CORTEX_LEFT + side)[cerebellum]
    core = inside((0, -60, -36), (34, 16, 11)) & ~stem
    labels[core] = (Tissue.CEREBELLAR_WHITE_LEFT + side)[core]
    return labels


def toy_head(labels: NDArray[np.uint8]) -> Anatomy:
    affine = np.eye(4)
    affine[:3, 3] = ORIGIN_MM
    grid = Grid((labels.shape[0], labels.shape[1], labels.shape[2]), affine)
    return Anatomy("toy", labels, grid, np.zeros_like(labels), np.eye(4))


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return toy_head(toy_labels())


SETTINGS = VesselSettings(anomaly_probability=1.0)


@pytest.fixture(scope="module")
def vessels(head: Anatomy) -> list[Vessel]:
    return grow_vessels(head, np.random.default_rng(11), SETTINGS)


def tissue(head: Anatomy, points_mm: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the label of the voxel at each position."""
    ijk = np.round(head.grid.to_ijk(points_mm)).astype(int)
    return head.labels[tuple(np.clip(ijk, 0, np.asarray(head.labels.shape) - 1).T)]


def distance_mm(head: Anatomy, points_mm: NDArray[np.float64], *tissues: Tissue) -> NDArray[np.float64]:
    """Return the distance of each position to the nearest voxel of the tissues."""
    ijk = np.round(head.grid.to_ijk(points_mm)).astype(int)
    field = ndimage.distance_transform_edt(~among(head.labels, *tissues))
    i, j, k = np.moveaxis(np.clip(ijk, 0, np.asarray(head.labels.shape) - 1), -1, 0)
    return field[i, j, k]


class TestAmount:
    def test_every_kind_is_there(self, vessels: list[Vessel]) -> None:
        assert {v.kind for v in vessels} == set(KINDS)

    def test_veins_fill_a_plausible_share_of_the_intracranial_volume(
        self, head: Anatomy, vessels: list[Vessel]
    ) -> None:
        volume = sum(v.volume_mm3 for v in vessels if is_venous(v.kind) and v.kind not in SINUS_KINDS)
        intracranial = np.count_nonzero(head.labels >= Tissue.CSF)
        assert 0.002 < volume / intracranial < 0.008

    def test_thin_veins_are_longer_than_wide_ones(self, vessels: list[Vessel]) -> None:
        veins = [v for v in vessels if is_venous(v.kind) and v.kind not in SINUS_KINDS]
        step = np.concatenate([np.linalg.norm(np.diff(v.points_mm, axis=0), axis=1) for v in veins]) / 1000
        diameter = np.concatenate([v.radius_mm[:-1] + v.radius_mm[1:] for v in veins])
        metres, _ = np.histogram(diameter, [0.0, 0.5, 0.8, 1.2, 10.0], weights=step)
        # A sparser tree was measured as 12.8, 4.7, 1.6 and 1.4 m.
        assert 8 < metres[0] < 45
        assert 3 < metres[1] < 15
        assert 1 < metres[2] < 7
        assert 0.5 < metres[3] < 5

    def test_counts_follow_the_settings(self, head: Anatomy, vessels: list[Vessel]) -> None:
        kinds = [v.kind for v in vessels]
        assert 14 <= kinds.count("striate") <= 34
        assert kinds.count("superficial-medullary") <= SETTINGS.superficial_medullary_seeds
        assert 60 <= kinds.count("medullary") <= 1.8 * SETTINGS.medullary_seeds[1]
        without = grow_vessels(head, np.random.default_rng(11), replace(SETTINGS, anomaly_probability=0.0))
        assert "developmental-venous-anomaly" not in {v.kind for v in without}

    def test_radii_are_within_their_ranges(self, vessels: list[Vessel]) -> None:
        for vessel in vessels:
            assert np.isfinite(vessel.points_mm).all()
            assert vessel.radius_mm.min() > 0.01
            assert vessel.radius_mm.max() <= 4.0
        medullary = [v.radius_mm.max() for v in vessels if v.kind == "medullary"]
        assert 0.12 < np.median(medullary) < 0.3

    def test_pial_veins_widen_towards_the_sinus(self, vessels: list[Vessel]) -> None:
        for vessel in vessels:
            if vessel.kind in {"pial", "cortical-vein"}:
                assert (np.diff(vessel.radius_mm) >= -1e-9).all()


class TestPlace:
    def test_every_medullary_vein_ends_at_the_ventricle(self, head: Anatomy, vessels: list[Vessel]) -> None:
        ventricle = (Tissue.VENTRICLE_LEFT, Tissue.VENTRICLE_RIGHT)
        veins = [v for v in vessels if v.kind == "medullary"]
        starts, ends = distance_mm(
            head, np.array([v.points_mm[[0, -1]] for v in veins]).swapaxes(0, 1), *ventricle
        )
        assert ends.max() < 4.0  # twins run up to 2.5 mm beside
        assert np.median(ends) < 1.6
        assert starts.min() > 3.5

    def test_medullary_veins_meet_the_wall_at_a_right_angle(self, head: Anatomy, vessels: list[Vessel]) -> None:
        ventricles = among(head.labels, Tissue.VENTRICLE_LEFT, Tissue.VENTRICLE_RIGHT)
        field = -ndimage.gaussian_filter(ventricles.astype(np.float32), 3.0)
        slope = np.stack(np.gradient(field), axis=-1)
        cosines = []
        for vessel in vessels:
            if vessel.kind == "medullary":
                course = vessel.points_mm[-6] - vessel.points_mm[-1]
                at = np.round(head.grid.to_ijk(vessel.points_mm[-4])).astype(int)
                normal = slope[tuple(at)]
                cosines.append(course @ normal / np.linalg.norm(course) / np.linalg.norm(normal))
        assert np.median(cosines) > 0.9

    def test_sinuses_and_basal_veins_lie_outside_the_parenchyma(
        self, head: Anatomy, vessels: list[Vessel]
    ) -> None:
        for vessel in vessels:
            if vessel.kind in SINUS_KINDS or vessel.kind == "galen":
                where = tissue(head, vessel.points_mm)
                assert np.mean(where >= Tissue.CORTEX_LEFT) < 0.1, vessel.kind

    def test_sagittal_sinus_keeps_to_the_midline_under_the_vertex(self, vessels: list[Vessel]) -> None:
        (sinus,) = [v for v in vessels if v.kind == "superior-sagittal-sinus"]
        assert np.abs(sinus.points_mm[:, 0]).max() < 3
        assert sinus.points_mm[:, 2].max() > 58  # the inner skull's top is at z = 68 mm
        assert sinus.points_mm[0, 1] > 40
        assert sinus.points_mm[-1, 1] < -80
        assert sinus.radius_mm[-1] > 1.5 * sinus.radius_mm[0]

    def test_transverse_sinuses_begin_at_the_confluence_and_part(self, vessels: list[Vessel]) -> None:
        (sagittal,) = [v for v in vessels if v.kind == "superior-sagittal-sinus"]
        right, left = [v for v in vessels if v.kind == "transverse-sinus"]
        for sinus in (right, left):
            assert np.linalg.norm(sinus.points_mm[0] - sagittal.points_mm[-1]) < 5
        assert right.points_mm[:, 0].max() > 30
        assert left.points_mm[:, 0].min() < -30

    def test_striate_veins_stand_upright(self, vessels: list[Vessel]) -> None:
        course = np.array([v.points_mm[-1] - v.points_mm[0] for v in vessels if v.kind == "striate"])
        upright = np.abs(course[:, 2]) / np.linalg.norm(course, axis=1)
        assert np.median(upright) > 0.93

    def test_pial_veins_run_on_the_surface(self, head: Anatomy, vessels: list[Vessel]) -> None:
        points = np.concatenate([v.points_mm for v in vessels if v.kind in {"pial", "cortical-vein"}])
        assert np.percentile(distance_mm(head, points, Tissue.CSF), 95) < 3.0

    def test_infratentorial_veins_exist(self, vessels: list[Vessel]) -> None:
        length = sum(v.length_mm for v in vessels if v.kind == "cerebellar")
        assert length > 800

    def test_both_sides_have_about_as_many(self, vessels: list[Vessel]) -> None:
        for kind in ("pial", "medullary", "superficial-medullary"):
            side = np.array([np.sign(v.points_mm[:, 0].mean()) for v in vessels if v.kind == kind])
            assert abs(side.mean()) < 0.35, kind

    def test_arteries_and_perivascular_spaces_are_not_venous(self) -> None:
        assert not is_venous("artery")
        assert not is_venous("perivascular-space")
        assert is_venous("straight-sinus")


class TestChance:
    def test_same_generator_state_same_bits(self, head: Anatomy, vessels: list[Vessel]) -> None:
        again = grow_vessels(head, np.random.default_rng(11), SETTINGS)
        assert len(again) == len(vessels)
        for one, two in zip(vessels, again, strict=True):
            assert one.kind == two.kind
            assert one.points_mm.tobytes() == two.points_mm.tobytes()
            assert one.radius_mm.tobytes() == two.radius_mm.tobytes()

    def test_a_tilted_head_has_its_vessels_tilted(self, head: Anatomy, vessels: list[Vessel]) -> None:
        angle = np.radians(25)
        turn = np.eye(4)
        turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        voxel = np.linalg.inv(head.grid.affine) @ np.linalg.inv(turn) @ head.grid.affine
        labels = ndimage.affine_transform(head.labels, voxel[:3, :3], voxel[:3, 3], order=0)
        tilted = replace(head, labels=labels, mni_from_ras=np.linalg.inv(turn))
        (there,) = [
            v
            for v in grow_vessels(tilted, np.random.default_rng(11), SETTINGS)
            if v.kind == "superior-sagittal-sinus"
        ]
        (here,) = [v for v in vessels if v.kind == "superior-sagittal-sinus"]
        back = there.points_mm @ turn[:3, :3]  # the inverse rotation, since rows are points
        assert np.linalg.norm(back[[0, -1]] - here.points_mm[[0, -1]], axis=1).max() < 12


class TestRefusal:
    @pytest.mark.parametrize(
        ("tissues", "name"),
        [
            ((Tissue.VENTRICLE_LEFT, Tissue.VENTRICLE_RIGHT), "lateral ventricle"),
            (
                (
                    Tissue.CEREBELLAR_CORTEX_LEFT,
                    Tissue.CEREBELLAR_CORTEX_RIGHT,
                    Tissue.CEREBELLAR_WHITE_LEFT,
                    Tissue.CEREBELLAR_WHITE_RIGHT,
                ),
                "cerebellum",
            ),
        ],
    )
    def test_head_without_a_structure_gets_a_sentence(
        self, head: Anatomy, tissues: tuple[Tissue, ...], name: str
    ) -> None:
        labels = head.labels.copy()
        labels[among(labels, *tissues)] = Tissue.CSF
        with pytest.raises(InputError, match=f"no voxel of the {name}"):
            grow_vessels(toy_head(labels), np.random.default_rng(1))
