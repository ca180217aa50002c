"""Hard negatives: what the present model wrongly believes in, as places to train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings
from microbleeds.networks.detector import Detector
from microbleeds.training.batches import MixedSubjects, SubjectSource
from microbleeds.training.crops import Points
from microbleeds.training.presets import Preset
from microbleeds.training.scoring import SubjectScore, score_subject
from microbleeds.training.subjects import TrainingSubject

LOWEST_SCORE = 0.1
MOST_PER_SUBJECT = 12


def searched_for_negatives(
    source: SubjectSource, most: int, generator: np.random.Generator
) -> list[TrainingSubject]:
    """Draw up to ``most`` subjects, from a data set and from what is mixed into it in the shares of their crops.

    A clinic's few scans would hardly ever be drawn from among hundreds of simulated ones, and theirs are the false
    positives that a fine-tuning is to unlearn.
    """
    if not isinstance(source, MixedSubjects):
        return _some(source.subjects(), most, generator)
    own = _some(source.own, max(1, round(most * (1 - source.share))), generator)
    return own + _some(source.simulated, most - len(own), generator)


def _some(subjects: Sequence[TrainingSubject], most: int, generator: np.random.Generator) -> list[TrainingSubject]:
    """Draw up to ``most`` subjects, in their order."""
    chosen = generator.choice(len(subjects), size=min(most, len(subjects)), replace=False)
    return [subjects[n] for n in sorted(chosen)]


def mine(
    subjects: Sequence[TrainingSubject],
    model: Detector,
    preset: Preset,
    compute: Compute,
    most: int | None = MOST_PER_SUBJECT,
) -> dict[str, Points]:
    """Search subjects; return each one's surest false positives, in voxels [M, 3].

    A model that never sees phase in training must not see it here: its weights for it are those of the start.

    Args:
        subjects: to search.
        model: that is asked.
        preset: how it reads a brain.
        compute: device and precision.
        most: of each subject, only the surest; ``None`` for all.
    """
    settings = DetectSettings(floor=LOWEST_SCORE, measure_diameters=False, window=preset.search_window)
    return {
        subject.name: _false_positives(
            score_subject(subject, model, settings, compute, with_phase=preset.sees_phase), subject, most
        )
        for subject in subjects
    }


def _false_positives(scored: SubjectScore, subject: TrainingSubject, most: int | None) -> Points:
    """The surest false positives of one subject in voxels [M, 3]."""
    wrong = scored.match.false_positive
    surest = np.argsort(-scored.scores[wrong], kind="stable")[:most]
    return subject.grid.to_ijk(scored.positions_mm[wrong][surest]).reshape(-1, 3)
