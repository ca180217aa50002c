"""Patches that the second stage learns from: microbleeds, and what the first stage wrongly believes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from microbleeds.networks.config import Stride
from microbleeds.training.augment import jittered_brain, turn_and_flip, vary_intensity
from microbleeds.training.batches import MixedSubjects, SubjectSource
from microbleeds.training.crops import Generator, Points, cut
from microbleeds.training.presets import Preset
from microbleeds.training.subjects import TrainingSubject


@dataclass(frozen=True, eq=False)
class Kind:
    """Places of one kind.

    Args:
        subjects: that have any.
        points: [N, 3] of each, in voxels.
    """

    subjects: tuple[TrainingSubject, ...]
    points: tuple[Points, ...]

    def draw(self, generator: Generator) -> tuple[TrainingSubject, NDArray[np.float64]]:
        """Draw a place, each as likely as any other."""
        counts = np.array([len(points) for points in self.points])
        chosen = int(generator.choice(len(counts), p=counts / counts.sum()))
        return self.subjects[chosen], self.points[chosen][int(generator.integers(counts[chosen]))]


def apart_from_bleeds(points: Points, subject: TrainingSubject, distance_mm: float) -> Points:
    """Keep points [N, 3] whose patch does not show a microbleed near its middle."""
    gaps_mm = np.linalg.norm((points[:, None] - subject.bleeds[None]) * subject.grid.spacing_mm, axis=-1)
    return points[gaps_mm.min(axis=1, initial=np.inf) > distance_mm]


class PatchSource:
    """Draws patches of a source of subjects.

    Args:
        source: subjects; of mixed ones simulated heads are drawn from in their share.
        mined: false positives of the first stage in each subject, in voxels.
        preset: how patches are cut and varied.
    """

    def __init__(self, source: SubjectSource, mined: Mapping[str, Points], preset: Preset) -> None:
        self._preset, self._how = preset, preset.refinement
        self._augment = self._how.augment
        if not preset.sees_phase:
            self._augment = replace(self._augment, phase_dropout=1.0)
        pools: list[Sequence[TrainingSubject]] = [source.subjects()]
        self._share = 0.0
        if isinstance(source, MixedSubjects):
            pools, self._share = [source.own, source.simulated], source.share
        self._kinds = [(_bleeds(pool), _mined(pool, mined)) for pool in pools]

    @property
    def counts(self) -> tuple[int, int]:
        """Number of microbleeds and of false positives."""
        bleeds, false = (sum(len(p) for pair in self._kinds for p in pair[kind].points) for kind in (0, 1))
        return bleeds, false

    def batch(self, shape: Stride, generator: Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return patches [N, C, *shape] and whether each is of a microbleed, 1 or 0 [N]; half of them are."""
        half = self._how.batch // 2
        images = [self._patch(kind, shape, generator) for kind in (0, 1) for _ in range(half)]
        return np.stack(images), np.repeat(np.array([1, 0], dtype=np.float32), half)

    def _patch(self, kind: int, shape: Stride, generator: Generator) -> NDArray[np.float32]:
        """Draw, cut and vary a patch."""
        pool = int(generator.random() < self._share)
        places = self._kinds[pool][kind]
        if not places.subjects:  # then those of the other pool
            places = self._kinds[1 - pool][kind]
        subject, point = places.draw(generator)
        reach = np.asarray(self._how.shift_voxels)
        crop = cut(subject, point + generator.uniform(-reach, reach), shape, self._augment, generator)
        crop = turn_and_flip(crop, self._augment, generator)
        brain = jittered_brain(crop, self._augment, generator)
        return vary_intensity(crop.image, self._augment, generator, self._preset.preparation.swi_clip) * brain


def _bleeds(subjects: Sequence[TrainingSubject]) -> Kind:
    """Visible microbleeds of subjects."""
    having = tuple(subject for subject in subjects if len(subject.bleeds))
    return Kind(having, tuple(subject.bleeds for subject in having))


def _mined(subjects: Sequence[TrainingSubject], mined: Mapping[str, Points]) -> Kind:
    """False positives of subjects."""
    having = tuple(subject for subject in subjects if len(mined.get(subject.name, ())))
    return Kind(having, tuple(mined[subject.name] for subject in having))
