"""What can be read is read right; what can't is refused with one sentence."""

from __future__ import annotations

import gzip
import itertools
import re

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microbleeds.errors import InputError
from microbleeds.geometry import canonical
from microbleeds.read.nifti import geometry_warnings, read_nifti

SHAPE = (12, 14, 9)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def affine(spacing=(0.5, 0.6, 2.0), origin=(-10.0, 20.0, 5.0)):
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = origin
    return matrix


def voxels(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def write(path, array=None, matrix=None, **header):
    image = nib.Nifti1Image(voxels() if array is None else array, affine() if matrix is None else matrix)
    for key, value in header.items():
        image.header[key] = value
    nib.save(image, path)
    return path


def refused(path, pattern):
    with pytest.raises(InputError, match=pattern) as caught:
        read_nifti(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert not re.search(r"\.\s+[A-Z]", message), "one sentence"


class TestRoundTrip:
    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
    def test_values_and_affine(self, tmp_path, name, dtype):
        array = np.random.default_rng(0).integers(0, 200, SHAPE).astype(dtype)
        kind = nib.Nifti1Pair if name.endswith("img") else nib.Nifti1Image
        nib.save(kind(array, affine()), tmp_path / name)
        got, grid = read_nifti(tmp_path / name)
        np.testing.assert_array_equal(got, array.astype(np.float32))
        np.testing.assert_allclose(grid.affine, affine(), atol=1e-6)
        assert got.dtype == np.float32

    @pytest.mark.parametrize("name", ["A.NII", "A.NII.GZ"])
    def test_endings_in_capitals(self, tmp_path, name):
        array = np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.int16)
        nib.save(nib.Nifti1Image(array, affine()), tmp_path / name.lower())
        (tmp_path / name.lower()).rename(tmp_path / name)
        np.testing.assert_array_equal(read_nifti(tmp_path / name)[0], array)

    def test_header_scaling_and_byte_order(self, tmp_path):
        stored = np.random.default_rng(0).integers(0, 4096, SHAPE).astype(">i2")
        header = nib.Nifti1Header(endianness=">")
        header.set_data_dtype(">i2")
        image = nib.Nifti1Image(stored, affine(), header)
        image.header.set_slope_inter(2, -4096)
        nib.save(image, tmp_path / "a.nii")
        expected = nib.load(tmp_path / "a.nii").get_fdata()
        np.testing.assert_allclose(read_nifti(tmp_path / "a.nii")[0], expected, rtol=1e-6)

    def test_scaling_is_applied_once(self, tmp_path):
        image = nib.Nifti1Image(np.arange(1512, dtype=np.int16).reshape(SHAPE), affine())
        nib.save(image, tmp_path / "a.nii")
        raw = bytearray((tmp_path / "a.nii").read_bytes())
        raw[112:120] = np.array([0.5, 3.0], "<f4").tobytes()
        (tmp_path / "a.nii").write_bytes(raw)
        got, _ = read_nifti(tmp_path / "a.nii")
        np.testing.assert_allclose(got.ravel(), np.arange(1512) * 0.5 + 3)

    def test_singleton_fourth_axis(self, tmp_path):
        got, grid = read_nifti(write(tmp_path / "a.nii.gz", voxels((*SHAPE, 1))))
        assert got.shape == SHAPE == grid.shape

    def test_nifti2(self, tmp_path):
        nib.save(nib.Nifti2Image(voxels(), affine()), tmp_path / "a.nii")
        np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii")[0], voxels())

    def test_all_48_orientations_have_one_canonical_content(self, tmp_path):
        array, matrix = voxels((9, 10, 11)), affine()
        reference = nib.Nifti1Image(array, matrix)
        count = 0
        for order in itertools.permutations(range(3)):
            for flips in itertools.product((1, -1), repeat=3):
                turned = reference.as_reoriented(np.array(list(zip(order, flips, strict=True))))
                nib.save(turned, tmp_path / "a.nii")
                got, grid = canonical(*read_nifti(tmp_path / "a.nii"))
                np.testing.assert_array_equal(got, array)
                np.testing.assert_allclose(grid.affine, matrix, atol=1e-5)
                count += 1
        assert count == 48

    def test_oblique(self, tmp_path):
        turn = nib.eulerangles.euler2mat(z=0.3, y=-0.2, x=0.4)
        matrix = affine()
        matrix[:3, :3] = turn @ matrix[:3, :3]
        _, grid = read_nifti(write(tmp_path / "a.nii", matrix=matrix))
        np.testing.assert_allclose(grid.spacing_mm, (0.5, 0.6, 2.0), atol=1e-5)
        np.testing.assert_allclose(grid.affine, matrix, atol=1e-5)


class TestRefusedFiles:
    def test_missing(self, tmp_path):
        refused(tmp_path / "no.nii.gz", "doesn't exist")

    def test_folder(self, tmp_path):
        refused(tmp_path, "is a folder")

    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.png", "a"])
    def test_no_image(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"this is text, " * 100)
        refused(tmp_path / name, "NIfTI")

    def test_empty_file(self, tmp_path):
        (tmp_path / "a.nii").write_bytes(b"")
        refused(tmp_path / "a.nii", "a.nii")

    def test_another_compression(self, tmp_path):
        nib.save(nib.Nifti1Image(np.zeros(SHAPE, dtype=np.int16), affine()), tmp_path / "a.nii.bz2")
        refused(tmp_path / "a.nii.bz2", "unpack it")

    def test_other_format(self, tmp_path):
        nib.save(nib.MGHImage(voxels(), affine()), tmp_path / "a.mgz")
        refused(tmp_path / "a.mgz", "not NIfTI")

    @pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
    def test_truncated_gzip(self, tmp_path, share):
        path = write(tmp_path / "a.nii.gz")
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        refused(path, "truncated|NIfTI")

    def test_gzip_without_its_checksum(self, tmp_path):
        path = write(tmp_path / "a.nii.gz")
        path.write_bytes(path.read_bytes()[:-4])
        refused(path, "truncated")

    def test_flipped_bit_is_found_by_the_checksum(self, tmp_path):
        path = tmp_path / "a.nii.gz"
        plain = write(tmp_path / "a.nii").read_bytes()
        packed = bytearray(gzip.compress(plain, compresslevel=0))
        packed[-3000] ^= 1
        path.write_bytes(packed)
        refused(path, "damaged")

    def test_truncated_plain(self, tmp_path):
        path = write(tmp_path / "a.nii")
        path.write_bytes(path.read_bytes()[:-100])
        refused(path, "truncated")

    def test_colour(self, tmp_path):
        colour = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
        refused(write(tmp_path / "a.nii", colour), "RGB")

    def test_complex(self, tmp_path):
        refused(write(tmp_path / "a.nii", voxels().astype(np.complex64)), "complex")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, tmp_path, value):
        array = voxels()
        array[3, 4, 5] = value
        refused(write(tmp_path / "a.nii", array), "NaN or infinite")

    @pytest.mark.parametrize("value", [0, 7])
    def test_constant(self, tmp_path, value):
        refused(write(tmp_path / "a.nii", np.full(SHAPE, value, np.float32)), f"are {value}")


