"""Small prepared subjects with dark blobs whose phase is positive (bleeds) or negative (mimics)."""

from __future__ import annotations

import dataclasses

import numpy as np

from microbleeds.evaluate import truth
from microbleeds.geometry import Grid
from microbleeds.networks.config import DetectorConfig
from microbleeds.prepare import Prepared
from microbleeds.training.presets import NO_AUGMENTATION, Preset, SamplingSettings, find_preset
from microbleeds.training.subjects import TrainingSubject, subject_from

SHAPE = (64, 56, 12)


def toy_prepared(seed: int, bleeds: int = 3, mimics: int = 2) -> tuple[Prepared, np.ndarray, np.ndarray]:
    """A prepared brain, and the voxels of its bleeds and mimics."""
    generator = np.random.default_rng(seed)
    affine = np.diag([0.5, 0.5, 2.0, 1.0])
    affine[:3, 3] = (-16, 4, 9)
    grid = Grid(SHAPE, affine)
    index = np.indices(SHAPE)
    swi = 1 + 0.03 * generator.standard_normal(SHAPE)
    phase = 0.03 * generator.standard_normal(SHAPE)
    # Far apart: each in a slab of its own.
    count = bleeds + mimics
    places = np.stack(
        [
            generator.uniform(14, SHAPE[0] - 14, count),
            generator.uniform(14, SHAPE[1] - 14, count),
            np.linspace(1.5, SHAPE[2] - 2.5, max(count, 2))[:count],
        ],
        axis=1,
    )
    spacing = np.array([0.5, 0.5, 2.0])[:, None, None, None]
    for n, place in enumerate(places):
        squared = (((index - place[:, None, None, None]) * spacing) ** 2).sum(axis=0)
        blob = np.exp(-squared / 2)
        swi *= 1 - 0.7 * blob
        phase += (1 if n < bleeds else -1) * blob
    brain = np.zeros(SHAPE, dtype=bool)
    brain[4:-4, 4:-4] = True
    image = np.stack([swi, phase]).astype(np.float32)
    return Prepared(image, brain, grid, True), places[:bleeds], places[bleeds:]


def toy_subject(seed: int, bleeds: int = 3, mimics: int = 2) -> TrainingSubject:
    """A training subject; the last mimic is one that is ignored in scoring."""
    prepared, bleed_voxels, mimic_voxels = toy_prepared(seed, bleeds, mimics)
    to_mm = prepared.grid.to_mm
    return subject_from(
        f"sub-{seed:03d}",
        prepared,
        truth(
            to_mm(bleed_voxels),
            mimics_mm=to_mm(mimic_voxels),
            mimic_kinds=("calcification",) * mimics,
            mimic_ignored=[n > 0 and n == mimics - 1 for n in range(mimics)],
        ),
    )


def toy_preset(**changes: object) -> Preset:
    """A preset that trains in seconds."""
    default = find_preset("default")
    small = dataclasses.replace(
        default,
        name="toy",
        architecture=DetectorConfig(
            widths=(8, 12, 16), pools=((2, 2, 1), (2, 2, 2)), fusion_channels=8, head_channels=8
        ),
        losses=dataclasses.replace(default.losses, prototype_warmup=3),
        sampling=SamplingSettings(crop=(32, 32, 8), batch=2),
        optimiser=dataclasses.replace(default.optimiser, warmup_steps=2, average_decay=0.9),
        augment=NO_AUGMENTATION,
        steps=8,
        validate_every=4,
        mine_every=4,
        mine_subjects=1,
        checkpoint_every=1,
    )
    return dataclasses.replace(small, **changes)  # type: ignore[arg-type]
