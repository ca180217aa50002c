"""Folds of a cross-validation: deterministic, alike in burden, and never through a subject."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError


def assign_folds(burdens: Mapping[str, int], folds: int, seed: int) -> dict[str, int]:
    """Deal subjects out to folds.

    Subjects are sorted by their number of microbleeds and each run of ``folds`` neighbours is dealt out at random,
    one to each fold: sizes differ by one subject at most, and each fold gets its share of every burden.

    Args:
        burdens: subject (or simulated head) to its number of microbleeds.
        folds: how many, from 2 on.
        seed: of the dealing.

    Returns:
        Subject to fold, 1 to ``folds``; the same for the same arguments, whatever the order of subjects.

    Raises:
        InputError: if there are fewer subjects than folds, or fewer than two folds.
    """
    if folds < 2:
        raise InputError(f"A cross-validation needs two folds or more, got {folds}.")
    if len(burdens) < folds:
        raise InputError(f"{len(burdens)} subjects can't be dealt out to {folds} folds; ask for fewer folds.")
    generator = np.random.default_rng(seed)
    ordered = sorted(burdens, key=lambda name: (-burdens[name], name))
    dealt: dict[str, int] = {}
    for first in range(0, len(ordered), folds):
        order = generator.permutation(folds) + 1
        dealt |= {name: int(fold) for name, fold in zip(ordered[first : first + folds], order, strict=False)}
    return {name: dealt[name] for name in sorted(dealt)}


def claim_folds(path: Path, folds: Mapping[str, int], asked: Mapping[str, object]) -> None:
    """Note the folds and what was asked, or check that both are as noted before.

    Raises:
        InputError: if they are not: scans or labels have changed, or something else is asked.
    """
    content = {**asked, "folds_of": dict(folds)}
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(content)):
            raise InputError(
                f"{path.parent} holds a cross-validation of other subjects, labels or settings; choose another."
            )
        return
    if path.parent.exists() and any(
        p.name not in ("cache", path.name) and ".partial-" not in p.name for p in path.parent.iterdir()
    ):
        raise InputError(f"{path.parent} exists and is no cross-validation; choose another folder.")
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
