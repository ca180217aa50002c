"""Start, resume and finish a training run in a folder.

The folder holds ``run.json`` (what was asked), ``cache/`` (prepared subjects), ``checkpoint.pt`` (state),
``best.safetensors`` (best average so far), ``metrics.jsonl`` and ``tensorboard/`` (curves), and at the end
``weights.safetensors`` with its card ``weights.json``.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

from microbleeds.compute import Precision
from microbleeds.errors import InputError
from microbleeds.networks.config import Variant
from microbleeds.training.batches import FixedSubjects
from microbleeds.training.dataset import cached_subjects, subject_names
from microbleeds.training.loop import fit
from microbleeds.training.presets import Preset, find_preset
from microbleeds.training.simulated import DrawSimulated
from microbleeds.training.stream import streamed
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trainer import RunSettings
from microbleeds.weights.card import Card

log = logging.getLogger(__name__)


def train(
    data: Path | None,
    preset: str,
    out: Path,
    *,
    simulated: DrawSimulated | None = None,
    validation_data: Path | None = None,
    validation_subjects: int = 6,
    variant: Variant = "+prototypes",
    steps: int | None = None,
    time_limit_minutes: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    devices: int = 1,
    workers: int = 1,
    cache: Path | None = None,
) -> Card:
    """Train a detector on a data set folder; a run that exists in ``out`` is continued.

    Args:
        data: data set in the layout of docs/architecture.md, or ``None`` to train straight from the simulator.
        preset: name of a preset.
        out: run folder.
        simulated: the simulator, when ``data`` is ``None``; give ``validation_data`` then.
        validation_data: another data set for validation; otherwise subjects of ``data`` are held out.
        validation_subjects: at most so many, spread over the data set.
        variant: parts of the method that are switched on.
        steps: instead of the preset's.
        time_limit_minutes: of training over all resumed parts, without preparing subjects; the learning rate
            then falls with the clock where that is faster than with the steps.
        seed: of everything random.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``bfloat16`` or ``float32``.
        devices: processes, each with a device of its own.
        workers: threads that make batches ahead, and processes that prepare subjects.
        cache: folder of prepared subjects, to share between runs; ``out/cache`` by default.

    Returns:
        The card of ``out/weights.safetensors``.

    Raises:
        InputError: if the data can't be used, or ``out`` holds a run of another preset, variant or seed.
    """
    chosen = find_preset(preset)
    chosen = replace(chosen, architecture=chosen.architecture.variant(variant), steps=steps or chosen.steps)
    if data is not None and simulated is not None:
        raise InputError(
            "Train either on a data set (--data) or straight from the simulator (--stream), not on both."
        )
    if data is None and simulated is None:
        raise InputError("Training needs a data set (--data) or the simulator (--stream).")
    source_name = "simulator" if data is None else data.name
    train_names, held_out = _names(data, validation_data, validation_subjects)
    claim_folder(out, chosen, seed, source_name)
    cache = cache or out / "cache"
    settings = RunSettings(
        out=out,
        data=source_name,
        seed=seed,
        time_limit_minutes=time_limit_minutes,
        device=device,
        precision=precision,
        devices=devices,
        workers=workers,
    )
    validate_on = _opened(validation_data or data, held_out, cache / "validation", chosen, workers)
    if simulated is not None:
        with streamed(replace(simulated, spec=chosen.preparation), out / "spool") as buffer:
            return fit(buffer, validate_on, chosen, settings)
    train_on = _opened(data, train_names, cache / "training", chosen, workers)
    bleeds = sum(len(subject.bleeds) for subject in train_on)
    log.info("%d subjects with %d visible bleeds, %d to validate", len(train_on), bleeds, len(validate_on))
    return fit(FixedSubjects(train_on), validate_on, chosen, settings)


def claim_folder(out: Path, preset: Preset, seed: int, source: str) -> None:
    """Note in ``out`` what is asked, or check that the same was asked before.

    Raises:
        InputError: if the folder holds something else.
    """
    asked = {
        "preset": preset.name,
        "architecture": preset.architecture.model_dump(mode="json"),
        "preparation": preset.preparation.model_dump(mode="json"),
        "seed": seed,
        "data": source,
    }
    note = out / "run.json"
    if note.exists():
        if json.loads(note.read_text(encoding="utf-8")) != asked:
            raise InputError(f"{out} holds a run with other settings; choose another folder.")
        return
    if out.exists() and any(path.name != "cache" for path in out.iterdir()):
        raise InputError(f"{out} exists and is no training run; choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")


def _names(data: Path | None, validation_data: Path | None, most: int) -> tuple[list[str], list[str]]:
    """Names of the subjects to train on and of those to validate on."""
    names = [] if data is None else subject_names(data)
    held_out = _spread(names if validation_data is None else subject_names(validation_data), most)
    if validation_data is None:
        names = [name for name in names if name not in held_out]
    if data is not None and not names:
        raise InputError(f"{data} has no subject left for training; give more, or fewer for validation.")
    return names, held_out


def _opened(
    data: Path | None, names: list[str], cache: Path, preset: Preset, workers: int
) -> list[TrainingSubject]:
    """Prepared subjects of a data set; none without one."""
    return [] if data is None else cached_subjects(data, names, cache, preset.preparation, workers)


def _spread(names: list[str], most: int) -> list[str]:
    """At most ``most`` names, evenly spread (neighbours often share a head or a protocol)."""
    if most <= 0:
        return []
    return names[:: max(1, -(-len(names) // most))][:most]
