"""Random changes of a crop that leave its microbleeds where they are known to be."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from microbleeds.training.crops import Crop, Generator, Points
from microbleeds.training.presets import AugmentSettings

SEQUENCE = 1 << 21


def turn_and_flip(crop: Crop, settings: AugmentSettings, generator: Generator) -> Crop:
    """Mirror along each axis and turn by quarter turns in plane; exact, points move along.

    A mirror image of a head is a head, and the dipole's field is even along every axis.
    """
    stack = np.concatenate([crop.image, crop.depth_mm[None]])
    points = [crop.bleeds, crop.ignored]
    for axis in range(3):
        if generator.random() < settings.flips:
            stack = np.flip(stack, axis + 1)
            points = [_mirrored(p, axis, stack.shape[axis + 1]) for p in points]
    if generator.random() < settings.quarter_turns and stack.shape[1] == stack.shape[2]:
        stack = stack.transpose(0, 2, 1, 3)  # with the flips above, a transposition gives all eight
        points = [p[:, [1, 0, 2]] for p in points]
    stack = np.ascontiguousarray(stack)
    return Crop(stack[:2], stack[2], points[0], points[1])


def _mirrored(points: Points, axis: int, length: int) -> Points:
    """Mirror points along one axis."""
    mirrored = points.copy()
    mirrored[:, axis] = length - 1 - mirrored[:, axis]
    return mirrored


def vary_intensity(
    image: NDArray[np.float32], settings: AugmentSettings, generator: Generator, swi_clip: float
) -> NDArray[np.float32]:
    """Vary contrast, gain and noise of SWI [0] and phase [1]; sometimes take the phase away."""
    swi, phase = image
    gamma = np.exp(generator.uniform(-settings.gamma, settings.gamma))
    gain = np.exp(generator.uniform(-settings.gain, settings.gain))
    if settings.gamma > 0:
        swi = np.maximum(swi, 0) ** np.float32(gamma)
    swi = np.float32(gain) * swi + _noise(swi.shape, settings.noise, generator)
    phase = phase * np.float32(np.exp(generator.uniform(-settings.phase_gain, settings.phase_gain)))
    phase = phase + _noise(phase.shape, settings.phase_noise_rad, generator)
    if generator.random() < settings.phase_dropout:
        phase = np.zeros_like(phase)
    return np.stack([np.clip(swi, 0, swi_clip), np.clip(phase, -np.pi, np.pi)]).astype(np.float32)


def _noise(shape: tuple[int, ...], largest: float, generator: Generator) -> NDArray[np.float32] | np.float32:
    """Gaussian noise of a random strength; none for half of the crops."""
    strength = largest * generator.uniform(-1, 1)
    if strength <= 0:
        return np.float32(0)
    # Drawing half a million normal numbers costs as much as all the rest of a crop, so a random stretch of
    # a fixed sequence serves.
    count = int(np.prod(shape))
    sequence = _normal_sequence() if count < SEQUENCE else np.resize(_normal_sequence(), count + 1)
    start = int(generator.integers(len(sequence) - count))
    return np.float32(strength) * sequence[start : start + count].reshape(shape)


@functools.cache
def _normal_sequence() -> NDArray[np.float32]:
    """Fixed standard normal numbers [SEQUENCE]."""
    return np.random.default_rng(0).standard_normal(SEQUENCE, dtype=np.float32)


def jittered_brain(crop: Crop, settings: AugmentSettings, generator: Generator) -> NDArray[np.bool_]:
    """Brain mask grown or shrunk a little, as masks of other programs are; bool [x, y, z]."""
    return crop.depth_mm > generator.uniform(-settings.mask_mm, settings.mask_mm)
