"""What one training of the ablation is: a row, with which settings, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from microbleeds.compute import Precision
from microbleeds.training.presets import Preset
from rows import Row


@dataclass(frozen=True)
class Run:
    """One training of the ablation.

    Args:
        row: what is trained.
        preset: with which settings.
        seed: of everything random.
        out: folder of the run.
        precision: of the convolutions.
        workers: threads that make crops ahead; 0 makes them in line, on one core with all else.
    """

    row: Row
    preset: Preset
    seed: int
    out: Path
    precision: Precision = "auto"
    workers: int = 0
