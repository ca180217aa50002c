"""The second stage of a run: learned when the first is done, kept where the validation says so."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from microbleeds.networks.detector import Detector, with_refinement
from microbleeds.networks.refinement import Refinement
from microbleeds.training.batches import FixedSubjects, MixedSubjects, SubjectSource
from microbleeds.training.checkpoint import load_checkpoint, save_checkpoint
from microbleeds.training.mining import searched_for_negatives
from microbleeds.training.patches import PatchSource
from microbleeds.training.refinement import RefinementTraining
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trace import SECOND_STAGE, Trace
from microbleeds.training.trainer import Trainer

log = logging.getLogger(__name__)

LOG_EVERY = 20


def refinements(trainer: Trainer, detector: Detector, source: SubjectSource, trace: Trace) -> dict[str, Detector]:
    """Return the detector with each second stage that it may have, by name: that of the start, the learned one.

    Args:
        trainer: of the first stage, which is done.
        detector: the first stage.
        source: subjects to learn from.
        trace: curves of the run.
    """
    config = trainer.preset.architecture.refinement
    if config is None:
        return {}
    found = {}
    start = None if trainer.start is None else trainer.start.refinement
    if start is not None:
        network = Refinement(trainer.preset.architecture.in_channels, config)
        network.load_state_dict(start)
        found["the second stage of the start"] = with_refinement(detector, network)
    if trainer.preset.refines:
        learned = _learned(trainer, detector, source, trace)
        found |= {} if learned is None else {f"a second stage of {learned.step} steps": learned.refined()}
    return found


def _learned(
    trainer: Trainer, detector: Detector, source: SubjectSource, trace: Trace
) -> RefinementTraining | None:
    """Search all subjects, then learn; ``None`` where there is nothing to learn from."""
    preset, settings = trainer.preset, trainer.settings
    start = None if trainer.start is None else trainer.start.refinement
    if not isinstance(source, MixedSubjects):  # a simulator's subjects change; these are searched and learned from
        source = FixedSubjects(source.subjects())
    training = RefinementTraining(
        detector, preset, trainer.compute, settings.seed, start, trainer.refinement_limit_s
    )
    path = settings.out / "refinement.pt"
    if path.exists() and training.restore(load_checkpoint(path)):
        log.info("Going on at step %d of the second stage", training.step)
    trace.forget(SECOND_STAGE, training.step)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        generator = np.random.default_rng((settings.seed, 0, 0, 4))
        _search(training, searched_for_negatives(source, preset.refinement.search_subjects, generator), path, bar)
        patches = PatchSource(source, training.mined, preset)
        log.info("Second stage: %d microbleeds against %d false positives", *patches.counts)
        if not all(patches.counts):
            log.warning("The second stage has NOTHING TO LEARN FROM: it needs microbleeds and false positives.")
            return None
        _learn(training, patches, path, trace, bar)
    trainer.elapsed_s += training.elapsed_s
    return training


def _search(
    training: RefinementTraining, subjects: Sequence[TrainingSubject], checkpoint: Path, bar: Progress
) -> None:
    """Search subjects for false positives."""
    task = bar.add_task("searching", total=len(subjects), completed=len(training.mined))
    while waiting := training.not_searched(subjects):
        training.search(waiting[0])
        bar.update(task, completed=len(training.mined))
        if len(training.mined) % LOG_EVERY == 0:
            save_checkpoint(checkpoint, training.state())


def _learn(
    training: RefinementTraining, patches: PatchSource, checkpoint: Path, trace: Trace, bar: Progress
) -> None:
    """Make the steps that are left."""
    settings = training.preset
    task = bar.add_task("refining", total=settings.refinement.steps, completed=training.step)
    recent: list[float] = []
    while training.progress < 1:
        recent.append(training.learn(patches))
        bar.update(task, completed=training.step)
        if training.step % LOG_EVERY == 0:
            trace.write(training.step, {SECOND_STAGE + "loss": float(np.nanmean(recent))})
            recent.clear()
        if training.step % settings.checkpoint_every == 0:
            save_checkpoint(checkpoint, training.state())
    save_checkpoint(checkpoint, training.state())
