"""Positions become a grid, in RAS mm; what makes no grid is refused with its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import AXIAL, COLUMNS, ROWS, SLICES, SPACING_MM, multi_frame, pixels, save, slices

from microbleeds.errors import InputError
from microbleeds.read.dicom.study import list_volumes, read_study
from microbleeds.read.dicom.voxels import read_voxels
from microbleeds.scan import SourceImages

REAL = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "real" / "gre_dicom"
TO_RAS = np.diag([-1.0, -1.0, 1.0])


def oblique() -> tuple[float, ...]:
    """Row and column direction of slices turned about two axes."""
    a, b = 0.3, -0.2
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    turn = about_z @ about_x
    return (*turn[:, 0], *turn[:, 1])


def only(folder: Path):
    _, volumes = list_volumes(folder)
    assert len(volumes) == 1
    return volumes[0]


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        read_study(folder)
    return str(error.value)


class TestGrid:
    @pytest.mark.parametrize("orientation", [AXIAL, oblique(), (0, 1, 0, 0, 0, -1)])
    def test_every_voxel_lies_where_the_header_says(self, tmp_path: Path, orientation: tuple[float, ...]):
        images = slices(orientation=orientation)
        volume = only(save(tmp_path, images))
        assert volume.grid.shape == (COLUMNS, ROWS, SLICES)
        for k in (0, 4, 9):
            start = np.array([float(v) for v in images[k].ImagePositionPatient])
            along_row = np.asarray(orientation[:3]) * SPACING_MM[1]
            along_column = np.asarray(orientation[3:]) * SPACING_MM[0]
            expected = TO_RAS @ (start + 7 * along_row + 5 * along_column)
            np.testing.assert_allclose(volume.grid.to_mm((7, 5, k)), expected, atol=1e-3)

    def test_slices_follow_their_places_not_their_names(self, tmp_path: Path):
        images = slices()
        volume = only(save(tmp_path, images))
        assert [i.sop_instance_uid for i in volume.instances] == [str(i.SOPInstanceUID) for i in images]
        np.testing.assert_array_equal(read_voxels(volume).values, pixels(8).transpose(2, 1, 0))

    def test_images_keep_the_archives_numbers(self, tmp_path: Path):
        images = slices()
        for n, image in enumerate(images):
            image.InstanceNumber = 40 - n
        volume = only(save(tmp_path, images))
        assert volume.images == SourceImages(8, tuple(range(40, 40 - len(images), -1)), frames=False)
        del images[3].InstanceNumber
        assert only(save(tmp_path, images)).images is None

    def test_slice_thickness_is_no_slice_distance(self, tmp_path: Path):
        images = slices(SliceThickness="3.5", SpacingBetweenSlices="9")
        assert only(save(tmp_path, images)).grid.spacing_mm[2] == pytest.approx(SPACING_MM[2])

    def test_rounded_positions(self, tmp_path: Path):
        images = slices()
        images[4].ImagePositionPatient = [-8.004, -7.197, -2.003]
        volume = only(save(tmp_path, images))
        assert volume.defect is None
        np.testing.assert_allclose(volume.grid.spacing_mm, [0.8, 0.9, 2.0], atol=0.002)

    def test_multi_frame(self, tmp_path: Path):
        kinds = [("MAGNITUDE", ("ORIGINAL", "PRIMARY", "M", "SWI")), ("PHASE", ("ORIGINAL", "PRIMARY", "P", "ND"))]
        save(tmp_path, [multi_frame(4, "SWI", kinds)])
        study = read_study(tmp_path)
        assert {role: volume.name for role, volume in study.chosen.items()} == {"swi": "4:1", "phase": "4:2"}
        assert [i.frame for i in study.chosen["phase"].instances] == list(range(SLICES + 1, 2 * SLICES + 1))
        np.testing.assert_array_equal(read_voxels(study.chosen["phase"]).values, pixels(1).transpose(2, 1, 0))
        assert study.main.facts.echo_time_ms == 20
        assert study.main.facts.repetition_time_ms == 27
        assert len(study.main.datasets()) == 1


class TestRefused:
    def test_a_slice_missing_in_the_middle(self, tmp_path: Path):
        images = slices()
        del images[4]
        assert "1 slice is missing, the first after slice 4 of 9" in refusal(save(tmp_path, images))

    def test_several_slices_missing(self, tmp_path: Path):
        images = slices(stored=np.concatenate([pixels(0), pixels(1)]))
        for k in (15, 8, 7):
            del images[k]
        assert "3 slices are missing, the first after slice 7 of 17" in refusal(save(tmp_path, images))

    def test_uneven_slices(self, tmp_path: Path):
        images = slices()
        images[3].ImagePositionPatient = [-8.0, -7.2, -3.3]
        assert "1.3 to 2.7 mm apart" in refusal(save(tmp_path, images))

    def test_gantry_tilt(self, tmp_path: Path):
        images = slices()
        for k, image in enumerate(images):
            image.ImagePositionPatient = [-8.0, -7.2 + 0.3 * k, -10.0 + 2 * k]
        assert "gantry tilt of 8.5 degrees" in refusal(save(tmp_path, images))

    def test_a_slice_beside_the_others(self, tmp_path: Path):
        images = slices()
        images[5].ImagePositionPatient = [-5.0, -7.2, 0.0]
        assert "don't lie on one line" in refusal(save(tmp_path, images))

    def test_two_different_images_at_one_place(self, tmp_path: Path):
        images = slices()
        other = slices(stored=pixels(3))[4]
        other.SOPInstanceUID, other.InstanceNumber = "1.2.3.8.77", 77
        assert "two different images at the same place" in refusal(save(tmp_path, [*images, other]))

    def test_mosaic(self, tmp_path: Path):
        images = slices(image_type=("ORIGINAL", "PRIMARY", "M", "SWI", "MOSAIC"))
        assert "it is a mosaic" in refusal(save(tmp_path, images))

    @pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
    def test_no_geometry(self, tmp_path: Path, keyword: str):
        images = slices()
        for image in images:
            delattr(image, keyword)
        assert "no usable position, orientation or pixel spacing" in refusal(save(tmp_path, images))

    def test_too_few_slices(self, tmp_path: Path):
        assert "too few slices (7)" in refusal(save(tmp_path, slices()[:7]))

    def test_too_coarse(self, tmp_path: Path):
        images = slices(PixelSpacing=[1.9, 1.9])
        assert "1.9 x 1.9 x 2 mm, too coarse" in refusal(save(tmp_path, images))

    def test_directions_that_are_not_perpendicular(self, tmp_path: Path):
        images = slices(ImageOrientationPatient=[1, 0, 0, 0.5, 0.8, 0])
        assert "no usable position" in refusal(save(tmp_path, images))


class TestDoubled:
    def test_a_file_twice(self, tmp_path: Path):
        save(tmp_path / "a", slices())
        save(tmp_path / "b", slices()[:3])
        volume = only(tmp_path)
        assert volume.defect is None
        assert volume.notes == ("3 doubled images were left out",)

    def test_same_pixels_under_another_identifier(self, tmp_path: Path):
        again = slices()[4]
        again.SOPInstanceUID, again.InstanceNumber = "1.2.3.8.77", 77
        volume = only(save(tmp_path, [*slices(), again]))
        assert volume.defect is None
        assert volume.notes == ("1 doubled images were left out",)

    def test_slices_missing_at_the_end_are_noted(self, tmp_path: Path):
        save(tmp_path, slices(ImagesInAcquisition=SLICES)[:-1])
        assert "Series 8: the scanner announced 10 images and 9 are here." in read_study(tmp_path).notes


class TestRealSeries:
    """A GE field map: 16 places, twice; too coarse to search, but its geometry can be compared."""

    @pytest.mark.skipif(not REAL.is_dir(), reason="the shared real series isn't here")
    def test_geometry_as_simple_itk_reads_it(self):
        sitk = pytest.importorskip("SimpleITK")
        found, volumes = list_volumes(REAL)
        assert [len(v.instances) for v in volumes] == [16, 16]
        assert found.strangers == 1
        image = sitk.ReadImage([str(path) for path in volumes[0].files])
        direction = np.array(image.GetDirection()).reshape(3, 3)
        affine = np.eye(4)
        affine[:3, :3] = TO_RAS @ direction @ np.diag(image.GetSpacing())
        affine[:3, 3] = TO_RAS @ np.array(image.GetOrigin())
        np.testing.assert_allclose(volumes[0].grid.affine, affine, atol=1e-3)
        for volume in volumes:
            expected = sitk.GetArrayFromImage(sitk.ReadImage([str(path) for path in volume.files]))
            np.testing.assert_array_equal(read_voxels(volume).values, expected.transpose(2, 1, 0))

    @pytest.mark.skipif(not REAL.is_dir(), reason="the shared real series isn't here")
    def test_it_is_no_scan_to_search(self):
        assert "no SWI and no T2*-weighted magnitude" in refusal(REAL)
        with pytest.raises(InputError, match="x 9 mm, too coarse"):
            read_study(REAL, ["magnitude=6:2"])
