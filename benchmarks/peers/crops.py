"""Crops for peers: the very ones that the detector's training draws, with points instead of cells as truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microbleeds.diameter import apparent_diameter_mm
from microbleeds.training.augment import jittered_brain, turn_and_flip, vary_intensity
from microbleeds.training.crops import Points, choose_place, cut, window_of_step
from microbleeds.training.presets import Preset
from microbleeds.training.subjects import TrainingSubject

USUAL_DIAMETER_MM = 4.0  # where the spot is too shallow or too long to be measured
SMALLEST_MM, LARGEST_MM = 2.0, 10.0


@dataclass(frozen=True, eq=False)
class PeerCrop:
    """One crop.

    Args:
        image: float32 [2, x, y, z], zero outside the brain.
        brain: bool [x, y, z].
        bleeds: [N, 3] visible microbleeds inside the crop, in its voxels.
        diameters_mm: [N] apparent.
        ignored: [I, 3] what is neither a hit nor a false positive; may lie a little outside.
        spacing_mm: [3].
    """

    image: NDArray[np.float32]
    brain: NDArray[np.bool_]
    bleeds: Points
    diameters_mm: NDArray[np.float64]
    ignored: Points
    spacing_mm: NDArray[np.float64]


def draw_crops(
    subjects: Sequence[TrainingSubject], mined: Mapping[str, Points], preset: Preset, key: tuple[int, int, int]
) -> list[PeerCrop]:
    """Draw the crops of ``key`` = (seed, step, rank), in the order of draws of ``training.batches``."""
    generator = np.random.default_rng(key)
    shape, count = window_of_step(preset.sampling, *key[:2])
    return [_draw(subjects, mined, shape, preset, generator) for _ in range(count)]


def stacked(crops: Sequence[PeerCrop]) -> Tensor:
    """Return the images of crops as one tensor [B, 2, x, y, z]."""
    return torch.from_numpy(np.stack([crop.image for crop in crops]))


def _draw(
    subjects: Sequence[TrainingSubject],
    mined: Mapping[str, Points],
    shape: tuple[int, int, int],
    preset: Preset,
    generator: np.random.Generator,
) -> PeerCrop:
    """Draw, cut and vary one crop."""
    subject, middle = choose_place(subjects, mined, shape, preset.sampling, generator)
    crop = cut(subject, middle, shape, preset.augment, generator)
    crop = turn_and_flip(crop, preset.augment, generator)
    brain = jittered_brain(crop, preset.augment, generator)
    image = vary_intensity(crop.image, preset.augment, generator, preset.preparation.swi_clip) * brain
    size = np.asarray(brain.shape)
    bleeds = crop.bleeds[np.all((crop.bleeds > -0.5) & (crop.bleeds < size - 0.5), axis=1)]
    spacing = subject.grid.spacing_mm
    # Measured on the crop before its noise was raised: the apparent size is that of the scan.
    measured = [apparent_diameter_mm(crop.image[0], bleed, spacing) or USUAL_DIAMETER_MM for bleed in bleeds]
    diameters = np.clip(np.array(measured, dtype=np.float64), SMALLEST_MM, LARGEST_MM)
    return PeerCrop(image.astype(np.float32), brain, bleeds, diameters, crop.ignored, spacing)
