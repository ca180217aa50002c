"""Crops: where they come from, and how they are cut out of a subject with all their points.

Every random choice comes from the generator that is passed in, so that the batch of a step is a function
of seed and step alone and a resumed run sees what an uninterrupted one sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from microbleeds.training.presets import AugmentSettings, SamplingSettings
from microbleeds.training.subjects import DEPTH_UNIT_MM, TrainingSubject

Generator = np.random.Generator
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Crop:
    """A piece of a subject.

    Args:
        image: float32 [2, x, y, z], not masked.
        depth_mm: float32 [x, y, z] below the brain surface, negative outside.
        bleeds: [N, 3] visible microbleeds in voxels of the crop.
        ignored: [I, 3] what is neither a hit nor a false positive.
    """

    image: NDArray[np.float32]
    depth_mm: NDArray[np.float32]
    bleeds: Points
    ignored: Points


def window_of_step(settings: SamplingSettings, seed: int, step: int) -> tuple[tuple[int, int, int], int]:
    """Choose the shape and the number of a step's crops.

    All processes of a run choose alike: each waits for the others after a step, and a wide one takes longer.
    """
    # Four numbers, since (seed, step, rank) are what the crops of a step are drawn from.
    if np.random.default_rng((seed, step, 0, 1)).random() < settings.share_wide:
        return settings.wide_crop, 1
    return settings.crop, settings.batch


def choose_place(
    subjects: Sequence[TrainingSubject],
    mined: Mapping[str, Points],
    shape: tuple[int, int, int],
    settings: SamplingSettings,
    generator: Generator,
) -> tuple[TrainingSubject, Points]:
    """Choose a subject and the middle [3] of a crop of ``shape``.

    A kind is drawn first, then a subject that has it: bleeds by the square root of their number, so that a
    subject with fifty does not crowd out the rest, the other kinds evenly.
    """
    kinds = {
        "bleed": settings.share_bleed,
        "mimic": settings.share_mimic,
        "mined": settings.share_mined,
    }
    draw, kind = generator.random(), "anywhere"
    for name, share in kinds.items():
        if draw < share:
            kind = name
            break
        draw -= share
    subject, points = _with_points(kind, subjects, mined, generator)
    point = points[generator.integers(len(points))]
    # The point may lie anywhere in the crop but its rim: networks learn "it is in the middle" otherwise.
    reach = 0.35 * np.asarray(shape)
    return subject, point + generator.uniform(-reach, reach)


def _with_points(
    kind: str, subjects: Sequence[TrainingSubject], mined: Mapping[str, Points], generator: Generator
) -> tuple[TrainingSubject, Points]:
    """Choose a subject that has points of a kind; anywhere in any subject where none has."""
    if kind == "anywhere":
        subject = subjects[int(generator.integers(len(subjects)))]
        return subject, subject.anywhere
    of = {
        "bleed": lambda subject: subject.bleeds,
        "mimic": lambda subject: subject.mimics,
        "mined": lambda subject: mined.get(subject.name, np.zeros((0, 3))),
    }[kind]
    counts = np.array([len(of(subject)) for subject in subjects], dtype=np.float64)
    weights = np.sqrt(counts) if kind == "bleed" else np.minimum(counts, 1)
    if weights.sum() == 0:
        return _with_points("anywhere", subjects, mined, generator)
    subject = subjects[int(generator.choice(len(subjects), p=weights / weights.sum()))]
    return subject, of(subject)


def cut(
    subject: TrainingSubject,
    middle: Points,
    shape: tuple[int, int, int],
    settings: AugmentSettings,
    generator: Generator,
) -> Crop:
    """Cut a crop of ``shape`` around ``middle``, sometimes turned and scaled a little in plane."""
    size = np.asarray(shape)
    if generator.random() >= settings.warp:
        start = np.round(middle - (size - 1) / 2).astype(int)
        stack = _block(subject, start, size)
        return _crop(stack, subject.bleeds - start, subject.ignored - start)
    angle = np.deg2rad(generator.uniform(-settings.rotation_deg, settings.rotation_deg))
    scale = 1 + generator.uniform(-settings.scaling, settings.scaling)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wide = size.copy()
    wide[:2] = np.ceil(np.abs(turn) @ size[:2]).astype(int) + 2
    start = np.round(middle - (wide - 1) / 2).astype(int)
    stack = _warped(_block(subject, start, wide), turn, size)

    def moved(points: Points) -> Points:
        local = points - start
        in_plane = (local[:, :2] - (wide[:2] - 1) / 2) @ np.linalg.inv(turn).T + (size[:2] - 1) / 2
        return np.concatenate([in_plane, local[:, 2:]], axis=1)

    return _crop(stack, moved(subject.bleeds), moved(subject.ignored))


def _block(subject: TrainingSubject, start: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cut [3, x, y, z] (SWI, phase, depth in mm) with what lies outside the image as outside the brain."""
    block = np.zeros((3, *size), dtype=np.float32)
    block[2] = -100.0
    low = np.clip(start, 0, subject.grid.shape)
    high = np.clip(start + size, 0, subject.grid.shape)
    if np.any(high <= low):
        return block
    source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    target = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
    image, depth = block[:2], block[2]
    for channel in range(2):
        image[channel][target] = subject.image[channel][source]
    depth[target] = subject.depth[source].astype(np.float32) * DEPTH_UNIT_MM
    return block


def _warped(block: NDArray[np.float32], turn: NDArray[np.float64], size: NDArray[np.int64]) -> NDArray[np.float32]:
    """Resample a block in plane: output offset u from the middle shows input offset ``turn @ u``."""
    wide = np.asarray(block.shape[1:3])
    # grid_sample counts in units of half an image (align_corners=False), columns before rows.
    steps = [np.arange(n) - (n - 1) / 2 for n in size[:2]]
    offsets = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1) @ turn.T
    places = (2 * offsets / wide)[..., ::-1].astype(np.float32)
    slices = torch.from_numpy(block).permute(0, 3, 1, 2).reshape(1, -1, *wide)
    sampled = functional.grid_sample(
        slices, torch.from_numpy(places.copy())[None], padding_mode="border", align_corners=False
    )
    return sampled.reshape(3, block.shape[3], *size[:2]).permute(0, 2, 3, 1).numpy()


def _crop(stack: NDArray[np.float32], bleeds: Points, ignored: Points) -> Crop:
    """Keep the points that matter: those in the crop or close enough to reach into it (20 voxels)."""
    size = np.asarray(stack.shape[1:])

    def near(points: Points) -> Points:
        return points[np.all((points > -20) & (points < size + 20), axis=1)]

    return Crop(stack[:2], stack[2], near(bleeds), near(ignored))
