"""Options that the verbs that train share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microbleeds.cli.choices import PhaseSign
from microbleeds.extras import require

if TYPE_CHECKING:
    from microbleeds.training.plan import Mix

_DATA = typer.Option(help="Folder of labelled scans, in any form that check-data reads; may be given again.")
Data = Annotated[list[Path], _DATA]
OptionalData = Annotated[list[Path] | None, _DATA]
Run = Annotated[Path, typer.Option(help="Folder of the run; one that exists is continued.")]
Simulated = Annotated[Path | None, typer.Option(help="Data set of simulated heads to mix into the data.")]
Share = Annotated[float, typer.Option(help="With --simulated: share of the crops.")]
ValidationData = Annotated[
    list[Path] | None,
    typer.Option(help="Folder to validate on, may be given again; else up to a fifth is held out."),
]
ValidationSubjects = Annotated[int, typer.Option(min=0, help="At most so many scans, of each folder.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Of the optimiser, instead of the default.")]
FirstStageSteps = Annotated[
    int | None,
    typer.Option(
        min=0, help="Of the optimiser, instead of the default; with --weights, 0 for the second stage alone."
    ),
]
Patience = Annotated[
    int, typer.Option(min=0, help="End early after so many validations without a better one; 0 for never.")
]
Minutes = Annotated[
    float | None, typer.Option(min=0.0, help="Finish within this time, over all parts of the run.")
]
Sign = Annotated[
    PhaseSign, typer.Option(help="How veins look in the phase files; auto derives it from each scan.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Devices = Annotated[int, typer.Option(min=1, help="Processes, each with a device of its own.")]
FreezeNorms = Annotated[bool, typer.Option("--freeze-norms", help="Keep the statistics of the norms.")]
Weights = Annotated[Path | None, typer.Option(help="Weights (.safetensors) to start from, not the shipped.")]
Variant = Annotated[
    str | None,
    typer.Option(help="proposal, +fusion, +prototypes or +refinement; all of the preset's if not given."),
]
RefinementSteps = Annotated[
    int | None,
    typer.Option(min=0, help="Of the second stage, instead of the default; 0 leaves it out or as it is."),
]
Preset = Annotated[str, typer.Option(help="default, or kim2023 for the paper's settings.")]


def begin_training() -> None:
    """Refuse before any work what would miss a package; say on the screen what the run says.

    Raises:
        InputError: if packages of the ``train`` extra are missing.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    require("train", "Training needs")  # what trains imports some of them after all data has been prepared


def mixed_in(simulated: Path | None, share: float) -> Mix | None:
    """What ``--simulated`` and ``--simulated-share`` mean."""
    from microbleeds.training.plan import Mix

    return None if simulated is None else Mix(simulated, share)