class TestRefusedShapes:
    def test_four_axes(self, tmp_path):
        refused(write(tmp_path / "a.nii", voxels((*SHAPE, 3))), r"4 axes \(12 x 14 x 9 x 3\)")

    def test_two_axes(self, tmp_path):
        refused(write(tmp_path / "a.nii", voxels((12, 14))), "three axes")

    @pytest.mark.parametrize("shape", [(12, 14, 1), (12, 14, 7), (1, 12, 14)])
    def test_too_few_slices(self, tmp_path, shape):
        refused(write(tmp_path / "a.nii", voxels(shape)), "at least 8 slices")

    def test_huge_claim_is_refused_by_the_header(self, tmp_path):
        path = write(tmp_path / "a.nii")
        raw = bytearray(path.read_bytes())
        raw[42:48] = np.array([2000, 2000, 2000], "<i2").tobytes()
        path.write_bytes(raw)
        refused(path, "more than any scan")

    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
    def test_claim_beyond_the_file_costs_no_memory(self, tmp_path, name):
        path = write(tmp_path / "b.nii")
        raw = bytearray(path.read_bytes())
        raw[42:48] = np.array([800, 800, 800], "<i2").tobytes()
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
        refused(tmp_path / name, "bytes expected")


class TestRefusedGeometry:
    @pytest.mark.parametrize("spacing", [(0.05, 0.5, 2), (0.5, 0.5, 10.5), (0.0005, 0.0005, 0.002)])
    def test_absurd_spacing(self, tmp_path, spacing):
        refused(write(tmp_path / "a.nii", matrix=affine(spacing)), "absurd|singular")

    @pytest.mark.parametrize("spacing", [(1.3, 1.3, 2), (0.5, 0.5, 6.5), (0.5, 2, 2), (1.9, 1.9, 5)])
    def test_too_coarse(self, tmp_path, spacing):
        refused(write(tmp_path / "a.nii", matrix=affine(spacing)), "too coarse")

    @pytest.mark.parametrize("spacing", [(1.2, 1.2, 6), (6, 1.2, 1.2), (0.3, 0.3, 0.3)])
    def test_limits_are_allowed(self, tmp_path, spacing):
        read_nifti(write(tmp_path / "a.nii", matrix=affine(spacing)))

    def test_identity_affine(self, tmp_path):
        refused(write(tmp_path / "a.nii", matrix=np.eye(4)), "identity affine")

    def test_zero_affine(self, tmp_path):
        path = write(tmp_path / "a.nii")
        raw = bytearray(path.read_bytes())
        raw[252:256] = np.array([0, 1], "<i2").tobytes()
        raw[280:328] = bytes(48)
        path.write_bytes(raw)
        refused(path, "singular")

    def test_affine_that_contradicts_the_voxel_size(self, tmp_path):
        path = write(tmp_path / "a.nii")
        raw = bytearray(path.read_bytes())
        raw[80:92] = np.array([0.9, 0.9, 2.0], "<f4").tobytes()
        path.write_bytes(raw)
        refused(path, "states voxels of 0.9 x 0.9 x 2 mm")


