"""Batches: a pure function of seed, step and rank, made ahead in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from microbleeds.training.augment import jittered_brain, turn_and_flip, vary_intensity
from microbleeds.training.crops import Points, choose_place, cut, window_of_step
from microbleeds.training.presets import Preset
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.targets import CellTargets, cell_targets


class Batch(NamedTuple):
    """Image [B, 2, x, y, z], label int8 [B, cells...] and offset [B, 3, cells...]."""

    image: Tensor
    label: Tensor
    offset: Tensor


class SubjectSource(Protocol):
    """Where subjects come from: a fixed list, or a replay buffer that a simulator fills."""

    def subjects(self) -> Sequence[TrainingSubject]:
        """Subjects that may be drawn from now."""
        ...


class FixedSubjects:
    """A data set that does not change."""

    def __init__(self, subjects: Sequence[TrainingSubject]) -> None:
        self._subjects = tuple(subjects)

    def subjects(self) -> Sequence[TrainingSubject]:
        """All subjects."""
        return self._subjects


class MixedSubjects(FixedSubjects):
    """A data set into which simulated heads are mixed.

    Args:
        own: subjects of the data set.
        simulated: mixed in.
        share: of crops that come from the simulated ones.
    """

    def __init__(self, own: Sequence[TrainingSubject], simulated: Sequence[TrainingSubject], share: float) -> None:
        super().__init__([*own, *simulated])
        self.own, self.simulated, self.share = tuple(own), tuple(simulated), share

    def drawn(self, generator: np.random.Generator) -> Sequence[TrainingSubject]:
        """Either the data set or the simulated heads, at random."""
        return self.simulated if generator.random() < self.share else self.own


def make_batch(
    subjects: Sequence[TrainingSubject] | MixedSubjects,
    mined: Mapping[str, Points],
    preset: Preset,
    key: tuple[int, int, int],
) -> Batch:
    """Make the batch of ``key`` = (seed, step, rank)."""
    generator = np.random.default_rng(key)
    images, targets = [], []
    shape, count = window_of_step(preset.sampling, *key[:2])
    for _ in range(count):
        pool = subjects.drawn(generator) if isinstance(subjects, MixedSubjects) else subjects
        image, target = _example(pool, mined, shape, preset, generator)
        images.append(image)
        targets.append(target)
    return Batch(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack([target.label for target in targets])),
        torch.from_numpy(np.stack([target.offset for target in targets])),
    )


def _example(
    subjects: Sequence[TrainingSubject],
    mined: Mapping[str, Points],
    shape: tuple[int, int, int],
    preset: Preset,
    generator: np.random.Generator,
) -> tuple[np.ndarray, CellTargets]:
    """Draw, cut, vary and label one crop."""
    subject, middle = choose_place(subjects, mined, shape, preset.sampling, generator)
    crop = cut(subject, middle, shape, preset.augment, generator)
    crop = turn_and_flip(crop, preset.augment, generator)
    brain = jittered_brain(crop, preset.augment, generator)
    image = vary_intensity(crop.image, preset.augment, generator, preset.preparation.swi_clip)
    target = cell_targets(
        crop.bleeds, crop.ignored, brain, subject.grid.spacing_mm, preset.architecture, preset.targets
    )
    return image * brain, target


def batches(
    source: SubjectSource,
    mined: Mapping[str, Points],
    preset: Preset,
    steps: range,
    *,
    seed: int,
    rank: int = 0,
    workers: int = 1,
) -> Iterator[Batch]:
    """Yield the batches of some steps in order, made ahead by ``workers`` threads (0 makes them in line)."""

    def make(step: int) -> Batch:
        pool = source if isinstance(source, MixedSubjects) else source.subjects()
        return make_batch(pool, mined, preset, (seed, step, rank))

    if workers == 0:
        yield from map(make, steps)
        return
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[Batch]] = deque()
        try:
            for step in steps:
                ahead.append(pool.submit(make, step))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
