"""One simulated scan with its truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.compute import device_named
from microbleeds.geometry import Grid
from microbleeds.simulate.acquisition import acquire, vortex_paths
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.fine_signal import FineSignal
from microbleeds.simulate.head import Head
from microbleeds.simulate.inclusions import Inclusion, insert
from microbleeds.simulate.microbleeds import BodyLaw, Profile, draw_count, draw_microbleeds
from microbleeds.simulate.mimics import MimicSettings, draw_mimics
from microbleeds.simulate.placement import Placer
from microbleeds.simulate.protocol import Protocol, ScanSettings, draw_settings
from microbleeds.simulate.vendor import VendorImages, vendor_images
from microbleeds.simulate.visibility import Appearance, appearance


@dataclass(frozen=True, eq=False)
class SimulatedScan:
    """The vendor's images of one subject and all that is true of them.

    Args:
        microbleeds: each with how it looks; ``mimics`` the other bodies.
        singularities_mm: RAS mm [3] of points along each phase vortex in the brain.
        brain: bool [x, y, z] on ``grid``; ``regions`` uint8, fine regions.
    """

    head: Head
    protocol: Protocol
    settings: ScanSettings
    profile: Profile
    grid: Grid
    images: VendorImages
    microbleeds: list[tuple[Inclusion, Appearance]]
    mimics: list[Inclusion]
    singularities_mm: list[NDArray]
    brain: NDArray[np.bool_]
    regions: NDArray[np.uint8]


@dataclass(frozen=True)
class BodySettings:
    """What is put into a head.

    Args:
        burden: of :func:`microbleeds.simulate.microbleeds.draw_count`.
    """

    profile: Profile = "natural"
    burden: str = "natural"
    law: BodyLaw = field(default_factory=BodyLaw)
    mimics: MimicSettings = field(default_factory=MimicSettings)


def draw_bodies(head: Head, settings: BodySettings, seed: np.random.SeedSequence) -> list[Inclusion]:
    """Draw a subject's mimics and microbleeds, clear of each other."""
    mimic_rng, bleed_rng = (np.random.default_rng(s) for s in seed.spawn(2))
    placer = Placer(head.anatomy, [v for v in head.vessels if v.kind != "perivascular-space"])
    mimics = draw_mimics(mimic_rng, placer, settings.law, head.tissues.age, settings.mimics)
    count = draw_count(bleed_rng, settings.burden)
    return mimics + draw_microbleeds(bleed_rng, placer, count, settings.profile, settings.law)


def redrawn_settings(kept: ScanSettings, protocol: Protocol, generator: np.random.Generator) -> ScanSettings:
    """New noise, motion, filters and file format for a head that keeps its pose and contrast."""
    return replace(
        draw_settings(protocol, generator),
        tilt_deg=kept.tilt_deg,
        flip_angle_deg=kept.flip_angle_deg,
        repetition_time_ms=kept.repetition_time_ms,
    )


def scan_bodies(fine: FineSignal, bodies: Sequence[Inclusion], profile: Profile, seed: int) -> SimulatedScan:
    """Put bodies into a rendered head, scan it and look at each microbleed.

    Args:
        fine: kept unchanged, so that other bodies, noise and settings can be drawn on the same head.
        seed: of the noise and the singularities.
    """
    signal = fine.signal.clone()
    for body in bodies:
        insert(signal, fine.fine_grid, body, fine.protocol, fine.b0)
    image = acquire(fine, signal, seed)
    del signal
    images = vendor_images(image, fine.protocol.spacing_mm[2], fine.settings)
    del image
    brain, regions = truth_volumes(fine.head.anatomy, fine.image_grid)
    noise = float(np.median(images.swi[brain])) / fine.settings.snr
    seen = [
        (
            body,
            appearance(
                images.swi,
                brain,
                fine.image_grid,
                body,
                [b for b in bodies if b is not body],
                fine.protocol.phase_rad_per_ppm,
                noise,
            ),
        )
        for body in bodies
        if body.scored == "microbleed"
    ]
    return SimulatedScan(
        head=fine.head,
        protocol=fine.protocol,
        settings=fine.settings,
        profile=profile,
        grid=fine.image_grid,
        images=images,
        microbleeds=seen,
        mimics=[b for b in bodies if b.scored != "microbleed"],
        singularities_mm=_vortices_mm(fine, brain, seed),
        brain=brain,
        regions=regions,
    )


def truth_volumes(anatomy: Anatomy, grid: Grid) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Brain mask (parenchyma, ventricles and the sulci between) and fine regions on the image grid."""
    mask = ndimage.binary_closing(np.pad(anatomy.brain, 4), iterations=3)[4:-4, 4:-4, 4:-4]
    step = np.linalg.inv(anatomy.grid.affine) @ grid.affine
    brain = ndimage.affine_transform(
        mask.astype(np.uint8), step[:3, :3], step[:3, 3], output_shape=grid.shape, order=0
    )
    regions = ndimage.affine_transform(
        anatomy.regions, step[:3, :3], step[:3, 3], output_shape=grid.shape, order=0
    )
    return brain.astype(bool), regions


def _vortices_mm(fine: FineSignal, brain: NDArray[np.bool_], seed: int) -> list[NDArray]:
    """Every vortex in the brain, about each 6 mm along its path."""
    if not fine.settings.singularities:
        return []
    step = max(1, round(6 / fine.protocol.spacing_mm[2]))
    places = []
    for slices, ends in vortex_paths(fine, seed):
        for z, pair in zip(slices[::step], ends[::step], strict=True):
            for end in pair:
                voxel = np.round([*end, z]).astype(int)
                if np.all((voxel >= 0) & (voxel < brain.shape)) and brain[tuple(voxel)]:
                    places.append(fine.image_grid.to_mm([*end, z]))
    return places


def with_settings(fine: FineSignal, settings: ScanSettings) -> FineSignal:
    """The same rendered head scanned with other settings (pose and contrast must be the same)."""
    return replace(fine, settings=settings)


def torch_device(name: str = "auto") -> torch.device:
    """The device to simulate on: a CUDA GPU where there is one, else the CPU.

    Raises:
        InputError: if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return device_named(name)
