"""Go on from trained weights with a few labelled scans of one's own.

The network and the preparation are those of the weights. What was chosen by measurement stands at
:func:`finetune_preset` and in docs/fine-tuning.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from microbleeds.compute import Precision
from microbleeds.given import paths_of, refuse_below
from microbleeds.study import SignChoice
from microbleeds.training.apart import refuse_overlap
from microbleeds.training.joined import open_joined
from microbleeds.training.plan import Mix, Plan, carry_out, validation_sets
from microbleeds.training.presets import PRESETS, Preset
from microbleeds.training.run import split
from microbleeds.training.start import load_start
from microbleeds.training.trainer import RunSettings
from microbleeds.weights.card import Card


@dataclass(frozen=True)
class FinetuneSettings:
    """How far to go from the weights.

    Args:
        rate_factor: peak learning rate, as a share of that of the preset with which the weights were trained.
        steps: of the optimiser.
        validate_every: steps between validations.
        patience: end early after so many validations without a better one; 0 for never.
        frozen_norms: keep the statistics of the batch norms.
        refinement_steps: of the second stage, if the weights have one; with 0 it learns nothing.
    """

    rate_factor: float = 0.25
    steps: int = 300
    validate_every: int = 50
    patience: int = 3
    frozen_norms: bool = False
    refinement_steps: int = 150

    def __post_init__(self) -> None:
        refuse_below(1, steps=self.steps, steps_between_validations=self.validate_every)
        refuse_below(0, patience=self.patience, refinement_steps=self.refinement_steps)


def finetune(
    data: Path | Sequence[Path],
    out: Path,
    *,
    weights: str | Path | None = None,
    how: FinetuneSettings | None = None,
    mix: Mix | None = None,
    validation_data: Path | Sequence[Path] = (),
    validation_subjects: int = 6,
    time_limit_minutes: float | None = None,
    phase_sign: SignChoice = "auto",
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    devices: int = 1,
    workers: int = 1,
    cache: Path | None = None,
) -> Card:
    """Fine-tune weights on a folder of labelled scans; a run that exists in ``out`` is continued.

    Args:
        data: folder of labelled scans in any form of docs/your-data.md, or several.
        out: run folder.
        weights: a shipped name or a ``.safetensors`` file; the shipped default if ``None``.
        how: how far to go from them.
        mix: simulated heads to mix in, so that what the weights know is not forgotten.
        validation_data: other data sets for validation; otherwise up to a fifth of the subjects is held out.
        validation_subjects: at most so many scans of each data set.
        time_limit_minutes: of training over all resumed parts, without preparing subjects.
        phase_sign: how veins look in all phase files of ``data`` and ``validation_data``.
        seed: of everything random.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``bfloat16`` or ``float32``.
        devices: processes, each with a device of its own.
        workers: threads that make batches ahead, and processes that prepare subjects.
        cache: folder of prepared subjects; ``out/cache`` by default.

    Returns:
        The card of ``out/weights.safetensors``; its notes name the weights that it started from.

    Raises:
        InputError: if the data or the weights can't be used, a number can't be, folders hold one another, or
            ``out`` holds another run.
    """
    refuse_below(0, seed=seed, workers=workers, validation_subjects=validation_subjects)
    refuse_below(1, number_of_devices=devices)
    out, validation = Path(out), paths_of(validation_data)
    start, cache = load_start(weights), out / "cache" if cache is None else Path(cache)
    refuse_overlap(out, cache, paths_of(data), validation, mix.folder if mix else None)
    collection = open_joined(data, cache / "converted", phase_sign)
    kept = list(collection.scans)
    judged_on = validation_sets(validation, cache, validation_subjects, phase_sign)
    if not judged_on:
        kept, held = split(collection, validation_subjects)
        judged_on = [held]
    settings = RunSettings(
        out=out,
        data=collection.name,
        simulated=collection.simulated and start.card.training.simulated,
        seed=seed,
        time_limit_minutes=time_limit_minutes,
        device=device,
        precision=precision,
        devices=devices,
        workers=workers,
    )
    preset = finetune_preset(start.card, how or FinetuneSettings())
    return carry_out(Plan(preset, settings, kept, judged_on, cache, mix, start, phase_sign))


def finetune_preset(card: Card, how: FinetuneSettings) -> Preset:
    """The preset with which weights are fine-tuned: that of their training, gentler and shorter.

    Crops and losses are those of the preset that the card names, or else the default's; sides of crops are
    rounded up to what the network takes. The weights are judged before the first step, so that fine-tuning that
    does not help gives back what it started from, and hard negatives are sought then too.
    """
    base = PRESETS.get(card.training.based_on or card.training.preset, PRESETS["default"])
    stride = card.architecture.total_stride
    x, y, z = (-(-side // s) * s for side, s in zip(base.sampling.crop, stride, strict=True))
    return replace(
        base,
        name="finetune",
        based_on=base.name,
        architecture=card.architecture,
        preparation=card.preparation,
        # Without wide crops: what fine-tuning brings (docs/fine-tuning.md) was measured so.
        sampling=replace(base.sampling, crop=(x, y, z), share_wide=0.0, share_mined=0.25),
        losses=replace(base.losses, prototype_warmup=min(base.losses.prototype_warmup, how.steps // 4)),
        optimiser=replace(
            base.optimiser, rate=how.rate_factor * base.optimiser.rate, warmup_steps=20, average_decay=0.98
        ),
        steps=how.steps,
        validate_every=how.validate_every,
        mine_every=-(-how.steps // 2),
        patience=how.patience,
        at_start=True,
        frozen_norms=how.frozen_norms,
        search_window=card.search_window,
        checkpoint_every=min(base.checkpoint_every, how.validate_every),
        refinement=replace(
            base.refinement,
            steps=how.refinement_steps,
            search_subjects=48,
            optimiser=replace(
                base.refinement.optimiser,
                rate=how.rate_factor * base.refinement.optimiser.rate,
                warmup_steps=20,
                average_decay=0.98,
            ),
        ),
    )
