r"""Benchmark of the detector: build a cohort, search every scan, score what was found.

    python benchmarks/detection.py build paper --anatomy FOLDER --data data/paper
    python benchmarks/detection.py score paper --data data/paper
    python benchmarks/detection.py calibrate validation --data data/validation --weights run/weights.safetensors
    python benchmarks/detection.py calibrate validation --data data/validation --weights run/weights.safetensors \
        --use swi

`build` needs the public label maps (README, "Data"). `score` writes benchmarks/results/ with the commit, seeds and
hardware. `calibrate` fits the scores and the operating points of new weights on the validation heads, through the
whole program, and writes them into the weights' card; with `--use swi`, afterwards, those of scans without phase.
Findings of the same commit and weights are not made again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cohort import HERE, Cohort, cohort_named, commit, hardware
from interval_text import number_text
from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.evaluate import Case, Scores, evaluate_cohort, match
from microbleeds.report.run_record import sha256_of
from microbleeds.simulate.cohort import CohortSettings, simulate_cohort
from microbleeds.simulate.dataset import read_participants
from microbleeds.training.calibrate import scoring_of
from microbleeds.training.scoring import SubjectScore, curve_of, summary
from microbleeds.training.trainer import raw_floor
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS
from microbleeds.weights.card import Calibration, Card, OperatingPoints
from microbleeds.weights.store import save_weights
from program import made_by, search_all

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Data = Annotated[Path, typer.Option(help="Folder of the cohort's scans.")]
Weights = Annotated[Path | None, typer.Option(help="Instead of the shipped weights.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes side by side.")]


@app.command()
def build(
    name: str,
    data: Data,
    anatomy: Annotated[Path, typer.Option(help="Folder of the label maps.")],
    jobs: Jobs = 1,
) -> None:
    """Simulate the cohort; a part that was broken off is made anew, one that is whole is kept."""
    cohort = cohort_named(name)
    missing = [file for file in cohort.anatomies if not (anatomy / file).exists()]
    if missing:
        raise InputError(f"The folder {anatomy} lacks {', '.join(missing)}.")
    for part in cohort.parts:
        if len(read_participants(data / part.name)) == part.subjects:
            continue
        shutil.rmtree(data / part.name, ignore_errors=True)
        simulate_cohort(
            data / part.name,
            subjects=part.subjects,
            seed=part.seed,
            settings=CohortSettings(cohort.protocol, cohort.profile, part.burden, part.scans_per_head),
            anatomies=[anatomy / file for file in cohort.anatomies],
            jobs=jobs,
            progress=lambda done, total, part=part: print(f"{part.name}: {done} of {total}", flush=True),
        )


@app.command()
def score(
    name: str,
    data: Data,
    weights: Weights = None,
    use: Annotated[str, typer.Option(help="swi+phase, swi, magnitude+phase or magnitude.")] = "swi+phase",
    operating_point: Annotated[str, typer.Option(help="balanced or screening.")] = "balanced",
    jobs: Jobs = 1,
    results: Annotated[Path, typer.Option(help="Folder of the result.")] = HERE / "results",
) -> None:
    """Search every scan of the cohort and score the findings."""
    cohort, card = cohort_named(name), load_detector(weights).card
    scores = evaluate_cohort(_cases(cohort, data, weights, use, operating_point, jobs), repeats=2000)
    path = results / f"detection-{name}-{card.name}-{use}-{operating_point}.json"
    content = {
        "notice": "Simulated scans: no real microbleed stands behind any number. Intervals are over heads; "
        "all are deformations of the heads named, so they understate what another head would change.",
        "command": f"python benchmarks/detection.py score {name} --data DATA --use {use} "
        f"--operating-point {operating_point}" + ("" if weights is None else f" --weights {weights.name}"),
        "cohort": name,
        "about": cohort.about,
        "heads": cohort.anatomies,
        "seeds": {part.name: part.seed for part in cohort.parts},
        "input": use,
        "operating_point": operating_point,
        "model": card.name,
        "model_sha256": card.sha256,
        "anatomy_sha256": sha256_of(ANATOMY_WEIGHTS),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "package_version": __version__,
        "hardware": hardware(),
        "scores": scores.to_dict(),
    }
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    Console().print(_table(scores))
    print(f"Scores: {path}")


@app.command()
def calibrate(
    name: str,
    data: Data,
    weights: Annotated[Path, typer.Option(help="Weights whose card gets the calibration.")],
    keep_scores: Annotated[
        bool, typer.Option("--keep-scores", help="Keep the card's calibration; choose operating points alone.")
    ] = False,
    use: Annotated[
        str, typer.Option(help="swi+phase, or then swi: calibration and operating points of scans without phase.")
    ] = "swi+phase",
    jobs: Jobs = 1,
) -> None:
    """Fit calibration and operating points on a validation cohort and write them into the weights' card."""
    if name != "validation":
        raise InputError(f"The cohort {name} is for tests; thresholds are chosen on the cohort validation alone.")
    if use not in ("swi+phase", "swi"):
        raise InputError(f"Scores are calibrated with swi+phase or swi, not with {use!r}.")
    cohort, loaded = cohort_named(name), load_detector(weights)
    # Nothing counts at a score of 1, so nothing is looked at again, which would cost most of the time and is not
    # needed here; candidates are stored from half the screening point on.
    points = OperatingPoints(balanced=1.0, screening=2 * raw_floor(loaded.model))
    uncalibrated = {"calibration": Calibration(), "operating_points": points, "without_phase": None}
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "weights.safetensors"
        save_weights(plain, loaded.model, loaded.card.model_copy(update=uncalibrated))
        cases = _cases(cohort, data, plain, use, "balanced", jobs)
    card = _calibrated(loaded.card, [_scored(case) for case in cases], use == "swi+phase", keep_scores)
    with atomic_file(weights.with_suffix(".json")) as partial:
        partial.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(json.dumps({**card.scores, **card.scoring(with_phase=use != "swi").model_dump()}, indent=1))


