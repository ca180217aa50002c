"""Start, resume and finish a training run in a folder.

The folder holds ``run.json`` (what was asked), ``cache/`` (prepared subjects), ``checkpoint.pt`` (state),
``best.safetensors`` (best average so far), ``metrics.jsonl`` and ``tensorboard/`` (curves), and at the end
``weights.safetensors`` with its card ``weights.json``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from microbleeds.atomic import atomic_file
from microbleeds.compute import Precision
from microbleeds.errors import InputError
from microbleeds.networks.config import Variant
from microbleeds.prepare import PreparationSpec
from microbleeds.training.batches import FixedSubjects
from microbleeds.training.dataset import cached_subjects, heads_of, is_simulated, subject_names
from microbleeds.training.loop import fit
from microbleeds.training.presets import Preset, find_preset
from microbleeds.training.simulated import DrawSimulated
from microbleeds.training.stream import streamed
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trainer import RunSettings
from microbleeds.weights.card import Card

log = logging.getLogger(__name__)

LARGEST_SHARE_HELD_OUT = 5  # one in five


def train(
    data: Path | None,
    preset: str,
    out: Path,
    *,
    simulated: DrawSimulated | None = None,
    validation_data: Path | Sequence[Path] | None = None,
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
        validation_data: other data sets for validation; otherwise up to a fifth of ``data`` is held out.
        validation_subjects: at most so many of each data set, spread over it.
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
    _refuse_impossible(data, simulated, devices, time_limit_minutes)
    sets = [validation_data] if isinstance(validation_data, Path) else list(validation_data or ())
    train_names, held_out = _names(data, sets, validation_subjects)
    name = "simulator" if data is None else data.name or data.resolve().name
    # With several devices the first process comes here alone and prepares; Fabric starts the others afterwards.
    claim_folder(out, chosen, seed, name, simulated.facts() if simulated else None)
    cache = cache or out / "cache"
    settings = RunSettings(
        out=out,
        data=simulated.description if simulated else name,
        simulated=data is None or is_simulated(data),
        seed=seed,
        time_limit_minutes=time_limit_minutes,
        device=device,
        precision=precision,
        devices=devices,
        workers=workers,
    )
    spec = chosen.preparation
    validate_on = _opened(held_out, cache, spec, workers)
    if simulated is not None:
        spool = out / "spool"
        with streamed(replace(simulated, spec=spec, scratch=spool), spool) as buffer:
            return fit(buffer, validate_on, chosen, settings)
    train_on = [] if data is None else cached_subjects(data, train_names, cache / "training", spec, workers)
    bleeds = sum(len(subject.bleeds) for subject in train_on)
    log.info("%d subjects with %d visible bleeds, %d to validate", len(train_on), bleeds, len(validate_on))
    return fit(FixedSubjects(train_on), validate_on, chosen, settings)


def claim_folder(
    out: Path, preset: Preset, seed: int, source: str, stream: Mapping[str, object] | None = None
) -> None:
    """Note in ``out`` what is asked, or check that the same was asked before.

    Args:
        out: run folder.
        preset: with its variant.
        seed: of the run.
        source: name of the data.
        stream: what the simulator draws, when it does.

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
    if stream is not None:
        asked["stream"] = dict(stream)
    note = out / "run.json"
    if note.exists():
        if json.loads(note.read_text(encoding="utf-8")) != asked:
            raise InputError(f"{out} holds a run with other settings; choose another folder.")
        return
    # A half-written note is that of another process of the same run.
    if out.exists() and any(
        p.name not in ("cache", note.name) and ".partial-" not in p.name for p in out.iterdir()
    ):
        raise InputError(f"{out} exists and is no training run; choose another folder.")
    with atomic_file(note) as partial:
        partial.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")


def _refuse_impossible(
    data: Path | None, simulated: DrawSimulated | None, devices: int, time_limit_minutes: float | None
) -> None:
    """Refuse what can't be trained on, and what several processes can't agree on."""
    if data is not None and simulated is not None:
        raise InputError(
            "Train either on a data set (--data) or straight from the simulator (--stream), not on both."
        )
    if data is None and simulated is None:
        raise InputError("Training needs a data set (--data) or the simulator (--stream).")
    if simulated is not None and not simulated.anatomies:
        raise InputError(
            "Training straight from the simulator needs a folder of label maps (--anatomy);"
            " the MNI152 head is kept for the demo."
        )
    if devices > 1 and simulated is not None:
        raise InputError("Streaming works on one device only (each would draw its own); write a data set first.")
    if devices > 1 and time_limit_minutes:
        raise InputError("A time limit works on one device only (clocks differ); give --steps instead.")


def _names(
    data: Path | None, validation: Sequence[Path], most: int
) -> tuple[list[str], list[tuple[Path, list[str]]]]:
    """Names of the subjects to train on, and of those to validate on by data set."""
    names = [] if data is None else subject_names(data)
    if validation:
        return names, [(folder, _spread(subject_names(folder), most)) for folder in validation]
    if data is None:
        return [], []
    kept, held_out = _held_out(heads_of(data, names), most)
    return kept, [(data, held_out)]


def _held_out(heads: Mapping[str, str], most: int) -> tuple[list[str], list[str]]:
    """Split names into those to train on and at most ``most`` of at most a fifth of the heads.

    A head is trained on or held out with all its scans: a network that knows a head finds its bleeds more
    easily.

    Args:
        heads: name to head.
        most: names held out; more scans of their heads are left out altogether.
    """
    groups: dict[str, list[str]] = {}
    for name, head in heads.items():
        groups.setdefault(head, []).append(name)
    wanted = -(-most * len(groups) // max(1, len(heads)))  # heads that hold so many scans
    chosen = _spread(list(groups), min(wanted, len(groups) // LARGEST_SHARE_HELD_OUT))
    # By turns, so that each head is seen even if few of the scans are used.
    by_turns = [name for turn in zip_longest(*(groups[head] for head in chosen)) for name in turn if name]
    return [name for name, head in heads.items() if head not in chosen], sorted(by_turns[:most])


def _opened(
    sets: Sequence[tuple[Path, list[str]]], cache: Path, spec: PreparationSpec, workers: int
) -> list[TrainingSubject]:
    """Prepared validation subjects of all data sets; each set has its own folder in the cache."""
    subjects = []
    for number, (data, names) in enumerate(sets, 1):
        folder = cache / ("validation" if number == 1 else f"validation-{number}")
        subjects += cached_subjects(data, names, folder, spec, workers)
    if not subjects:
        log.warning("There is NO VALIDATION DATA: scores won't be calibrated and the thresholds are defaults.")
    return subjects


def _spread(names: list[str], most: int) -> list[str]:
    """At most ``most`` names, evenly spread (neighbours often share a head or a protocol)."""
    if most <= 0:
        return []
    return names[:: max(1, -(-len(names) // most))][:most]
