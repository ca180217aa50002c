from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.errors import InputError
from microbleeds.simulate.label_maps import label_map_paths, load_label_map
from microbleeds.tissues import Tissue

SHARED = Path(__file__).parents[3] / "shared/data/anatomies"

# structure: (left label, right label, MNI-like centre of the right one, semi-axes)
STRUCTURES = {
    "cortex": (3, 42, (33, -18, 12), (32, 70, 50)),
    "white": (2, 41, (31, -18, 14), (26, 60, 42)),
    "ventricle": (4, 43, (12, -10, 18), (5, 28, 7)),
    "caudate": (11, 50, (14, 10, 10), (4, 9, 7)),
    "putamen": (12, 51, (26, 2, 0), (5, 12, 8)),
    "pallidum": (13, 52, (18, -4, -1), (3, 6, 4)),
    "thalamus": (10, 49, (11, -19, 6), (6, 11, 7)),
    "hippocampus": (17, 53, (27, -22, -14), (5, 14, 5)),
    "amygdala": (18, 54, (24, -4, -19), (5, 5, 5)),
    "ventral": (28, 60, (11, -15, -8), (8, 9, 6)),
    "cerebellum": (8, 47, (25, -63, -36), (23, 22, 16)),
    "cerebellar white": (7, 46, (17, -54, -32), (13, 12, 9)),
}