class TestWarnings:
    def test_none_for_a_sound_header(self, tmp_path):
        assert geometry_warnings(write(tmp_path / "a.nii")) == ()

    def test_disagreeing_forms(self, tmp_path):
        image = nib.Nifti1Image(voxels(), affine())
        image.set_sform(affine(), code=1)
        image.set_qform(affine(origin=(-10, 30, 5)), code=1)
        nib.save(image, tmp_path / "a.nii")
        (sentence,) = geometry_warnings(tmp_path / "a.nii")
        assert "up to 10.0 mm" in sentence
        assert read_nifti(tmp_path / "a.nii")[1].affine[1, 3] == pytest.approx(20)

    def test_damaged_qform(self, tmp_path):
        path = write(tmp_path / "a.nii")
        raw = bytearray(path.read_bytes())
        raw[252:256] = np.array([1, 1], "<i2").tobytes()
        raw[256:260] = np.array([2.0], "<f4").tobytes()
        path.write_bytes(raw)
        assert read_nifti(path)[1].shape == SHAPE
        assert "damaged" in geometry_warnings(path)[0]

    def test_no_orientation(self, tmp_path):
        path = write(tmp_path / "a.nii", qform_code=0, sform_code=0)
        raw = bytearray(path.read_bytes())
        raw[252:256] = bytes(4)
        path.write_bytes(raw)
        assert "no orientation" in geometry_warnings(path)[0]


class TestFuzz:
    """Whatever happens to a file, it is read or refused with a sentence."""

    @staticmethod
    def read_or_refuse(path):
        try:
            array, grid = read_nifti(path)
            geometry_warnings(path)
        except InputError as error:
            assert str(error).endswith(".")  # noqa: PT017 - a success is fine too
        else:
            assert array.shape == grid.shape
            assert np.isfinite(array).all()

    @FUZZ
    @given(changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=8))
    def test_header_bytes(self, tmp_path, changes):
        raw = bytearray(write(tmp_path / "a.nii").read_bytes())
        for place, value in changes:
            raw[place] = value
        (tmp_path / "a.nii").write_bytes(raw)
        self.read_or_refuse(tmp_path / "a.nii")

    @FUZZ
    @given(st.data())
    def test_gzip_bytes(self, tmp_path, data):
        raw = bytearray(write(tmp_path / "a.nii.gz").read_bytes())
        del raw[data.draw(st.integers(0, len(raw))) :]
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        (tmp_path / "a.nii.gz").write_bytes(raw)
        self.read_or_refuse(tmp_path / "a.nii.gz")
