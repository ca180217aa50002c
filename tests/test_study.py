"""Files become a scan: every combination, every refusal, and the real crop if it is at hand."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "susceptibility"))
from head_phantom import head_phantom, stored

from microbleeds.errors import InputError
from microbleeds.geometry import canonical
from microbleeds.study import load_study
from microbleeds.susceptibility.highpass import homodyne
from microbleeds.susceptibility.swi import susceptibility_weighted

REAL = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "real" / "gre_crop"


@pytest.fixture(scope="module")
def phantom():
    return head_phantom((96, 112, 32))


@pytest.fixture(scope="module")
def filtered(phantom):
    return homodyne(phantom.raw_phase_rad, phantom.magnitude, phantom.spacing_mm)


@pytest.fixture(scope="module")
def swi(phantom, filtered):
    return susceptibility_weighted(phantom.magnitude, filtered)


def save(path, array, affine):
    nib.save(nib.Nifti1Image(array.astype(np.float32), affine), path)
    return path


@pytest.fixture
def magnitude_file(tmp_path, phantom):
    return save(tmp_path / "mag.nii", phantom.magnitude * 1000, phantom.affine)


@pytest.fixture
def phase_file(tmp_path, phantom):
    return save(tmp_path / "phase.nii", phantom.raw_phase_rad, phantom.affine)


@pytest.fixture
def swi_file(tmp_path, phantom, swi):
    return save(tmp_path / "swi.nii", swi, phantom.affine)


class TestCombinations:
    def test_magnitude_and_phase(self, magnitude_file, phase_file, phantom, swi):
        scan = load_study(magnitude=magnitude_file, phase=phase_file)
        assert scan.kind == "swi"
        np.testing.assert_allclose(scan.swi[phantom.brain], 1000 * swi[phantom.brain], rtol=1e-3, atol=1)
        np.testing.assert_allclose(scan.magnitude, phantom.magnitude * 1000, rtol=1e-6)
        assert scan.files == {"magnitude": str(magnitude_file), "phase": str(phase_file)}
        assert scan.warnings == ()

    def test_swi_and_phase(self, swi_file, phase_file, swi, filtered, phantom):
        scan = load_study(swi_file, phase=phase_file)
        assert scan.kind == "swi"
        assert scan.magnitude is None
        np.testing.assert_array_equal(scan.swi, swi)
        assert np.corrcoef(scan.phase_rad[phantom.brain], filtered[phantom.brain])[0, 1] > 0.8

    def test_all_three(self, swi_file, magnitude_file, phase_file, swi):
        scan = load_study(swi_file, magnitude_file, phase_file)
        np.testing.assert_array_equal(scan.swi, swi)
        assert scan.magnitude is not None
        assert scan.phase_rad is not None

    def test_swi_alone(self, swi_file):
        scan = load_study(swi_file)
        assert scan.kind == "swi"
        assert scan.phase_rad is None
        assert scan.phase_facts is None
        assert any("No phase" in sentence for sentence in scan.warnings)

    def test_swi_and_magnitude(self, swi_file, magnitude_file):
        assert load_study(swi_file, magnitude_file).kind == "swi"

    def test_magnitude_alone_is_t2star_and_weaker(self, magnitude_file, phantom):
        scan = load_study(magnitude=magnitude_file)
        assert scan.kind == "t2star"
        np.testing.assert_array_equal(scan.swi, scan.magnitude)
        assert any("fewer microbleeds" in sentence for sentence in scan.warnings)

    def test_sidecars(self, swi_file, phase_file):
        swi_file.with_suffix(".json").write_text(json.dumps({"EchoTime": 0.02}))
        phase_file.with_suffix(".json").write_text(json.dumps({"EchoTime": 0.03, "FlipAngle": 15, "Units": "rad"}))
        scan = load_study(swi_file, phase=phase_file)
        assert scan.sequence.echo_time_ms == pytest.approx(20)
        assert scan.sequence.flip_angle_deg == 15
        assert "sidecar" in scan.phase_facts.scale_source

    def test_the_day_is_that_of_the_main_image_and_stands_in_no_text(self, swi_file, phase_file):
        days = {"AcquisitionDateTime": "2024-11-30T10:15:00.0", "StudyDate": "2024-11-29"}
        swi_file.with_suffix(".json").write_text(json.dumps(days))
        phase_file.with_suffix(".json").write_text(json.dumps({"SeriesDate": "20241201"}))
        scan = load_study(swi_file, phase=phase_file)
        assert scan.day == date(2024, 11, 30)
        assert "date(" not in repr(scan)
        swi_file.with_suffix(".json").write_text(json.dumps({"AcquisitionDate": "somewhen"}))
        scan = load_study(swi_file, phase=phase_file)
        assert scan.day == date(2024, 12, 1)
        assert "somewhen" not in repr(scan)

    def test_bad_sidecar_is_a_warning(self, swi_file):
        swi_file.with_suffix(".json").write_text("{")
        assert any("swi.json" in sentence for sentence in load_study(swi_file).warnings)


class TestPhase:
    @pytest.mark.parametrize("scale", ["radians", "milliradians", "0..4095", "-4096..4095"])
    @pytest.mark.parametrize("sign", [1, -1], ids=["bright", "dark"])
    @pytest.mark.parametrize("kind", ["raw", "filtered"])
    def test_every_writer_gives_the_same_scan(
        self, tmp_path, magnitude_file, phantom, filtered, scale, sign, kind
    ):
        phase = sign * (phantom.raw_phase_rad if kind == "raw" else filtered)
        path = save(tmp_path / "phase.nii", stored(phase, scale), phantom.affine)
        scan = load_study(magnitude=magnitude_file, phase=path)
        assert scan.phase_facts.scale == scale
        assert scan.phase_facts.sign == ("paramagnetic-bright" if sign > 0 else "paramagnetic-dark")
        assert scan.phase_facts.high_pass_filtered == (kind == "filtered")
        assert scan.warnings == ()
        difference = np.angle(np.exp(1j * (scan.phase_rad - filtered)))[phantom.brain]
        assert np.abs(difference).mean() < 0.01

    def test_veins_and_bleed_are_dark_and_calcification_is_not_on_the_swi_made(
        self, magnitude_file, phase_file, phantom
    ):
        scan = load_study(magnitude=magnitude_file, phase=phase_file)
        i, j, k = phantom.bleed
        assert scan.phase_rad[i, j, k + 2] > 0.15
        darkening = (scan.swi / np.maximum(scan.magnitude, 1e-3))[phantom.brain]
        assert darkening[phantom.veins[phantom.brain]].mean() < darkening.mean() - 0.1

    def test_the_users_sign_wins_with_a_warning(self, magnitude_file, phase_file):
        derived = load_study(magnitude=magnitude_file, phase=phase_file)
        forced = load_study(magnitude=magnitude_file, phase=phase_file, phase_sign="paramagnetic-dark")
        assert forced.phase_facts.sign == "paramagnetic-dark"
        assert "given by the user" in forced.phase_facts.sign_source
        np.testing.assert_array_equal(forced.phase_rad, -derived.phase_rad)
        assert any("contradicts" in sentence for sentence in forced.warnings)

    def test_the_users_agreeing_sign_is_no_warning(self, magnitude_file, phase_file):
        scan = load_study(magnitude=magnitude_file, phase=phase_file, phase_sign="paramagnetic-bright")
        assert scan.warnings == ()

    def test_meaningless_phase_is_unsure(self, tmp_path, magnitude_file, phantom):
        noise = np.random.default_rng(5).uniform(-np.pi, np.pi, phantom.magnitude.shape)
        path = save(tmp_path / "noise.nii", noise, phantom.affine)
        scan = load_study(magnitude=magnitude_file, phase=path)
        assert any("unsure" in sentence for sentence in scan.warnings)

    def test_masked_background_has_no_phase(self, tmp_path, phantom):
        magnitude = save(tmp_path / "m.nii", np.where(phantom.brain, phantom.magnitude, 0), phantom.affine)
        values = np.where(phantom.brain, stored(phantom.raw_phase_rad, "0..4095"), 0)
        scan = load_study(magnitude=magnitude, phase=save(tmp_path / "p.nii", values, phantom.affine))
        assert (scan.phase_rad[~phantom.brain] == 0).all()
        assert scan.phase_facts.sign == "paramagnetic-bright"


class TestOrientation:
    @pytest.mark.parametrize("codes", ["LPS", "PIR", "SLA", "ASR"])
    def test_any_orientation_gives_the_same_scan(self, tmp_path, magnitude_file, phase_file, codes):
        reference = load_study(magnitude=magnitude_file, phase=phase_file)
        turned = {}
        for role, path in (("magnitude", magnitude_file), ("phase", phase_file)):
            image = nib.load(path)
            start = nib.io_orientation(image.affine)
            target = nib.orientations.axcodes2ornt(codes)
            image = image.as_reoriented(nib.orientations.ornt_transform(start, target))
            turned[role] = tmp_path / f"turned-{role}.nii"
            nib.save(image, turned[role])
        # The phase stays as it was: files may store the same grid in different orders.
        scan = load_study(magnitude=turned["magnitude"], phase=phase_file)
        assert scan.source_grid.axis_codes == codes
        assert scan.grid.same_as(reference.grid, tolerance_mm=1e-3)
        np.testing.assert_allclose(scan.swi, reference.swi, rtol=1e-4, atol=1e-2)
        again, grid = canonical(nib.load(turned["magnitude"]).get_fdata(), scan.source_grid)
        np.testing.assert_allclose(again, scan.magnitude, rtol=1e-5)
        assert grid.same_as(scan.grid, tolerance_mm=1e-3)

    def test_arrays_suit_torch(self, magnitude_file, phase_file):
        scan = load_study(magnitude=magnitude_file, phase=phase_file)
        for array in (scan.swi, scan.magnitude, scan.phase_rad):
            assert array.dtype == np.float32
            assert array.flags.c_contiguous
            assert array.shape == scan.grid.shape


class TestRefusals:
    def refused(self, pattern, *args, **kwargs):
        with pytest.raises(InputError, match=pattern) as caught:
            load_study(*args, **kwargs)
        assert "\n" not in str(caught.value)

    def test_nothing(self):
        self.refused("Neither")

    def test_phase_alone(self, phase_file):
        self.refused("phase alone", phase=phase_file)

    def test_unknown_sign(self, swi_file):
        self.refused("unknown", swi_file, phase_sign="siemens")

    def test_other_shape(self, tmp_path, swi_file, phantom):
        path = save(tmp_path / "p.nii", phantom.raw_phase_rad[:-1], phantom.affine)
        self.refused("96 x 112 x 32 voxels.*95 x 112 x 32 voxels.*different grids", swi_file, phase=path)

    def test_other_spacing(self, tmp_path, swi_file, phantom):
        affine = phantom.affine @ np.diag([1.1, 1.1, 1, 1])
        path = save(tmp_path / "p.nii", phantom.raw_phase_rad, affine)
        self.refused("1 x 1 x 2 mm.*1.1 x 1.1 x 2 mm", swi_file, phase=path)

    def test_other_place(self, tmp_path, swi_file, phantom):
        affine = phantom.affine.copy()
        affine[0, 3] += 5
        self.refused("different grids", swi_file, save(tmp_path / "m.nii", phantom.magnitude, affine))

    def test_phase_given_as_swi(self, phase_file, magnitude_file):
        self.refused("may be a phase image", phase_file)

    def test_magnitude_given_as_phase(self, tmp_path, swi_file, magnitude_file):
        self.refused("looks like a magnitude", swi_file, phase=magnitude_file)

    def test_damaged_phase(self, tmp_path, swi_file):
        (tmp_path / "p.nii").write_bytes(b"no image")
        self.refused("NIfTI", swi_file, phase=tmp_path / "p.nii")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real crop is not at hand")
class TestRealCrop:
    """A real 3-echo gradient echo beside the falx; its veins and cortex are bright on phase."""

    @pytest.fixture(params=[0, 1, 2])
    def scan(self, request, tmp_path):
        paths = {}
        for role, name in (("magnitude", "Mag"), ("phase", "Phase")):
            image = nib.load(REAL / f"{name}.nii.gz")
            data = image.get_fdata(dtype=np.float32)[..., request.param]
            paths[role] = save(tmp_path / f"{role}.nii.gz", data, image.affine)
        return load_study(**paths)

    def test_scale_is_plus_minus_pi(self, scan):
        # The header's slope was applied to values that were radians already, so the file says ±0.0037.
        assert scan.phase_facts.scale == "arbitrary"
        assert "taken as ±pi" in scan.phase_facts.scale_source

    def test_is_raw(self, scan):
        assert not scan.phase_facts.high_pass_filtered

    def test_sign(self, scan):
        assert scan.phase_facts.sign == "paramagnetic-bright"

    def test_a_vein_in_cross_section_is_dark_on_the_swi_made(self, scan):
        # The vein that runs along the field beside the falx (seen in the picture): its phase grows with the echo
        # time, 1.05, 1.97 and 2.63 rad, as that of a paramagnetic cylinder along the field does.
        i, j = np.unravel_index(scan.phase_rad[22:28, 18:24, 36].argmax(), (6, 6)) + np.array([22, 18])
        assert scan.phase_rad[i, j, 36] > 0.8
        assert scan.swi[i, j, 36] < 0.6 * np.median(scan.swi[:, :, 36])
        assert scan.swi[i, j, 36] < 0.6 * scan.magnitude[i, j, 36]
