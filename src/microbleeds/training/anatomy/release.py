"""From a folder of label maps to the weights and the card of the anatomy network."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from torch import Tensor

from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import SPACING_MM
from microbleeds.segmentation.volumes import ranges_of, volumes_ml
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.training.anatomy.examples import Sources, load_sources
from microbleeds.training.anatomy.loop import AnatomyTraining, minutes_spent, train_network
from microbleeds.training.anatomy.scores import score_network
from microbleeds.weights.anatomy_card import AnatomyCard
from microbleeds.weights.anatomy_store import load_anatomy, save_anatomy

logger = logging.getLogger(__name__)

TRAINING_HEADS = 10
VALIDATION_HEADS = 3
VALIDATION_DRAWS = 6
VARIANTS = 3  # heads drawn from each label map

NOTES = (
    "Trained and scored on simulated images of 16 adult heads; no real scan was seen in training. Lobes and deep "
    "white matter follow rules in MNI152, not a reader's hand. Not a medical device."
)


def train_anatomy(
    anatomies: Path,
    out: Path,
    settings: AnatomyTraining | None = None,
    data: Path | None = None,
    start: Path | None = None,
    training_heads: int = TRAINING_HEADS,
    validation_heads: int = VALIDATION_HEADS,
    validation_draws: int = VALIDATION_DRAWS,
) -> AnatomyCard:
    """Train on the first heads of a folder, score on the next, and write ``out/anatomy.safetensors`` and card.

    What comes after (three heads of sixteen) stays unseen, for tests. An interrupted call goes on from
    ``out/anatomy.checkpoint`` when it is repeated.

    Args:
        anatomies: folder of label maps that :func:`microbleeds.simulate.label_maps.load_label_map` reads.
        out: folder of the result, made if it is absent.
        settings: of the training.
        data: simulated scans of the training heads to learn from as well; without them the network sees painted
            heads alone.
        start: weights to go on from instead of random ones; the widths are then theirs.
        training_heads: maps to train on, in order of their names.
        validation_heads: maps to score on.
        validation_draws: images of each of these.

    Raises:
        InputError: if the folder holds too few label maps, or scans come from heads that are not trained on.
    """
    anatomies, out, data = Path(anatomies), Path(out), None if data is None else Path(data)
    settings = settings or AnatomyTraining()
    files = sorted(anatomies.glob("*.nii.gz"))
    if len(files) < training_heads + validation_heads:
        raise InputError(
            f"The folder {anatomies} holds {len(files)} label maps (*.nii.gz) where "
            f"{training_heads + validation_heads} are needed; pass a fuller folder."
        )
    if data is not None:
        _refuse_other_heads(data, [file.name.removesuffix(".nii.gz") for file in files[:training_heads]])
    out.mkdir(parents=True, exist_ok=True)
    settings = replace(settings, sources=_named(files[:training_heads], data))
    before = None if start is None else load_anatomy(start)
    if before is not None:
        settings = replace(
            settings,
            channels=before[1].channels,
            last_channels=before[1].last_channels,
            coordinates=before[1].coordinates,
            start=before[1].sha256,
        )
    sources = load_sources(files[:training_heads], data, VARIANTS, settings.seed)
    network = train_network(
        sources,
        out / "anatomy.checkpoint",
        settings,
        lambda parts: logger.info("%s", parts),
        None if before is None else before[0].state_dict(),
    )
    held_out = [load_label_map(f) for f in files[training_heads : training_heads + validation_heads]]
    card = AnatomyCard(
        name=f"anatomy-{settings.steps}",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        channels=settings.channels,
        last_channels=settings.last_channels,
        coordinates=settings.coordinates,
        volume_ranges_ml=ranges_of(_volumes(sources)),
        training_data=_describe(files, training_heads, validation_heads, len(sources.scans))
        + ("" if before is None else f" Started from the weights {before[1].name} ({before[1].sha256[:8]})."),
        steps=settings.steps,
        minutes=round(minutes_spent(out / "anatomy.checkpoint"), 1),
        seed=settings.seed,
        scores=score_network(network, held_out, validation_draws, choose(settings.device)),
        notes=NOTES,
    )
    return save_anatomy(network, card, out / "anatomy.safetensors")


def _refuse_other_heads(data: Path, trained: Sequence[str]) -> None:
    """Refuse scans of heads that scores or tests need unseen.

    Raises:
        InputError: if there is one, or the data set does not say whose head each scan shows.
    """
    table = data / "participants.tsv"
    if not table.exists():
        raise InputError(f"The folder {data} lacks participants.tsv; give a data set of `microbleeds simulate`.")
    with table.open(encoding="utf-8", newline="") as file:
        heads = {row.get("anatomy") or "an unnamed head" for row in csv.DictReader(file, delimiter="\t")}
    other = sorted(heads - set(trained))
    if other:
        raise InputError(
            f"The folder {data} holds scans of {', '.join(other[:3])}, which this training keeps for scores; "
            f"simulate scans of {trained[0]} to {trained[-1]} instead."
        )


def _named(files: Sequence[Path], data: Path | None) -> str:
    """Return the sha256 of what names the label maps and scans, so that a checkpoint knows its own."""
    named = [f"{file.name} {file.stat().st_size}" for file in files]
    if data is not None:
        tables = [data / "participants.tsv", data / "dataset_description.json"]
        named += [hashlib.sha256(table.read_bytes()).hexdigest() for table in tables if table.is_file()]
        named += sorted(path.name for path in data.glob("sub-*"))
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def _volumes(sources: Sources) -> Iterator[Mapping[str, float]]:
    """Yield the volumes of the structures of each head and scan."""
    for head in sources.heads:
        yield volumes_ml(head.regions.numpy(), Grid(_shape(head.regions), np.eye(4))).whole
    for scan in sources.scans:
        yield volumes_ml(scan.regions.numpy(), Grid(_shape(scan.regions), np.diag([*SPACING_MM, 1.0]))).whole


def _shape(volume: Tensor) -> tuple[int, int, int]:
    """Return the shape of a volume."""
    i, j, k = volume.shape
    return i, j, k


def _describe(files: list[Path], training: int, validation: int, scans: int) -> str:
    """Return a sentence that names the heads and counts the scans."""
    seen = ", ".join(file.name.removesuffix(".nii.gz") for file in files[:training])
    scored = ", ".join(file.name.removesuffix(".nii.gz") for file in files[training : training + validation])
    return (
        f"Images of random contrast painted from the label maps {seen} (training) and {scored} (painted scores), "
        f"and {scans} simulated scans of the training heads; "
        "BBillot/SynthSeg data/training_label_maps, Apache-2.0."
    )
