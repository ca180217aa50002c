"""Stored numbers become values: rescaling, byte orders, compression, and what can't be decoded."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import COLUMNS, LARGE_ENOUGH, ROWS, magnitude, multi_frame, phase, pixels, save, sequence, slices
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from microbleeds.errors import InputError
from microbleeds.read.dicom.complex_image import magnitude_and_phase
from microbleeds.read.dicom.phase_unit import stated_unit
from microbleeds.read.dicom.study import list_volumes
from microbleeds.read.dicom.voxels import Scaling, read_voxels

EXPECTED = pixels(8).transpose(2, 1, 0)


def voxels(folder: Path):
    _, volumes = list_volumes(folder)
    return read_voxels(volumes[0])


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        voxels(folder)
    return str(error.value)


def compressed(image: Dataset, syntax: str) -> Dataset:
    image.compress(syntax, generate_instance_uid=False)
    return image


class TestValues:
    def test_rescale_differs_from_slice_to_slice(self, tmp_path: Path):
        images = slices()
        for k, image in enumerate(images):
            image.RescaleSlope, image.RescaleIntercept = str(k + 1), "-3"
        expected = EXPECTED * np.arange(1, 11, dtype=np.float32) - 3
        np.testing.assert_allclose(voxels(save(tmp_path, images)).values, expected, rtol=1e-6)

    def test_signed(self, tmp_path: Path):
        stored = pixels(8).astype(np.int16) - 2000
        images = slices(stored=stored.view(np.uint16), PixelRepresentation=1, BitsStored=16, HighBit=15)
        np.testing.assert_array_equal(voxels(save(tmp_path, images)).values, EXPECTED - 2000.0)

    def test_philips_scale_slope(self, tmp_path: Path):
        images = slices(RescaleSlope="2", RescaleIntercept="0", Manufacturer="Philips Medical Systems")
        for image in images:
            image.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.25)
        np.testing.assert_allclose(voxels(save(tmp_path, images)).values, EXPECTED * 4.0, rtol=1e-6)

    def test_real_world_values_of_phase_go_first(self, tmp_path: Path):
        file = multi_frame(4, "SWI", [("PHASE", ("ORIGINAL", "PRIMARY", "P", "ND"))])
        for frame in file.PerFrameFunctionalGroupsSequence:
            frame.RealWorldValueMappingSequence = sequence(
                RealWorldValueSlope=0.001,
                RealWorldValueIntercept=-2.0,
                MeasurementUnitsCodeSequence=sequence(CodeValue="rad"),
            )
        read = voxels(save(tmp_path, [file]))
        np.testing.assert_allclose(read.values, pixels(0).transpose(2, 1, 0) * 0.001 - 2, atol=1e-6)
        assert read.scaling.unit == "rad"


class TestTransferSyntaxes:
    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
    def test_other_encodings(self, tmp_path: Path, syntax: str):
        images = slices()
        for image in images:
            image.file_meta.TransferSyntaxUID = syntax
        np.testing.assert_array_equal(voxels(save(tmp_path, images)).values, EXPECTED)

    def test_a_deflated_file_that_grows_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        images = slices()
        images[3].ImageComments = "0" * 10_000
        for image in images:
            image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        save(tmp_path, images)
        assert max(path.stat().st_size for path in tmp_path.iterdir()) < 5_000
        monkeypatch.setattr("microbleeds.read.dicom.headers.LARGEST_INFLATED_BYTES", 5_000)
        assert "grows beyond" in refusal(tmp_path)

    def test_big_endian(self, tmp_path: Path):
        images = slices()
        for image in images:
            image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
            image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
        np.testing.assert_array_equal(voxels(save(tmp_path, images)).values, EXPECTED)

    def test_without_preamble(self, tmp_path: Path):
        for k, image in enumerate(slices()):
            image.save_as(tmp_path / "whole", enforce_file_format=True)
            (tmp_path / f"{k}").write_bytes((tmp_path / "whole").read_bytes()[132:])
        (tmp_path / "whole").unlink()
        np.testing.assert_array_equal(voxels(tmp_path).values, EXPECTED)

    @pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
    def test_compressed(self, tmp_path: Path, syntax: str):
        try:
            images = [compressed(image, syntax) for image in slices(stored=LARGE_ENOUGH)]
        except NotImplementedError:
            pytest.skip("this encoder isn't installed")
        np.testing.assert_array_equal(voxels(save(tmp_path, images)).values, LARGE_ENOUGH.transpose(2, 1, 0))

    @pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="dcmtk isn't installed")
    def test_lossless_jpeg(self, tmp_path: Path):
        save(tmp_path / "plain", slices())
        (tmp_path / "packed").mkdir()
        for path in (tmp_path / "plain").iterdir():
            subprocess.run(["dcmcjpeg", "+e1", path, tmp_path / "packed" / path.name], check=True)
        packed = next((tmp_path / "packed").iterdir())
        assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.70"
        np.testing.assert_array_equal(voxels(tmp_path / "packed").values, EXPECTED)

    def test_a_video_is_no_scan(self, tmp_path: Path):
        images = slices()
        for image in images:
            image.file_meta.TransferSyntaxUID = MPEG2MPML
            image.PixelData = encapsulate([b"\0" * 100])
            image["PixelData"].is_undefined_length = True
        assert "transfer syntax (MPEG2 Main Profile / Main Level) can't be decoded" in refusal(
            save(tmp_path, images)
        )

    def test_an_unknown_syntax(self, tmp_path: Path):
        folder = save(tmp_path, slices())
        for path in folder.iterdir():
            path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
        assert "its transfer syntax is unknown" in refusal(folder)


class TestDamaged:
    def test_truncated_pixels(self, tmp_path: Path):
        folder = save(tmp_path, slices())
        path = sorted(folder.iterdir())[3]
        path.write_bytes(path.read_bytes()[:-100])
        assert "damaged or truncated" in refusal(folder) or "it is truncated" in refusal(folder)

    def test_short_pixels(self, tmp_path: Path):
        images = slices()
        images[2].PixelData = images[2].PixelData[:-100]
        assert f"it is truncated ({ROWS * COLUMNS * 2 - 100} of {ROWS * COLUMNS * 2} bytes" in refusal(
            save(tmp_path, images)
        )

    def test_no_pixels(self, tmp_path: Path):
        images = slices()
        del images[2].PixelData
        assert "it has no pixels" in refusal(save(tmp_path, images))

    def test_a_compressed_stream_that_claims_another_size(self, tmp_path: Path):
        images = [compressed(image, JPEG2000Lossless) for image in slices(stored=LARGE_ENOUGH)]
        claimed = images[1].PixelData.replace(
            bytes([0, 0, 0, 72, 0, 0, 0, 64]), bytes([0, 1, 0, 0, 0, 1, 0, 0]), 1
        )
        assert claimed != images[1].PixelData
        images[1].PixelData = claimed
        assert "another size than its header says" in refusal(save(tmp_path, images))

    @pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
    def test_a_damaged_compressed_stream(self, tmp_path: Path, syntax: str):
        images = [compressed(image, syntax) for image in slices(stored=LARGE_ENOUGH)]
        images[1].PixelData = encapsulate([b"\xff\x4f\xff\x51" + b"\x07" * 64])
        assert "Series 8 (SWI_Images) can't be read" in refusal(save(tmp_path, images))

    @pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="dcmtk isn't installed")
    def test_a_stream_that_makes_gdcm_abort(self, tmp_path: Path):
        """82 bits a pixel end the decoder's process (found by fuzzing)."""
        save(tmp_path / "plain", slices(stored=LARGE_ENOUGH))
        (tmp_path / "packed").mkdir()
        for path in (tmp_path / "plain").iterdir():
            subprocess.run(["dcmcjpeg", "+e1", path, tmp_path / "packed" / path.name], check=True)
        packed = sorted((tmp_path / "packed").iterdir())[4]
        content = bytearray(packed.read_bytes())
        content[content.index(b"\xff\xc3") + 4] = 82
        packed.write_bytes(content)
        assert "its pixels are damaged or cut off" in refusal(tmp_path / "packed")

    def test_compression_with_loss_is_noted(self, tmp_path: Path):
        _, volumes = list_volumes(save(tmp_path, slices(LossyImageCompression="01")))
        assert volumes[0].notes == ("its images were compressed with loss, which blurs or invents small spots",)

    def test_colours(self, tmp_path: Path):
        images = slices(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
        assert "can't be used: it holds colours" in refusal(save(tmp_path, images))

    def test_all_voxels_alike(self, tmp_path: Path):
        assert "holds no image" in refusal(save(tmp_path, slices(stored=np.full((10, 16, 20), 7, np.uint16))))

    def test_a_claim_of_too_many_pixels(self, tmp_path: Path):
        assert "claims more voxels than any scan has" in refusal(save(tmp_path, slices(Rows=65000, Columns=65000)))

    def test_damaged_files_are_counted(self, tmp_path: Path):
        from microbleeds.read.dicom.study import read_study

        save(tmp_path, slices())
        (tmp_path / "bad").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 300)
        assert "1 damaged DICOM file was left out." in read_study(tmp_path).notes

    def test_damaged_files_only(self, tmp_path: Path):
        (tmp_path / "bad").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 300)
        with pytest.raises(InputError, match="None of the 1 DICOM files can be parsed"):
            list_volumes(tmp_path)


