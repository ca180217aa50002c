"""Start, resume and finish a training run in a folder.

The folder holds ``run.json`` (what was asked, and how fast it went), ``cache/`` (prepared subjects),
``checkpoint.pt`` and ``refinement.pt`` (state of either stage), ``best.safetensors`` and ``best.json`` (best
average so far), ``metrics.jsonl`` and ``tensorboard/`` (curves), with the simulator ``spool/`` (scans on their
way), and at the end ``weights.safetensors`` with its card ``weights.json`` and, to go on from,
``weights.prototypes.safetensors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from microbleeds.compute import Precision, choose
from microbleeds.errors import InputError
from microbleeds.given import paths_of, refuse_below
from microbleeds.networks.config import Variant
from microbleeds.study import SignChoice
from microbleeds.training.apart import refuse_overlap
from microbleeds.training.cache import Preparable
from microbleeds.training.collection import Collection, hold_out
from microbleeds.training.joined import open_joined
from microbleeds.training.loop import fit
from microbleeds.training.plan import Mix, Plan, carry_out, opened, validation_sets
from microbleeds.training.presets import Preset, find_preset
from microbleeds.training.processes import start_fabric
from microbleeds.training.run_note import claim_folder
from microbleeds.training.simulated import DrawSimulated
from microbleeds.training.start import Start, mean_start
from microbleeds.training.stream import EveryNth, streamed
from microbleeds.training.trainer import RunSettings
from microbleeds.weights.card import Card

__all__ = ["claim_folder", "train"]


def train(
    data: Path | Sequence[Path] | None,
    preset: str,
    out: Path,
    *,
    simulated: DrawSimulated | None = None,
    mix: Mix | None = None,
    weights: Path | Sequence[Path] = (),
    rate: float | None = None,
    frozen_norms: bool = False,
    validation_data: Path | Sequence[Path] | None = None,
    validation_subjects: int = 6,
    variant: Variant | None = None,
    steps: int | None = None,
    refinement_steps: int | None = None,
    patience: int = 0,
    time_limit_minutes: float | None = None,
    phase_sign: SignChoice = "auto",
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    devices: int = 1,
    workers: int = 1,
    cache: Path | None = None,
) -> Card:
    """Train a detector on a folder of labelled scans; a run that exists in ``out`` is continued.

    Args:
        data: folder of labelled scans in any form of docs/your-data.md, or several, whose scans are drawn from
            alike; ``None`` to train straight from the simulator.
        preset: name of a preset.
        out: run folder.
        simulated: the simulator, when ``data`` is ``None``; give ``validation_data`` then.
        mix: simulated heads to mix into ``data``.
        weights: go on from these (``.safetensors``; from the mean of several) instead of random ones, with their
            network and preparation and the schedule of the preset; ``variant`` does not count then. For a few
            scans of one's own see :func:`microbleeds.training.finetune.finetune`.
        rate: peak learning rate of each stage instead of the preset's.
        frozen_norms: keep the statistics of the batch norms that ``weights`` have, so that training sees the
            network as a search does.
        validation_data: other data sets for validation; otherwise up to a fifth of ``data`` is held out.
        validation_subjects: at most so many of each data set, spread over it.
        variant: parts of the method that are switched on; those of the preset if ``None``.
        steps: instead of the preset's; with ``weights`` 0 leaves their first stage as it is.
        refinement_steps: of the second stage; as many more or less than the preset's as ``steps`` if ``None``, and
            0 for none (or, with ``weights``, for theirs as it is).
        patience: end early after so many validations without a better one; 0 for never.
        time_limit_minutes: of training over all resumed parts, without preparing subjects; the learning rate
            then falls with the clock where that is faster than with the steps.
        phase_sign: how veins look in all phase files of ``data`` and ``validation_data``.
        seed: of everything random.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``bfloat16`` or ``float32``.
        devices: processes, each with a device of its own.
        workers: threads that make batches ahead, and processes that prepare subjects.
        cache: folder of prepared subjects, to share between runs; ``out/cache`` by default.

    Returns:
        The card of ``out/weights.safetensors``.

    Raises:
        InputError: if the data can't be used, a number can't be, folders hold one another, or ``out`` holds a run
            of another preset, variant or seed.
    """
    given = paths_of(weights)
    refuse_below(0, seed=seed, workers=workers, validation_subjects=validation_subjects, patience=patience)
    refuse_below(0, refinement_steps=refinement_steps or 0)
    refuse_below(1, number_of_devices=devices, steps=1 if steps is None or (given and steps == 0) else steps)
    start = mean_start(given) if given else None
    if frozen_norms and start is None:
        raise InputError("Only norms of weights that are there already can be frozen; give --weights.")
    chosen = _chosen(find_preset(preset), variant, start, rate)
    chosen = replace(chosen.of_length(steps, refinement_steps), patience=patience, frozen_norms=frozen_norms)
    sets, folders, out = paths_of(data), paths_of(validation_data), Path(out)
    _refuse_impossible(sets, simulated, mix)
    cache = out / "cache" if cache is None else Path(cache)
    refuse_overlap(out, cache, sets, folders, mix.folder if mix else None)
    collection = open_joined(sets, cache / "converted", phase_sign) if sets else None
    judged_on = validation_sets(folders, cache, validation_subjects, phase_sign)
    name, only_simulated = "simulator" if collection is None else collection.name, _is_simulated(collection, start)
    settings = RunSettings(
        out, name, only_simulated, seed, time_limit_minutes, device, precision, devices, workers
    )
    if simulated is not None:
        return _train_streamed(
            simulated, Plan(chosen, settings, (), judged_on, cache, start=start, phase_sign=phase_sign)
        )
    if collection is None:
        raise InputError("Training needs a data set (--data) or the simulator (--stream).")
    kept = list(collection.scans)
    if not judged_on:
        kept, held = split(collection, validation_subjects)
        judged_on = [held]
    return carry_out(Plan(chosen, settings, kept, judged_on, cache, mix, start, phase_sign))


def _is_simulated(collection: Collection | None, start: Start | None) -> bool:
    """Whether nothing but simulated scans is behind the weights; without a data set the simulator draws."""
    return (collection is None or collection.simulated) and (start is None or start.card.training.simulated)


def _chosen(preset: Preset, variant: Variant | None, start: Start | None, rate: float | None) -> Preset:
    """The preset with the network that is trained.

    Raises:
        InputError: if the crops of the preset do not fit the network of the weights.
    """
    if rate is not None:
        second = replace(preset.refinement, optimiser=replace(preset.refinement.optimiser, rate=rate))
        preset = replace(preset, optimiser=replace(preset.optimiser, rate=rate), refinement=second)
    if start is None:
        architecture = preset.architecture if variant is None else preset.architecture.variant(variant)
        return replace(preset, architecture=architecture)
    # Weights without a second stage get that of the preset.
    own = start.card.architecture
    architecture = own.model_copy(update={"refinement": own.refinement or preset.architecture.refinement})
    try:
        return replace(preset, architecture=architecture, preparation=start.card.preparation, at_start=True)
    except ValueError as error:
        raise InputError(f"The preset {preset.name} can't go on from {start.card.name}: {error}") from error


def split(collection: Collection, most: int) -> tuple[list[Preparable], list[Preparable]]:
    """Scans to train on and to validate on; people's sets are small, so the burden decides who is held out."""
    return hold_out(collection.scans, most, by_burden=not collection.simulated)


