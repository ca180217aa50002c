"""The sign is found from veins, whatever the vendor wrote."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from head_phantom import head_phantom

from microbleeds.susceptibility import dipole, sign
from microbleeds.susceptibility.dipole import rough_susceptibility
from microbleeds.susceptibility.foreground import head_core
from microbleeds.susceptibility.highpass import homodyne
from microbleeds.susceptibility.sign import _decision, find_sign
from microbleeds.susceptibility.swi import susceptibility_weighted

ALONG_Z = np.array([0.0, 0.0, 1.0])


def judged(phantom, phase, weight=None, direction=ALONG_Z, swi=None):
    weight = phantom.magnitude if weight is None else weight
    core = head_core(weight, phantom.spacing_mm)
    return find_sign(phase, weight, core, phantom.spacing_mm, direction, swi=swi)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("weighted", [False, True], ids=["magnitude", "swi"])
def test_both_signs(seed, weighted):
    phantom = head_phantom((96, 112, 32), seed=seed)
    phase = homodyne(phantom.raw_phase_rad, phantom.magnitude, phantom.spacing_mm)
    swi = susceptibility_weighted(phantom.magnitude, phase) if weighted else None
    bright, dark = judged(phantom, phase, swi, swi=swi), judged(phantom, -phase, swi, swi=swi)
    assert (bright.sign, dark.sign) == ("paramagnetic-bright", "paramagnetic-dark")
    assert bright.sure
    assert bright.confidence == pytest.approx(dark.confidence, abs=0.01)


def test_what_nothing_surrounds_is_not_dark_and_warns_nobody(monkeypatch):
    image = np.full((4, 4, 4), 100, dtype=np.float32)
    image[0, 0, 0] = 20
    around = np.where(image > 50, 0, 80).astype(np.float32)
    monkeypatch.setattr(sign, "_surroundings", lambda *_: around)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dark = sign._dark(image, np.nonzero(image), (1, 1, 1), 2)
    assert np.flatnonzero(dark).tolist() == [0]


@pytest.mark.parametrize("sign", [1, -1])
def test_bright_veins_and_a_lost_slice_do_not_mislead(sign):
    # As on a 2D gradient echo, where the fluid around veins is bright: darkness says nothing, or the contrary.
    phantom = head_phantom((96, 112, 32))
    phase = sign * homodyne(phantom.raw_phase_rad, phantom.magnitude, phantom.spacing_mm)
    weight = np.where(phantom.veins, 1.2 * phantom.magnitude.max(), phantom.magnitude).astype(np.float32)
    weight[:, :, 16] = 0
    decision = judged(phantom, phase, weight)
    assert decision.sign == ("paramagnetic-bright" if sign > 0 else "paramagnetic-dark")
    assert decision.sure


@pytest.mark.parametrize("sign", [1, -1])
def test_dark_voxels_of_an_swi_help_where_little_else_does(sign):
    # t-values of skewness and of dark voxels on simulated scans of thick slices at 1.5 T.
    alone, helped = _decision(sign * 1.5, None), _decision(sign * 1.5, sign * 9.5)
    assert alone.sign == helped.sign == ("paramagnetic-bright" if sign > 0 else "paramagnetic-dark")
    assert (alone.sure, helped.sure) == (False, True)
    assert "dark voxels" in helped.source
    assert "dark voxels" not in alone.source


def test_an_swi_without_a_phase_mask_does_not_outvote_skewness():
    assert _decision(4.0, -7.8).sign == "paramagnetic-bright"
    assert not _decision(4.0, -7.8).sure


def test_dark_tissue_of_a_magnitude_is_not_asked():
    phantom = head_phantom((96, 112, 32))
    phase = homodyne(phantom.raw_phase_rad, phantom.magnitude, phantom.spacing_mm)
    weight = np.where(phase < np.quantile(phase, 0.02), 0.2 * phantom.magnitude, phantom.magnitude)
    decision = judged(phantom, phase, weight.astype(np.float32))
    assert decision.sign == "paramagnetic-bright"
    assert decision.sure


def test_noise_is_unsure():
    phantom = head_phantom((96, 112, 32))
    confidences = []
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(0, 0.2, phantom.magnitude.shape).astype(np.float32)
        confidences.append(judged(phantom, noise).confidence)
    assert np.median(confidences) < 0.85
    assert min(confidences) >= 0.5


def test_one_thread_alone(monkeypatch):
    """As a worker of a cohort is promised to take."""
    taken = []
    for name in ("rfftn", "irfftn"):
        original = getattr(dipole.fft, name)

        def noted(*args, original=original, **options):
            taken.append(options.get("workers") or dipole.fft.get_workers())
            return original(*args, **options)

        monkeypatch.setattr(dipole.fft, name, noted)
    rough_susceptibility(np.zeros((16, 16, 8), np.float32), (1.0, 1.0, 2.0), ALONG_Z)
    assert taken == [1, 1]


def test_no_structure_at_all():
    phase = np.zeros((32, 32, 16), np.float32)
    weight = np.ones_like(phase)
    decision = find_sign(phase, weight, weight > 0, (1, 1, 2), ALONG_Z)
    assert decision.confidence == pytest.approx(0.5)
    assert not decision.sure


@pytest.mark.parametrize("direction", [ALONG_Z, np.array([1.0, 0.0, 0.0]), np.array([0.6, 0.0, 0.8])])
def test_dipole_inversion_gives_a_sphere_its_sign_back(direction):
    x, y, z = np.meshgrid(*[np.arange(n) - n // 2 for n in (40, 42, 38)], indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    cosine = (x * direction[0] + y * direction[1] + z * direction[2]) / np.maximum(radius, 1)
    # Field outside a sphere of radius a: (chi / 3) (a / r)^3 (3 cos^2 - 1); inside 0.
    field = np.where(radius > 4, (4 / np.maximum(radius, 1)) ** 3 * (3 * cosine**2 - 1) / 3, 0)
    chi = rough_susceptibility(field.astype(np.float32), (1, 1, 1), direction)
    assert chi[radius < 3].mean() > 0.5
    assert abs(chi[(radius > 6) & (radius < 12)].mean()) < 0.05