class TestPhaseUnit:
    @pytest.mark.parametrize(
        ("changes", "name", "centre", "factor"),
        [
            ({}, "0..4095", 2048, np.pi / 2048),
            ({"RescaleSlope": "2", "RescaleIntercept": "-4096"}, "-4096..4095", 0, np.pi / 4096),
            (
                {"RescaleSlope": "1.5345543", "RescaleIntercept": "-3142", "Manufacturer": "Philips"},
                "milliradians",
                0,
                1e-3,
            ),
            (
                {"RescaleSlope": "0.001534355", "RescaleIntercept": "-3.141592", "Manufacturer": ""},
                "radians",
                0,
                1.0,
            ),
        ],
    )
    def test_header_settles_it(self, tmp_path: Path, changes: dict, name: str, centre: float, factor: float):
        _, volumes = list_volumes(save(tmp_path, phase(6, **changes)))
        unit = stated_unit(read_voxels(volumes[0]).scaling, volumes[0].facts.manufacturer)
        assert unit.name == name
        assert unit.centre == centre
        assert unit.radians_per_unit == pytest.approx(factor)

    def test_ge_leaves_it_to_the_values(self):
        assert stated_unit(Scaling(1, 0, -32768, 32767), "GE MEDICAL SYSTEMS") is None

    def test_a_stated_unit_that_cannot_be(self):
        assert stated_unit(Scaling(1, 0, 0, 4095, "rad"), "Philips") is None


