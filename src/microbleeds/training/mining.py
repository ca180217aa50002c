"""Hard negatives: what the present model wrongly believes in, as places to train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings
from microbleeds.networks.detector import Detector
from microbleeds.training.crops import Points
from microbleeds.training.presets import Preset
from microbleeds.training.scoring import SubjectScore, score_subject
from microbleeds.training.subjects import TrainingSubject

LOWEST_SCORE = 0.1
MOST_PER_SUBJECT = 12


def mine(
    subjects: Sequence[TrainingSubject],
    model: Detector,
    preset: Preset,
    compute: Compute,
    generator: np.random.Generator,
) -> dict[str, Points]:
    """Search ``preset.mine_subjects`` random subjects; return each one's surest false positives, in voxels [M, 3].

    A model that never sees phase in training must not see it here: its weights for it are those of the start.
    """
    settings = DetectSettings(floor=LOWEST_SCORE, measure_diameters=False, window=preset.search_window)
    chosen = generator.choice(len(subjects), size=min(preset.mine_subjects, len(subjects)), replace=False)
    return {
        subject.name: _false_positives(
            score_subject(subject, model, settings, compute, with_phase=preset.sees_phase), subject
        )
        for subject in (subjects[n] for n in sorted(chosen))
    }


def _false_positives(scored: SubjectScore, subject: TrainingSubject) -> Points:
    """The surest false positives of one subject in voxels [M, 3]."""
    wrong = scored.match.false_positive
    surest = np.argsort(-scored.scores[wrong], kind="stable")[:MOST_PER_SUBJECT]
    return subject.grid.to_ijk(scored.positions_mm[wrong][surest]).reshape(-1, 3)
