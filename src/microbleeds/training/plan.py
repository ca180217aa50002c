"""What a run is made of, and how it is carried out: prepare, claim the folder, train."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from microbleeds.errors import InputError
from microbleeds.given import make_paths
from microbleeds.study import SignChoice
from microbleeds.training.batches import FixedSubjects, MixedSubjects
from microbleeds.training.cache import Preparable, cached, scans_sha256
from microbleeds.training.collection import Collection, open_collection, spread
from microbleeds.training.loop import fit
from microbleeds.training.presets import Preset
from microbleeds.training.run_note import claim_folder
from microbleeds.training.start import Start
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trainer import RunSettings
from microbleeds.weights.card import Card

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mix:
    """Simulated heads that are mixed into a data set.

    Args:
        folder: data set of simulated scans.
        share: of crops that come from them, above 0 and below 1.
    """

    folder: Path
    share: float = 0.5

    def __post_init__(self) -> None:
        make_paths(self, "folder")
        if not 0 < self.share < 1:
            raise InputError(f"The share of simulated crops is {self.share:g}; give one above 0 and below 1.")


@dataclass(frozen=True, eq=False)
class Plan:
    """A run.

    Args:
        preset: what to do.
        settings: where and how.
        train_on: scans to learn from.
        validate_on: sets of scans to validate on; each has a folder of its own in the cache.
        cache: folder of prepared subjects.
        mix: simulated heads to mix in.
        start: weights to go on from.
        phase_sign: how veins look in all phase files.
        one_folder: keep scans to train and to validate on in one folder of the cache, since other runs share it
            that split them in another way.
    """

    preset: Preset
    settings: RunSettings
    train_on: Sequence[Preparable]
    validate_on: Sequence[Sequence[Preparable]]
    cache: Path
    mix: Mix | None = None
    start: Start | None = None
    phase_sign: SignChoice = "auto"
    one_folder: bool = False

    def folder(self, purpose: str) -> Path:
        """Folder of the cache for scans of one purpose: ``training``, ``validation``, ``validation-2``."""
        return self.cache / ("scans" if self.one_folder else purpose)

    @property
    def parent(self) -> str:
        """What the card says of the weights that the run goes on from."""
        return "" if self.start is None else f", going on from {self.start.card.name}"

    def asked(self, mixed: Sequence[Preparable] = ()) -> dict[str, object]:
        """What decides the run beside preset, seed and the data's name: the scans, how they are read, the rest."""
        learned_from = [self.train_on, *self.validate_on, mixed]
        asked: dict[str, object] = {
            "phase_sign": self.phase_sign,
            "scans": len(self.train_on),
            "microbleeds": sum(scan.bleeds() for scan in self.train_on),
            "scans_sha256": scans_sha256(learned_from),
        }
        if self.mix is not None:
            asked["simulated"] = {"data": self.mix.folder.name, "share": self.mix.share}
        if self.start is not None:
            asked["started_from"] = {"name": self.start.card.name, "sha256": self.start.card.sha256}
        return asked


def carry_out(plan: Plan) -> Card:
    """Run a plan, or go on with it.

    With several processes the first comes here alone and prepares; Fabric starts the others afterwards, and they
    find all prepared.

    Raises:
        InputError: if the run folder holds another run, be it of other scans, or a scan can't be prepared.
    """
    settings, spec = plan.settings, plan.preset.preparation
    if not plan.train_on:
        raise InputError("No scan is left to train on; give more subjects.")
    mixed = opened_mix(plan.mix, plan.cache)
    claim_folder(
        settings.out,
        plan.preset,
        settings.seed,
        settings.data,
        more=plan.asked(() if mixed is None else mixed.scans),
    )
    validate_on = opened(plan)
    own = cached(plan.train_on, plan.folder("training"), spec, settings.workers)
    bleeds = sum(len(subject.bleeds) for subject in own)
    log.info("%d scans with %d visible bleeds, %d to validate", len(own), bleeds, len(validate_on))
    if plan.mix is None or mixed is None:
        settings = replace(settings, data=settings.data + plan.parent)
        return fit(FixedSubjects(own), validate_on, plan.preset, settings, plan.start)
    simulated = cached(mixed.scans, plan.cache / "simulated", spec, settings.workers)
    log.info("%d simulated scans are mixed in", len(simulated))
    source = MixedSubjects(own, [replace(s, name=f"mixed in: {s.name}") for s in simulated], plan.mix.share)
    kind = "simulated scans" if mixed.simulated else "scans"
    text = f"mixed with {len(simulated)} {kind} ({mixed.name}) in {plan.mix.share:.0%} of the crops"
    settings = replace(
        settings,
        data=f"{settings.data}, {text}{plan.parent}",
        simulated=settings.simulated and mixed.simulated,
    )
    return fit(source, validate_on, plan.preset, settings, plan.start)


def opened_mix(mix: Mix | None, cache: Path) -> Collection | None:
    """The simulated heads to mix in, if there are any; ``cache`` is that of the run."""
    return None if mix is None else open_collection(mix.folder, cache / "converted")


def opened(plan: Plan) -> list[TrainingSubject]:
    """Prepared validation subjects of all sets."""
    subjects, several = [], len(plan.validate_on) > 1
    for number, scans in enumerate(plan.validate_on, 1):
        purpose = "validation" if number == 1 else f"validation-{number}"
        found = cached(scans, plan.folder(purpose), plan.preset.preparation, plan.settings.workers)
        subjects += [replace(s, name=f"{number}/{s.name}") if several else s for s in found]
    if not subjects:
        log.warning("There is NO VALIDATION DATA: scores won't be calibrated, and the last weights are taken.")
    return subjects


def validation_sets(
    folders: Sequence[Path], cache: Path, most: int, phase_sign: SignChoice = "auto"
) -> list[list[Preparable]]:
    """At most ``most`` scans of each data set that is given to validate on."""
    opened_sets = [open_collection(folder, cache / "converted", phase_sign) for folder in folders]
    return [spread(collection.scans, most) for collection in opened_sets]
