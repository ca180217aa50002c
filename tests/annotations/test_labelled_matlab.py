"""Real MATLAB files of version 5 and 7.3: centres beside images, volumes with centres, what is never opened."""

from __future__ import annotations

from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from little_scans import GRID, SHAPE, SPOTS, blank, close, save, write
from numpy.typing import NDArray
from scipy.io import savemat

from microbleeds.annotations import labelled_scans
from microbleeds.annotations.find import read_data_set
from microbleeds.annotations.matlab import inspect
from microbleeds.errors import InputError
from microbleeds.geometry import grid_of

VOLUME = (24, 20, 12)


def save_73(path: Path, variables: dict[str, NDArray]) -> Path:
    """Write what MATLAB's ``save -v7.3`` does: HDF5 behind a header, axes reversed, classes as attributes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in variables.items():
            if array.size:
                item = file.create_dataset(name, data=array.T)
            else:
                item = file.create_dataset(name, data=np.zeros(2, dtype=np.uint64))
                item.attrs["MATLAB_empty"] = np.uint8(1)
            item.attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path


def save_5(path: Path, variables: dict[str, NDArray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables)
    return path


def volume(points: NDArray) -> NDArray[np.float64]:
    """Return a bright volume that is 0 at points counted from 1."""
    array = np.full(VOLUME, 100.0)
    array[tuple(points.T - 1)] = 0
    return array


CENTRES = np.array([[3, 4, 5], [20, 18, 11], [7, 15, 2]])
WRITERS = pytest.mark.parametrize("write_mat", [save_5, save_73])


@WRITERS
class TestCentresBesideImages:
    def test_array_numbers_from_1(self, tmp_path, write_mat):
        for name in ("01", "02"):
            blank(tmp_path / "nii" / f"{name}.nii")
        write_mat(tmp_path / "ground_truth" / "01.mat", {"cen": (SPOTS + 1).astype(float)})
        write_mat(tmp_path / "ground_truth" / "02.mat", {"cen": np.zeros((0, 0))})
        first, second = labelled_scans(tmp_path)
        close(first.positions_ras_mm, GRID.to_mm(SPOTS))
        assert first.swi == tmp_path / "nii" / "01.nii"
        assert first.form.startswith("MATLAB")
        assert second.positions_ras_mm.shape == (0, 3)

    def test_a_0_or_a_statement_says_another_base(self, tmp_path, write_mat):
        blank(tmp_path / "nii" / "01.nii")
        write_mat(tmp_path / "gt" / "01.mat", {"cen": np.vstack([SPOTS, [0, 0, 0]])})
        (scan,) = labelled_scans(tmp_path)
        close(scan.positions_ras_mm[:-1], GRID.to_mm(SPOTS))
        assert any("start at 0" in warning for warning in scan.warnings)
        write_mat(tmp_path / "gt" / "01.mat", {"cen": SPOTS})
        write(tmp_path / "labels.json", '{"base": 0, "columns": ["j", "i", "k"]}')
        close(labelled_scans(tmp_path)[0].positions_ras_mm, GRID.to_mm(SPOTS[:, [1, 0, 2]]))

    def test_centres_in_rows(self, tmp_path, write_mat):
        blank(tmp_path / "nii" / "01.nii")
        write_mat(tmp_path / "gt" / "01.mat", {"cen": (SPOTS + 1).T})
        close(labelled_scans(tmp_path)[0].positions_ras_mm, GRID.to_mm(SPOTS))

    def test_images_without_orientation_take_the_stated_one(self, tmp_path, write_mat):
        save(tmp_path / "nii" / "01.nii", np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE), np.eye(4), 0)
        write_mat(tmp_path / "ground_truth" / "01.mat", {"cen": SPOTS + 1})
        write(tmp_path / "labels.json", '{"voxel_mm": [0.45, 0.45, 2], "axes": "LAS"}')
        (scan,) = labelled_scans(tmp_path, tmp_path / "cache")
        grid = grid_of(nib.load(scan.image))
        assert grid.axis_codes == "LAS"
        np.testing.assert_allclose(grid.spacing_mm, [0.45, 0.45, 2], rtol=1e-6)
        close(grid.to_ijk(scan.positions_ras_mm), SPOTS)


@WRITERS
class TestVolumes:
    def test_volume_and_centres_in_one_file(self, tmp_path, write_mat):
        write_mat(tmp_path / "data" / "s01.mat", {"SWI_rot": volume(CENTRES), "cen": CENTRES})
        (scan,) = labelled_scans(tmp_path / "data", tmp_path / "cache")
        image = nib.load(scan.image)
        array = np.asarray(image.dataobj)
        assert array.shape == VOLUME
        voxels = np.rint(grid_of(image).to_ijk(scan.positions_ras_mm)).astype(int)
        assert voxels.tolist() == (CENTRES - 1).tolist()
        assert not array[tuple(voxels.T)].any(), "the centres lie on the dark voxels"
        assert nib.aff2axcodes(image.affine) == ("P", "L", "S")
        np.testing.assert_allclose(image.header.get_zooms(), (0.45, 0.45, 2.0))
        assert any("0.45 x 0.45 x 2 mm" in w for w in scan.warnings)
        assert any("orientation" in w for w in scan.warnings)

    def test_stated_voxels_and_axes_and_a_second_read(self, tmp_path, write_mat):
        folder = tmp_path / "data"
        content = {"SWI": volume(CENTRES), "phase": volume(CENTRES), "cen": CENTRES}
        write_mat(folder / "s01.mat", content)
        write(folder / "labels.json", '{"voxel_mm": [0.5, 0.6, 3], "axes": "lps"}')
        (scan,) = labelled_scans(folder, tmp_path / "cache")
        assert scan.phase is not None
        image = nib.load(scan.image)
        assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
        np.testing.assert_allclose(image.header.get_zooms(), (0.5, 0.6, 3.0), rtol=1e-6)
        assert not scan.warnings
        before = scan.image.stat().st_mtime_ns
        assert labelled_scans(folder, tmp_path / "cache")[0].image.stat().st_mtime_ns == before
        write(folder / "labels.json", '{"voxel_mm": [0.5, 0.6, 2], "axes": "lps"}')
        assert labelled_scans(folder, tmp_path / "cache")[0].image != scan.image

    def test_centres_in_another_folder(self, tmp_path, write_mat):
        write_mat(tmp_path / "data" / "volumes" / "s01.mat", {"SWI_rot": volume(CENTRES)})
        write_mat(tmp_path / "data" / "centers" / "s01.mat", {"cen": CENTRES})
        (scan,) = labelled_scans(tmp_path / "data", tmp_path / "cache")
        assert len(scan.positions_ras_mm) == 3

    def test_a_cache_is_needed(self, tmp_path, write_mat):
        write_mat(tmp_path / "s01.mat", {"SWI_rot": volume(CENTRES), "cen": CENTRES})
        with pytest.raises(InputError, match="MATLAB volume.*folder for converted"):  # noqa: RUF043
            labelled_scans(tmp_path)

    def test_two_volumes_of_one_role(self, tmp_path, write_mat):
        write_mat(tmp_path / "s01.mat", {"a": volume(CENTRES), "b": volume(CENTRES), "cen": CENTRES})
        with pytest.raises(InputError, match="two swi volumes"):
            labelled_scans(tmp_path, tmp_path / "cache")


class TestWhatIsNeverOpened:
    def test_cells_and_structures_are_named(self, tmp_path):
        blank(tmp_path / "nii" / "01.nii")
        cell = np.empty((1, 2), dtype=object)
        cell[0, 0], cell[0, 1] = "a", np.arange(3.0)
        save_5(tmp_path / "gt" / "01.mat", {"cen": SPOTS + 1, "notes": cell, "info": {"reader": "JD"}})
        data = read_data_set(tmp_path)
        assert len(data.scans[0].positions_ras_mm) == len(SPOTS)
        assert any("notes (cell)" in note and "info (struct)" in note for note in data.notes)

    def test_centres_in_a_cell_are_not_centres(self, tmp_path):
        blank(tmp_path / "nii" / "01.nii")
        cell = np.empty((1, 1), dtype=object)
        cell[0, 0] = SPOTS + 1
        save_5(tmp_path / "gt" / "01.mat", {"cen": cell})
        assert inspect(tmp_path / "gt" / "01.mat").points is None
        with pytest.raises(InputError, match="no labels"):
            labelled_scans(tmp_path)

    def test_references_of_version_73(self, tmp_path):
        path = tmp_path / "01.mat"
        with h5py.File(path, "w") as file:
            file["cen"] = np.asarray(CENTRES.T, dtype=float)
            cells = file.create_dataset("cells", (1, 1), dtype=h5py.ref_dtype)
            cells[0, 0] = file["cen"].ref
            file.create_group("#refs#")
        found = inspect(path)
        assert found.points == "cen"
        assert [name.split()[0] for name in found.set_aside] == ["cells"]

    def test_damage(self, tmp_path):
        blank(tmp_path / "nii" / "01.nii")
        write(tmp_path / "gt" / "01.mat", "these are no variables" * 20)
        with pytest.raises(InputError, match="can't be read as a MATLAB file"):
            labelled_scans(tmp_path)
