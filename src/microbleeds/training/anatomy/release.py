"""From a folder of label maps to the weights and the card of the anatomy network."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from pathlib import Path

from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.training.anatomy.loop import AnatomyTraining, load_heads, train_network
from microbleeds.training.anatomy.scores import score_network
from microbleeds.weights.anatomy_card import AnatomyCard, save_anatomy

logger = logging.getLogger(__name__)

TRAINING_HEADS = 10
VALIDATION_HEADS = 3
VALIDATION_DRAWS = 10

NOTES = (
    "Trained and scored on images drawn from label maps of 16 adult heads; no real scan was seen in training. "
    "Regions are coarse: borders are right within about 2-4 mm. Not a medical device."
)


def train_anatomy(
    anatomies: Path,
    out: Path,
    settings: AnatomyTraining | None = None,
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
        training_heads: maps to train on, in order of their names.
        validation_heads: maps to score on.
        validation_draws: images of each of these.

    Raises:
        InputError: if the folder holds too few label maps.
    """
    settings = settings or AnatomyTraining()
    files = sorted(anatomies.glob("*.nii.gz"))
    if len(files) < training_heads + validation_heads:
        raise InputError(
            f"The folder {anatomies} holds {len(files)} label maps (*.nii.gz) where "
            f"{training_heads + validation_heads} are needed; pass a fuller folder."
        )
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    heads = load_heads(files[:training_heads])
    network = train_network(heads, out / "anatomy.checkpoint", settings, lambda parts: logger.info("%s", parts))
    minutes = (time.monotonic() - started) / 60
    held_out = [load_label_map(f) for f in files[training_heads : training_heads + validation_heads]]
    card = AnatomyCard(
        name=f"anatomy-{settings.steps}",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        training_data=_describe(files, training_heads, validation_heads),
        steps=settings.steps,
        minutes=round(minutes, 1),
        seed=settings.seed,
        scores=score_network(network, held_out, validation_draws, choose(settings.device)),
        notes=NOTES,
    )
    return save_anatomy(network, card, out / "anatomy.safetensors")


def _describe(files: list[Path], training: int, validation: int) -> str:
    """Return a sentence that names the heads."""
    seen = ", ".join(file.name.removesuffix(".nii.gz") for file in files[:training])
    scored = ", ".join(file.name.removesuffix(".nii.gz") for file in files[training : training + validation])
    return (
        f"Images of random contrast drawn from the label maps {seen} (training) and {scored} (scores); "
        "BBillot/SynthSeg data/training_label_maps, Apache-2.0."
    )
