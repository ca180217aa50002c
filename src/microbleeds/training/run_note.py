"""``run.json`` of a run folder: what was asked, so that another run can't go on in it, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.training.presets import Preset

NAME = "run.json"
OUTCOMES = ("speed",)  # what a run adds; all else was asked


def noted(preset: Preset) -> dict[str, object]:
    """What a note says of a preset: all of it that a user may choose."""
    return {
        "preset": preset.name,
        "architecture": preset.architecture.model_dump(mode="json"),
        "preparation": preset.preparation.model_dump(mode="json"),
        "steps": preset.steps,
        "validate_every": preset.validate_every,
        "patience": preset.patience,
        "rate": preset.optimiser.rate,
        "frozen_norms": preset.frozen_norms,
        "refinement_steps": preset.refinement.steps if preset.refines else 0,
    }


def claim_folder(
    out: Path,
    preset: Preset,
    seed: int,
    source: str,
    stream: Mapping[str, object] | None = None,
    more: Mapping[str, object] | None = None,
) -> None:
    """Note in ``out`` what is asked, or check that the same was asked before.

    Args:
        out: run folder.
        preset: with its variant.
        seed: of the run.
        source: name of the data.
        stream: what the simulator draws, when it does.
        more: what else decides the run: the weights it starts from, what is mixed in.

    Raises:
        InputError: if the folder holds something else.
    """
    asked: dict[str, object] = {
        **noted(preset),
        "seed": seed,
        "data": source,
        **(more or {}),
    }
    if stream is not None:
        asked["stream"] = dict(stream)
    if (out / NAME).exists():
        before = {name: value for name, value in _read(out).items() if name not in OUTCOMES}
        if before != json.loads(json.dumps(asked)):
            raise InputError(
                f"{out} holds a run of other scans, other labels or other settings; choose another folder."
            )
        _sweep(out)
        return
    # A half-written note is that of another process of the same run.
    if out.exists() and any(p.name not in ("cache", NAME) and ".partial-" not in p.name for p in out.iterdir()):
        raise InputError(f"{out} exists and is no training run; choose another folder.")
    _write(out, asked)


def note_in_run(out: Path, outcome: Mapping[str, object]) -> None:
    """Add to the note of a run what came of it; a folder without a note is left alone."""
    if (out / NAME).exists():
        _write(out, {**_read(out), **outcome})


def _read(out: Path) -> dict[str, Any]:
    """Read the note.

    Raises:
        InputError: if it is damaged.
    """
    try:
        content = json.loads((out / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The note {out / NAME} is damaged; choose another folder.") from error
    if not isinstance(content, dict):
        raise InputError(f"The note {out / NAME} is damaged; choose another folder.")
    return content


def _write(out: Path, content: Mapping[str, object]) -> None:
    with atomic_file(out / NAME) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _sweep(out: Path) -> None:
    """Remove what a killed run was writing: a checkpoint of 30 MB each time."""
    for left_over in out.glob(".partial-*"):
        left_over.unlink(missing_ok=True)