class TestComplexImage:
    @pytest.fixture
    def signal(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        smooth = np.linspace(-0.5, 0.5, 20)[:, None, None] + np.linspace(0, 1, 10)
        return rng.uniform(100, 200, (20, 16, 10)) * np.exp(1j * smooth)

    @pytest.mark.parametrize("alternate", [False, True])
    def test_magnitude_and_phase(self, signal: np.ndarray, alternate: bool):
        stored = signal.copy()
        if alternate:
            stored[:, :, 1::2] *= -1
        parts = [np.asarray(part, np.float32, order="F") for part in (stored.real, stored.imag)]
        size, angle, turned = magnitude_and_phase(*parts)
        assert turned is alternate
        np.testing.assert_allclose(size, abs(signal), rtol=1e-5)
        np.testing.assert_allclose(angle, np.angle(signal), atol=1e-5)


def test_magnitude_is_what_it_says(tmp_path: Path):
    """The reader doesn't mix up two series of one folder."""
    save(tmp_path, [*magnitude(), *slices()])
    _, volumes = list_volumes(tmp_path)
    np.testing.assert_array_equal(read_voxels(volumes[0]).values, pixels(5).transpose(2, 1, 0))
    np.testing.assert_array_equal(read_voxels(volumes[1]).values, EXPECTED)