def _calibrated(card: Card, scored: Sequence[SubjectScore], with_phase: bool, keep_scores: bool) -> Card:
    """Fit what the card says of scans with phase (and forget what else it says of scores), or of those without."""
    kept = card.scoring(with_phase=with_phase).calibration if keep_scores else None
    scoring = scoring_of(scored, with_phase=with_phase, calibration=kept)
    prefix = "validation_" if with_phase else "validation_without_phase_"
    figures = {f"{prefix}{key}": round(value, 4) for key, value in summary(curve_of(scored)).items()}
    if with_phase:
        return card.model_copy(update={**dict(scoring), "without_phase": None, "scores": figures})
    return card.model_copy(update={"without_phase": scoring, "scores": card.scores | figures})


def _scored(case: Case) -> SubjectScore:
    """Candidates that their place does not rule out, matched with the truth."""
    found = case.predictions
    allowed = ~found.ruled_out
    positions, scores = found.positions_mm[allowed], found.scores[allowed]
    matched = match(positions, scores, case.truth.counted_mm, case.truth.ignored_mm)
    return SubjectScore(case.name, positions, scores, matched)


def _cases(
    cohort: Cohort, data: Path, weights: Path | None, use: str, operating_point: str, jobs: int
) -> list[Case]:
    """Search all parts of a cohort and read what was found."""
    found = data / "found" / f"{made_by(weights)}-{use}-{operating_point}"
    cases: list[Case] = []
    for part in cohort.parts:
        cases += search_all(
            data / part.name,
            found / part.name,
            part.subjects,
            weights=weights,
            use=use,
            operating_point=operating_point,
            jobs=jobs,
        )
    return cases


def _table(scores: Scores) -> Table:
    fields = (
        "sensitivity",
        "precision",
        "f1",
        "false_positives_per_subject",
        "false_positives_per_negative_subject",
    )
    table = Table("", *(f"hit within {r.radius_mm:g} mm" for r in scores.radii))
    for field in fields:
        table.add_row(field.replace("_", " "), *(number_text(getattr(r.operating, field)) for r in scores.radii))
    for number in scores.radii[0].sensitivity_at:
        row = (number_text(r.sensitivity_at[number]) for r in scores.radii)
        table.add_row(f"sensitivity at {number} FP per subject", *row)
    return table


if __name__ == "__main__":
    app()
