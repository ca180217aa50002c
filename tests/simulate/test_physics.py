"""The forward model against analytic answers, on small toy scenes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from microbleeds.diameter import apparent_diameter_mm
from microbleeds.geometry import Grid
from microbleeds.simulate.acquisition import acquire
from microbleeds.simulate.field import dipole_field, sphere_field
from microbleeds.simulate.fine_signal import FineSignal, refined
from microbleeds.simulate.inclusions import Inclusion, cluster, insert
from microbleeds.simulate.protocol import PROTOCOLS, Protocol, clean, draw_settings
from microbleeds.simulate.vendor import encode_phase, vendor_images
from microbleeds.simulate.weighting import homodyne_phase

B0 = (0.0, 0.0, 1.0)
TOY = replace(PROTOCOLS["3t-0.5x0.5x2"], matrix=(64, 64, 24))


def uniform_scene(protocol: Protocol = TOY, snr: float = 1e6, **changes: object) -> FineSignal:
    """White matter everywhere, no background field."""
    affine = np.diag([*protocol.spacing_mm, 1.0])
    grid = Grid(protocol.matrix, affine)
    settings = replace(clean(draw_settings(protocol, np.random.default_rng(0))), snr=snr, taper=0.2, **changes)
    fine = refined(grid, protocol.oversampling)
    signal = torch.ones(fine.shape, dtype=torch.complex64)
    flow = torch.zeros(protocol.matrix)
    return FineSignal(None, protocol, settings, signal, fine, grid, flow, B0, 1.0)  # type: ignore[arg-type]


def ball(position_mm: object, radius_mm: float = 1.0, ppm: float = 1.0) -> Inclusion:
    return Inclusion(
        "microbleed", "microbleed", np.array([position_mm], dtype=float), np.array([radius_mm]), ppm, 0.2
    )


def scanned(scene: FineSignal, *bodies: Inclusion, seed: int = 0) -> torch.Tensor:
    signal = scene.signal.clone()
    for body in bodies:
        insert(signal, scene.fine_grid, body, scene.protocol, scene.b0)
    return acquire(scene, signal, seed)


class TestField:
    def test_sphere_matches_the_analytic_field(self) -> None:
        n, radius = 72, 6.0
        axes = torch.arange(n) - n / 2 + 0.5
        x, y, z = axes[:, None, None], axes[:, None], axes
        # Partial volume at the rim: eight sub-voxels per voxel and axis would be exact; a soft edge is enough.
        r = (x**2 + y**2 + z**2).sqrt()
        chi = (radius + 0.5 - r).clamp(0, 1)
        field = dipole_field(chi, (1.0, 1.0, 1.0), B0, (60.0, 60.0, 60.0))
        expected, _ = sphere_field((x, y, z), radius, 1.0, B0)
        outside = (r > radius + 1.5) & (r < 20)
        error = (field - expected)[outside]
        assert error.square().mean().sqrt() < 0.01 * expected[outside].abs().max()
        assert field[r < radius - 2].abs().max() < 0.02

    def test_infinite_cylinder_matches_the_analytic_field(self) -> None:
        n, radius, chi0 = 96, 6.0, 0.4
        axes = torch.arange(n) - n / 2 + 0.5
        r2 = axes[:, None] ** 2 + axes[None, :] ** 2
        chi = chi0 * (radius + 0.5 - r2.sqrt()).clamp(0, 1)[..., None].expand(n, n, 32).contiguous()
        # A tube along z that goes round the periodic array is infinite; B0 lies across it, along x.
        field = dipole_field(chi, (1.0, 1.0, 1.0), (1.0, 0.0, 0.0), (60.0, 60.0, 0.0))[:, :, 16]
        cos2 = (axes[:, None] ** 2 - axes[None, :] ** 2) / r2
        expected = chi0 / 2 * radius**2 / r2 * cos2
        outside = (r2.sqrt() > radius + 1.5) & (r2.sqrt() < 20)
        assert (field - expected)[outside].abs().max() < 0.05 * chi0 / 2
        inside = field[r2.sqrt() < radius - 2]
        assert torch.allclose(inside, torch.full_like(inside, -chi0 / 6), atol=0.02)


class TestLabels:
    @pytest.mark.parametrize("name", list(PROTOCOLS))
    def test_a_body_appears_where_its_label_says(self, name: str) -> None:
        protocol = replace(PROTOCOLS[name], matrix=(48, 48, 16))
        scene = uniform_scene(protocol)
        shifts = []
        # Places spread evenly over a voxel: the mean leaves the systematic offset, not the sampling.
        for part in (np.arange(6) + 0.5) / 6 - 0.5:
            position = scene.image_grid.centre_mm + part * scene.image_grid.spacing_mm
            drop = 1 - scanned(scene, ball(position, 1.5, 0.3)).abs().numpy()
            drop[drop < 0.1 * drop.max()] = 0
            centre = np.array([(c * drop).sum() / drop.sum() for c in np.indices(drop.shape)])
            shifts.append(scene.image_grid.to_mm(centre) - position)
        assert np.abs(np.mean(shifts, axis=0)).max() < 0.1

    def test_the_ramp_is_what_centres_it(self) -> None:
        scene = uniform_scene()
        position = scene.image_grid.centre_mm
        image = scanned(scene, ball(position, 1.5, 0.3)).abs()
        drop = (1 - image).clamp_min(0).numpy()
        z = (np.arange(drop.shape[2]) * drop.sum((0, 1))).sum() / drop.sum()
        assert abs(z - (scene.protocol.matrix[2] - 1) / 2) * 2.0 < 0.1

    @pytest.mark.parametrize("share", [0.2, 0.45, 0.7])
    def test_motion_leaves_labels_true(self, share: float) -> None:
        scene = uniform_scene(motion=((share, (1.5, 1.0, -1.0), 0.0),))
        position = scene.image_grid.centre_mm
        drop = (1 - scanned(scene, ball(position, 1.5, 0.3)).abs()).numpy()
        drop[drop < 0.3 * drop.max()] = 0
        centre = np.array([(c * drop).sum() / drop.sum() for c in np.indices(drop.shape)])
        assert np.abs(scene.image_grid.to_mm(centre) - position).max() < 0.3


class TestSign:
    def test_paramagnetic_phase_is_positive_along_b0(self) -> None:
        scene = uniform_scene()
        body = ball(scene.image_grid.centre_mm, 1.2, 1.0)
        phase = torch.angle(scanned(scene, body))
        above = phase[31:33, 31:33, 11 + 2].mean()
        beside = phase[31 + 6, 31:33, 11:13].mean()
        assert above > 0.05
        assert beside < -0.01

    def test_the_magnitude_of_sign_flipped_twins_is_equal(self) -> None:
        scene = uniform_scene()
        centre = scene.image_grid.centre_mm + 0.3
        bleed, calcification = (scanned(scene, ball(centre, 1.0, ppm)) for ppm in (1.0, -1.0))
        assert torch.allclose(bleed.abs(), calcification.abs(), atol=1e-3)
        assert not torch.allclose(torch.angle(bleed), torch.angle(calcification), atol=0.1)

    def test_partial_fourier_is_what_leaks_the_sign(self) -> None:
        scene = uniform_scene(partial_fourier=(2, 0.75, 1))
        centre = scene.image_grid.centre_mm + 0.3
        bleed, calcification = (scanned(scene, ball(centre, 1.0, ppm)) for ppm in (1.0, -1.0))
        mirrored = scanned(uniform_scene(partial_fourier=(2, 0.75, -1)), ball(centre, 1.0, -1.0))
        assert not torch.allclose(bleed.abs(), calcification.abs(), atol=1e-2)
        assert torch.allclose(bleed.abs(), mirrored.abs(), atol=1e-3)  # so its side is drawn at random

    @pytest.mark.parametrize("unit", ["radians", "milliradians", "0..4095", "-4096..4095"])
    @pytest.mark.parametrize("bright", [True, False])
    def test_every_vendor_format_keeps_the_sign(self, unit: str, bright: bool) -> None:
        phase = torch.linspace(-3.1, 3.1, 101)
        stored = encode_phase(phase, unit, bright).astype(float)  # type: ignore[arg-type]
        middle = 2047.5 if unit == "0..4095" else 0.0
        scale = {"radians": 1, "milliradians": 1e-3, "0..4095": 2 * np.pi / 4095, "-4096..4095": np.pi / 4096}[
            unit
        ]
        back = (stored - middle) * scale * (1 if bright else -1)
        assert np.abs(back - phase.numpy()).max() < 1e-3


class TestPhysics:
    @pytest.mark.parametrize("name", ["3t-0.5x0.5x2", "1.5t-gre-0.9x0.9x5"])
    def test_the_noise_has_the_level_that_the_settings_say(self, name: str) -> None:
        scene = uniform_scene(replace(PROTOCOLS[name], matrix=(64, 64, 24)), snr=20.0)
        # Without the taper the noise is white; its deviation is signal / SNR in each channel. The outermost
        # plane of k-space along each axis is cut, up to 4 % of the deviation on this small matrix.
        scene = replace(scene, settings=replace(scene.settings, taper=1e-6))
        image = scanned(scene)
        assert float(image.real.std()) == pytest.approx(1 / 20, rel=0.05)
        assert float(image.imag.std()) == pytest.approx(1 / 20, rel=0.05)

    def test_3t_at_20_ms_equals_1_5t_at_40_ms(self) -> None:
        other = replace(TOY, field_strength_t=1.5, echo_time_ms=40.0)
        assert other.phase_rad_per_ppm == pytest.approx(TOY.phase_rad_per_ppm)
        assert TOY.phase_rad_per_ppm == pytest.approx(16.05, abs=0.01)
        position = uniform_scene().image_grid.centre_mm
        images = [scanned(uniform_scene(p), ball(position)) for p in (TOY, other)]
        assert torch.allclose(images[0], images[1], atol=1e-4)

    def test_a_bleed_blooms_with_the_echo_time(self) -> None:
        sizes = []
        for echo in (10.0, 20.0, 30.0):
            scene = uniform_scene(replace(TOY, echo_time_ms=echo))
            image = scanned(scene, ball(scene.image_grid.centre_mm, 0.85, 1.0)).abs()
            sizes.append(float((image < 0.75).sum()))
        assert sizes[0] < sizes[1] < sizes[2]

    def test_a_bleed_of_median_size_looks_2_to_4_mm_wide(self) -> None:
        scene = uniform_scene()
        image = scanned(scene, ball(scene.image_grid.centre_mm, 0.85, 1.0))
        images = vendor_images(image, 2.0, scene.settings)
        diameter = apparent_diameter_mm(images.swi, [31.5, 31.5, 11.5], [0.5, 0.5, 2.0])
        assert diameter is not None
        assert 1.8 < diameter < 4.0

    def test_sub_voxel_patches_equal_a_finer_grid(self) -> None:
        """The patch on the fine grid is the mean of a patch on a grid four times finer."""
        scene = uniform_scene()
        body = ball(scene.image_grid.centre_mm + 0.13, 0.9, 1.2)
        finer = refined(scene.fine_grid, (4, 4, 4))
        dense = torch.ones(finer.shape, dtype=torch.complex64)
        insert(dense, finer, body, scene.protocol, scene.b0)
        signal = scene.signal.clone()
        insert(signal, scene.fine_grid, body, scene.protocol, scene.b0)
        nx, ny, nz = signal.shape
        mean = dense.reshape(nx, 4, ny, 4, nz, 4).mean((1, 3, 5))
        assert (signal - mean).abs().max() < 0.08  # one voxel, inside the body
        assert (signal - mean).abs().square().mean().sqrt() < 0.002

    def test_a_phase_singularity_turns_once_around_its_end(self) -> None:
        scene = uniform_scene(singularities=1)
        image = scanned(scene, seed=4)
        filtered = homodyne_phase(image, 12.0)
        assert filtered.abs().max() > 2.0  # a uniform scene has none
        assert homodyne_phase(scanned(uniform_scene(), seed=4), 12.0).abs().max() < 0.1


class TestBodies:
    @pytest.mark.parametrize("grains", [1, 2, 5, 20])
    def test_grains_share_the_volume_and_do_not_overlap(self, grains: int) -> None:
        rng = np.random.default_rng(grains)
        centres, radii = cluster(rng, np.array([1.0, 2.0, 3.0]), 1.5, grains)
        assert (radii**3).sum() == pytest.approx(1.5**3)
        assert np.average(centres, axis=0, weights=radii**3) == pytest.approx([1.0, 2.0, 3.0])
        for i in range(grains):
            for j in range(i):
                assert np.linalg.norm(centres[i] - centres[j]) >= radii[i] + radii[j] - 1e-6
