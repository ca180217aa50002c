r"""What each row costs on this machine: seconds and memory of searching one head, seconds of a training step.

    python benchmarks/cost.py measure --run prototypes=runs/prototypes-0 --run dynunet=runs/dynunet-0 \
        --cohort full --data data/full --cache cache --training-data data/train
    python benchmarks/cost.py table

Each row is measured in a process of its own, one after the other, on one thread: run it on an idle machine. Peak
memory is that of the whole process, with the scan. A run of 20 steps (`ablation.py train ROW --steps 20 ...`) does
for a row without a second stage; what that costs depends on how many candidates the first hands it, so give a
whole one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from cohort import HERE, cohort_named, commit, hardware
from learning import training_subjects
from microbleeds.atomic import atomic_file
from microbleeds.compute import Compute, choose
from microbleeds.errors import InputError
from microbleeds.networks.detector import Detector
from microbleeds.prepare import PreparationSpec
from microbleeds.report.run_record import peak_memory_mb
from microbleeds.training.batches import FixedSubjects, make_batch
from microbleeds.training.patches import PatchSource
from microbleeds.training.presets import Preset
from microbleeds.training.refinement import RefinementTraining
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trainer import RunSettings, Trainer
from pages import RESULTS_PAGE, write_part
from rows import DETECTOR, Row, read_plan
from scans import CachedScan, cached_scans
from search import searcher_of

RESULT = HERE / "results" / "ablation" / "cost.json"
WARM, MEASURED = 2, 6  # steps
SEARCHES = 3

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.command()
def measure(
    run: Annotated[list[str], typer.Option(help="ROW=FOLDER of a finished run; give one for each row.")],
    cohort: Annotated[str, typer.Option(help="Name of a definition in cohorts/.")],
    data: Annotated[Path, typer.Option(help="Folder of the cohort's scans.")],
    cache: Annotated[Path, typer.Option(help="Folder of prepared scans.")],
    training_data: Annotated[Path, typer.Option(help="Data set that steps are timed on.")],
    result: Annotated[Path, typer.Option(help="File of the figures.")] = RESULT,
) -> None:
    """Measure each row in a fresh process."""
    plan = read_plan()
    runs = {name: folder for name, _, folder in (text.partition("=") for text in run)}
    # Prepared here, so that no row's memory is that of preparing.
    for name in runs:
        _one_scan(plan.row(name), cohort, data, cache, choose("cpu"))
    figures = {}
    for name, folder in runs.items():
        arguments = ("one", name, folder, cohort, str(data), str(cache), str(training_data))
        figures[name] = in_fresh_process(f"row {name}", __file__, arguments)
    write_figures(result, "rows", figures)


def in_fresh_process(what: str, file: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a script on one thread and return the JSON of its last line.

    Raises:
        InputError: if it fails; ``what`` names what was measured.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, file, *arguments], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise InputError(f"The {what} could not be measured: {done.stderr.strip().splitlines()[-1:]}")
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(what, figures, flush=True)
    return figures


def write_figures(result: Path, name: str, figures: dict[str, dict[str, Any]]) -> None:
    """Write figures under a name, with what they were made on."""
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": {**hardware(), "threads": 1},
        name: figures,
    }
    with atomic_file(result) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@app.command(hidden=True)
def one(name: str, run: Path, cohort: str, data: Path, cache: Path, training_data: Path) -> None:
    """Measure one row in this process and print the figures as JSON."""
    plan = read_plan()
    row = plan.row(name)
    compute = choose("cpu", threads=1)
    searcher = searcher_of(row, run, compute)
    prepared = _one_scan(row, cohort, data, cache, compute).prepared(row.input)
    seconds = []
    for _ in range(SEARCHES):
        begin = time.perf_counter()
        searcher.search(prepared)
        seconds.append(time.perf_counter() - begin)
    memory = peak_memory_mb() or 0.0
    preset = plan.preset_of(row)
    subjects = training_subjects([training_data], cache, preset.preparation, row)[:8]
    step, share = _step_seconds(row, preset, subjects)
    figures = {
        "search_s": round(min(seconds), 2),
        "peak_memory_mb": round(memory),
        "step_s": round(step, 3),
        "share_of_data": round(share, 3),
        **_of_the_second_stage(preset, subjects),
        "parameters": searcher.facts()["parameters"],
        "compute": compute.describe(),
    }
    print(json.dumps(figures))


def _of_the_second_stage(preset: Preset, subjects: list[TrainingSubject]) -> dict[str, float]:
    """Seconds of a step of the second stage, empty where there is none."""
    if not preset.refines:
        return {}
    return {"second_step_s": round(refinement_step_seconds(preset, subjects, MEASURED), 3)}


def _one_scan(row: Row, cohort: str, data: Path, cache: Path, compute: Compute) -> CachedScan:
    """Return the scan that is searched, prepared."""
    magnitude = row.input == "magnitude"
    return cached_scans(
        cohort_named(cohort), data, cache, PreparationSpec(), compute, magnitude=magnitude, most=1
    )[0]


@app.command()
def table(
    result: Annotated[Path, typer.Option(help="File of the figures.")] = RESULT,
    page: Annotated[Path, typer.Option(help="Page that holds the table.")] = RESULTS_PAGE,
) -> None:
    """Make the table from the stored figures."""
    content = json.loads(result.read_text(encoding="utf-8"))
    plan = read_plan()
    lines = [
        "| method | parameters | searching a head | peak memory | training step of 4 crops | making crops |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in content["rows"].items():
        memory, share = row["peak_memory_mb"] / 1000, 100 * row["share_of_data"]
        second = f", {row['second_step_s']:.2f} s of the second stage" if "second_step_s" in row else ""
        lines.append(
            f"| {plan.row(name).label} | {row['parameters'] / 1e6:.2f} M | {row['search_s']:.1f} s "
            f"| {memory:.1f} GB | {row['step_s']:.2f} s{second} | {share:.0f} % |"
        )
    write_table("cost", lines, content, page)


def write_table(name: str, lines: Sequence[str], content: dict[str, Any], page: Path) -> None:
    """Write a table of figures into a page, and what they were made on below it."""
    machine = content["hardware"]
    made_on = f"{machine['processor']}, {machine['precision']}, torch {machine['torch']}"
    whole = [*lines, "", f"One thread of {made_on}, commit {content['commit']}."]
    write_part(name, whole, page)
    print("\n".join(whole))


def _step_seconds(row: Row, preset: Preset, subjects: list[TrainingSubject]) -> tuple[float, float]:
    """Mean seconds of a step, crops included, and the share of it that making crops takes."""
    if row.method == DETECTOR:
        return detector_step_seconds(preset, subjects, MEASURED)
    from peers.crops import draw_crops
    from peers.training import PeerTrainer

    peer = PeerTrainer(row.method, preset, 0, choose("cpu", threads=1))
    whole = _mean_seconds(lambda step: peer.take(subjects), range(WARM + MEASURED))
    crops = _mean_seconds(lambda step: draw_crops(subjects, {}, preset, (0, step, 0)), range(WARM + MEASURED))
    return whole, crops / whole


def detector_step_seconds(preset: Preset, subjects: list[TrainingSubject], measured: int) -> tuple[float, float]:
    """Mean seconds of a training step of the detector, and the share of it that making crops takes."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(preset, RunSettings(out=Path(folder), data="cost", device="cpu"))
        batches = [make_batch(subjects, {}, preset, (0, step, 0)) for step in range(WARM + measured)]
        network = _mean_seconds(trainer.take, batches)
    crops = _mean_seconds(lambda step: make_batch(subjects, {}, preset, (0, step, 0)), range(WARM + measured))
    return network + crops, crops / (network + crops)


def refinement_step_seconds(preset: Preset, subjects: list[TrainingSubject], measured: int) -> float:
    """Mean seconds of a training step of the second stage, with known mimics for false positives."""
    first = Detector(preset.architecture.first_stage).eval()
    training = RefinementTraining(first, preset, choose("cpu", threads=1), seed=0)
    patches = PatchSource(FixedSubjects(subjects), {s.name: s.mimics for s in subjects}, preset)
    return _mean_seconds(lambda _: training.learn(patches), range(WARM + measured))


def _mean_seconds(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Mean time of working on each item, the first few left out."""
    begin = 0.0
    for number, item in enumerate(items):
        if number == WARM:
            begin = time.perf_counter()
        work(item)
    return (time.perf_counter() - begin) / (len(items) - WARM)


if __name__ == "__main__":
    app()