def _train_streamed(simulated: DrawSimulated, plan: Plan) -> Card:
    """Train while the simulator draws; each of several processes has a simulator of its own."""
    preset, settings = plan.preset, replace(plan.settings, data=simulated.description + plan.parent)
    claim_folder(settings.out, preset, settings.seed, plan.settings.data, simulated.facts(), plan.asked())
    validate_on = opened(plan)
    # The others are started only now that all is prepared; each comes through here by itself.
    fabric = start_fabric(choose(settings.device, settings.precision), settings.devices)
    rank, world = fabric.global_rank, fabric.world_size
    spool = settings.out / ("spool" if rank == 0 else f"spool-{rank + 1}")
    draw = replace(simulated, spec=preset.preparation, scratch=spool)
    share = EveryNth(draw, rank, world, simulated.settings.scans_per_head)
    with streamed(share, spool) as buffer:
        return fit(buffer, validate_on, preset, settings, start=plan.start, fabric=fabric)


def _refuse_impossible(data: Sequence[Path], simulated: DrawSimulated | None, mix: Mix | None) -> None:
    """Refuse what can't be trained on."""
    if data and simulated is not None:
        raise InputError(
            "Train either on a data set (--data) or straight from the simulator (--stream), not on both."
        )
    if not data and simulated is None:
        raise InputError("Training needs a data set (--data) or the simulator (--stream).")
    if not data and mix is not None:
        raise InputError("Simulated heads (--simulated) are mixed into a data set (--data); --stream has its own.")
    if simulated is not None and not simulated.anatomies:
        raise InputError(
            "Training straight from the simulator needs a folder of label maps (--anatomy);"
            " the MNI152 head is kept for the demo."
        )