def write(path: Path, values: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


def inside(shape, affine, centre, axes) -> np.ndarray:
    ijk = np.ogrid[tuple(slice(0, n) for n in shape)]
    total = 0.0
    for row, middle, radius in zip(affine, centre, axes, strict=False):
        total = total + ((sum(a * i for a, i in zip(row, ijk, strict=False) if a) + row[3] - middle) / radius) ** 2
    return np.broadcast_to(total < 1, shape)


@pytest.fixture(scope="module")
def head() -> tuple[np.ndarray, np.ndarray]:
    """A cartoon head stored L-I-A as the known maps are: labels and affine."""
    affine = np.array([[-1.0, 0, 0, 84], [0, 0, 1, -112], [0, -1, 0, 92], [0, 0, 0, 1]])
    shape = (169, 205, 205)
    values = np.zeros(shape, dtype=np.int16)
    for label, axes in ((507, (80, 98, 88)), (515, (75, 92, 82)), (24, (70, 86, 76))):
        values[inside(shape, affine, (0, -15, 0), axes)] = label
    for left, right, (x, y, z), axes in STRUCTURES.values():
        values[inside(shape, affine, (-x, y, z), axes)] = left
        values[inside(shape, affine, (x, y, z), axes)] = right
    values[inside(shape, affine, (0, -28, -30), (10, 12, 22))] = 16
    values[inside(shape, affine, (0, 80, -45), (9, 9, 9))] = 0  # a sinus
    values[inside(shape, affine, (0, -15, 85), (4, 4, 2))] = 0  # a gap of the labelling
    values[inside(shape, affine, (27, 3, 0), (1.2, 1.2, 1.2))] = 62
    values[0:2, 0:2, 0:2] = 24  # noise in the air
    return values, affine


class TestLoad:
    @pytest.fixture(scope="class")
    def anatomy(self, head, tmp_path_factory):
        path = tmp_path_factory.mktemp("maps") / "cartoon.nii.gz"
        return load_label_map(write(path, *head))

    def test_axes_and_sides(self, anatomy) -> None:
        assert anatomy.name == "cartoon"
        np.testing.assert_array_equal(anatomy.grid.affine[:3, :3], np.eye(3))
        for tissue in (Tissue.PUTAMEN_LEFT, Tissue.DENTATE_LEFT, Tissue.RED_NUCLEUS_LEFT):
            centres = [anatomy.grid.to_mm(np.argwhere(anatomy.labels == t + 0)) for t in (tissue, tissue + 1)]
            assert centres[0][:, 0].mean() < -2 < 2 < centres[1][:, 0].mean()
        putamen = anatomy.grid.to_mm(np.argwhere(anatomy.labels == Tissue.PUTAMEN_RIGHT)).mean(0)
        assert putamen == pytest.approx((26, 2, 0), abs=2)

    def test_a_vessel_takes_the_tissue_around_it(self, anatomy) -> None:
        i, j, k = np.rint(anatomy.grid.to_ijk((27, 3, 0))).astype(int)
        assert anatomy.labels[i, j, k] == Tissue.PUTAMEN_RIGHT

    def test_noise_in_the_air_is_gone(self, anatomy) -> None:
        assert not anatomy.grid.contains((84, -112, 92)) or anatomy.labels[-1, 0, -1] == Tissue.AIR

    def test_a_sinus_is_air_and_a_gap_in_the_vault_is_bone(self, anatomy) -> None:
        i, j, k = np.rint(anatomy.grid.to_ijk((0, 66, -45))).astype(int)
        assert (anatomy.labels == Tissue.SINUS_AIR).sum() > 50
        i, j, k = np.rint(anatomy.grid.to_ijk((0, -15, 84))).astype(int)
        assert anatomy.labels[i, j, k] in (Tissue.SKULL, Tissue.SCALP)

    def test_small_nuclei_and_choroid_plexus_are_placed(self, anatomy) -> None:
        for tissue in (Tissue.SUBSTANTIA_NIGRA_LEFT, Tissue.RED_NUCLEUS_RIGHT, Tissue.DENTATE_RIGHT):
            assert (anatomy.labels == tissue).sum() > 40

    def test_affine_to_mni(self, anatomy) -> None:
        point = anatomy.mni_from_ras @ (26, 2, 0, 1)
        assert np.linalg.norm(point[:3] - (26, 2, 0)) < 8


class TestRefusals:
    def test_an_empty_or_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no"):
            label_map_paths(tmp_path)
        with pytest.raises(InputError, match="doesn't exist"):
            label_map_paths(tmp_path / "nowhere")

    def test_paths_come_sorted(self, tmp_path: Path) -> None:
        for name in ("b.nii.gz", "a.nii.gz", "LICENSE.txt"):
            (tmp_path / name).touch()
        assert [p.name for p in label_map_paths(tmp_path)] == ["a.nii.gz", "b.nii.gz"]

    def test_no_image(self, tmp_path: Path) -> None:
        (tmp_path / "x.nii.gz").write_bytes(b"no")
        with pytest.raises(InputError, match="can't be read"):
            load_label_map(tmp_path / "x.nii.gz")

    def test_unknown_labels(self, tmp_path: Path) -> None:
        values = np.full((8, 8, 8), 999, dtype=np.int16)
        with pytest.raises(InputError, match="999"):
            load_label_map(write(tmp_path / "x.nii.gz", values, np.eye(4)))

    def test_coarse_voxels(self, tmp_path: Path) -> None:
        values = np.zeros((8, 8, 8), dtype=np.int16)
        with pytest.raises(InputError, match=r"2\.00 x 2\.00"):
            load_label_map(write(tmp_path / "x.nii.gz", values, np.diag([2.0, 2, 2, 1])))

    @pytest.mark.parametrize("label", [0, 62])
    def test_no_tissue_at_all(self, tmp_path: Path, label: int) -> None:
        values = np.full((8, 8, 8), label, dtype=np.int16)
        with pytest.raises(InputError, match="holds no label of a tissue"):
            load_label_map(write(tmp_path / "x.nii.gz", values, np.eye(4)))

    def test_a_brain_without_skull(self, tmp_path: Path) -> None:
        values = np.full((8, 8, 8), 2, dtype=np.int16)
        with pytest.raises(InputError, match="lacks"):
            load_label_map(write(tmp_path / "x.nii.gz", values, np.eye(4)))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the label maps lie outside the repository")
def test_a_real_map() -> None:
    anatomy = load_label_map(label_map_paths(SHARED)[2])
    assert 1000 < anatomy.brain.sum() / 1000 < 1700
    left = anatomy.grid.to_mm(np.argwhere(anatomy.labels == Tissue.WHITE_LEFT))
    assert left[:, 0].mean() < anatomy.grid.to_mm(np.argwhere(anatomy.labels == Tissue.BRAINSTEM))[:, 0].mean()
    assert (anatomy.labels == Tissue.SINUS_AIR).sum() > 10_000
    # The air of the sinuses never lies inside the brain.
    air = anatomy.where(Tissue.SINUS_AIR)
    assert not (air & anatomy.brain).any()
