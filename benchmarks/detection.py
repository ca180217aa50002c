"""Benchmark of the detector: build a cohort, search every scan, score what was found.

    python benchmarks/detection.py build paper --anatomy FOLDER --data data/paper
    python benchmarks/detection.py score paper --data data/paper

`build` needs the public label maps (README, "Data"); `score` writes benchmarks/results/detection-paper.json with
the commit, seeds and hardware. Both go on where an earlier call stopped.
"""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.evaluate import Interval, Scores, evaluate_cohort, read_cases
from microbleeds.pipeline import Request, run
from microbleeds.simulate.cohort import CohortSettings, simulate_cohort
from microbleeds.weights import load_detector

HERE = Path(__file__).parent
app = typer.Typer(add_completion=False, help=__doc__)


@dataclass(frozen=True)
class Part:
    """A data set of the cohort: with or without microbleeds."""

    name: str
    subjects: int
    burden: str
    seed: int
    scans_per_head: int = 1


@dataclass(frozen=True)
class Cohort:
    """A cohort definition of benchmarks/cohorts."""

    name: str
    about: str
    anatomies: list[str]
    protocol: str
    profile: str
    parts: list[Part]


def cohort_named(name: str) -> Cohort:
    """Read a cohort definition."""
    content = json.loads((HERE / "cohorts" / f"{name}.json").read_text(encoding="utf-8"))
    return Cohort(**{**content, "parts": [Part(**part) for part in content["parts"]]})


Data = Annotated[Path, typer.Option(help="Folder of the cohort's scans.")]


@app.command()
def build(
    name: str,
    data: Data,
    anatomy: Annotated[Path, typer.Option(help="Folder of the label maps.")],
    jobs: Annotated[int, typer.Option(min=1, help="Processes side by side.")] = 1,
) -> None:
    """Simulate the cohort."""
    cohort = cohort_named(name)
    missing = [file for file in cohort.anatomies if not (anatomy / file).exists()]
    if missing:
        raise InputError(f"The folder {anatomy} lacks {', '.join(missing)}.")
    for part in cohort.parts:
        if (data / part.name / "participants.tsv").exists():
            continue
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
    weights: Annotated[Path | None, typer.Option(help="Instead of the shipped weights.")] = None,
    use: Annotated[str, typer.Option(help="swi+phase, swi, magnitude+phase or magnitude.")] = "swi+phase",
    operating_point: Annotated[str, typer.Option(help="balanced or screening.")] = "balanced",
    results: Annotated[Path, typer.Option(help="Folder of the result.")] = HERE / "results",
) -> None:
    """Search every scan of the cohort and score the findings."""
    cohort = cohort_named(name)
    card = load_detector(weights).card
    found = data / "found" / f"{card.sha256[:8]}-{use}-{operating_point}"
    cases = []
    for part in cohort.parts:
        _search(data / part.name, found / part.name, weights, use, operating_point)
        cases += read_cases(found / part.name, data / part.name)
    scores = evaluate_cohort(cases, repeats=2000)
    suffix = "" if use == "swi+phase" else f"-{use}"
    path = results / f"detection-{name}{suffix}.json"
    _write(path, cohort, card.name, card.sha256, use, operating_point, scores)
    Console().print(_table(scores))
    print(f"Scores: {path}")


def _search(data: Path, out: Path, weights: Path | None, use: str, operating_point: str) -> None:
    """Run the whole program on every scan of a data set."""
    for anat in track(sorted(data.glob("sub-*/anat")), description=data.name):
        subject = anat.parent.name
        if (out / subject / "findings.json").exists():
            continue
        files = {
            "swi": anat / f"{subject}_swi.nii.gz",
            "magnitude": anat / f"{subject}_part-mag_GRE.nii.gz",
            "phase": anat / f"{subject}_part-phase_GRE.nii.gz",
        }
        inputs = {role: files[role] for role in use.split("+")}
        run(
            Request(
                out=out / subject,
                operating_point=operating_point,  # type: ignore[arg-type]
                weights=weights,
                overwrite=True,
                **inputs,  # type: ignore[arg-type]
            )
        )


def _write(
    path: Path, cohort: Cohort, model: str, sha256: str, use: str, operating_point: str, scores: Scores
) -> None:
    content = {
        "notice": "Simulated scans. No real microbleed stands behind any number here.",
        "command": f"python benchmarks/detection.py score {cohort.name} --data DATA --use {use}",
        "cohort": cohort.name,
        "about": cohort.about,
        "seeds": {part.name: part.seed for part in cohort.parts},
        "input": use,
        "operating_point": operating_point,
        "model": model,
        "model_sha256": sha256,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "package_version": __version__,
        "hardware": hardware(),
        "scores": scores.to_dict(),
    }
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def commit() -> str:
    """The commit of the checkout, with a mark where files differ from it."""
    result = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or "unknown"


def hardware() -> dict[str, object]:
    """What the numbers were made on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {"processor": model, "threads": torch.get_num_threads(), "torch": torch.__version__}


def _table(scores: Scores) -> Table:
    table = Table("", *(f"hit within {r.radius_mm:g} mm" for r in scores.radii))
    for field in (
        "sensitivity",
        "precision",
        "f1",
        "false_positives_per_subject",
        "false_positives_per_negative_subject",
    ):
        table.add_row(field.replace("_", " "), *(interval_text(getattr(r.operating, field)) for r in scores.radii))
    for number in scores.radii[0].sensitivity_at:
        table.add_row(
            f"sensitivity at {number} FP per subject",
            *(interval_text(r.sensitivity_at[number]) for r in scores.radii),
        )
    return table


def interval_text(interval: Interval) -> str:
    """A value with its interval."""
    if interval.value is None or interval.low is None or interval.high is None:
        return "n/a"
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


if __name__ == "__main__":
    app()
