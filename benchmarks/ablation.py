r"""Ablation and comparison: the parts of the method one by one, less input, and other methods on the same crops.

    python benchmarks/ablation.py rows
    python benchmarks/ablation.py train proposal --seed 0 --data data/train --cache cache --out runs/proposal-0
    python benchmarks/ablation.py score proposal --run runs/proposal-0 --cohort validation \
        --data data/validation --cache cache
    python benchmarks/ablation.py score proposal --run runs/proposal-0 --cohort paper \
        --data data/paper --cache cache
    python benchmarks/ablation.py table --cohort paper

or all of it, going on where it was broken off:

    python benchmarks/ablation.py everything --data data/train --data data/train2 --validation data/validation \
        --cohort paper --cohort-data data/paper --cache cache --runs runs

Scans are those of `detection.py build train --anatomy FOLDER --data data`, `detection.py build validation
--anatomy FOLDER --data data/validation` and so on. Rows are data (`ablation.json`). A run's candidates go to
`results/ablation/`, one file per row, seed and cohort; `table` chooses each run's threshold on the cohort
`validation` and writes docs/results.md and a FROC picture.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Collection
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich.progress import track

from ablation_run import Run
from ablation_table import curve_lines, markdown, rows_with_figures
from cohort import HERE, Cohort, cohort_named, commit, hardware
from found import Found, FoundScan, judged, surest, write_found
from froc_picture import froc_svg
from learning import label_maps, train_row
from microbleeds.atomic import atomic_file
from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.localise import localise
from microbleeds.report.run_record import sha256_of
from microbleeds.scan import Candidate
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS
from pages import IMAGES, RESULTS_PAGE, write_part
from rows import PLAN, Plan, Row, read_plan
from scans import CachedScan, cached_scans
from search import Searcher, searcher_of

RESULTS = HERE / "results" / "ablation"

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Cache = Annotated[Path, typer.Option(help="Folder of prepared scans, shared by all rows.")]
Precision = Annotated[str, typer.Option(help="auto, bfloat16 or float32.")]
RowsFile = Annotated[Path, typer.Option(help="File of the rows.")]


@app.command()
def rows() -> None:
    """List the rows."""
    for row in read_plan().rows:
        source = f"weights of {row.weights_of}" if row.weights_of else f"{row.method}, {row.variant}, {row.input}"
        print(f"{row.name:12} {row.label} ({source})")


@app.command()
def train(
    name: Annotated[str, typer.Argument(metavar="ROW", help="See rows.")],
    data: Annotated[list[Path], typer.Option(help="Data set to learn from; may be given again.")],
    cache: Cache,
    out: Annotated[Path, typer.Option(help="Folder of the run; one that was broken off goes on.")],
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the plan's.")] = None,
    precision: Precision = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Threads that make crops; 0 uses one core for all.")] = 0,
    rows_file: RowsFile = PLAN,
) -> None:
    """Train a row."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = read_plan(rows_file)
    row = plan.row(name)
    if row.weights_of:
        raise InputError(f"The row {name!r} needs no training; it scores the runs of {row.weights_of!r}.")
    train_row(Run(row, plan.preset_of(row, steps), seed, out, precision, workers), data, cache)  # type: ignore[arg-type]


@app.command()
def score(
    name: Annotated[str, typer.Argument(metavar="ROW", help="See rows.")],
    run: Annotated[Path, typer.Option(help="Folder of the row's run.")],
    cohort: Annotated[str, typer.Option(help="Name of a definition in cohorts/.")],
    data: Annotated[Path, typer.Option(help="Folder of the cohort's scans.")],
    cache: Cache,
    precision: Precision = "auto",
    results: Annotated[Path, typer.Option(help="Folder of the result.")] = RESULTS,
    rows_file: RowsFile = PLAN,
) -> None:
    """Search every scan of a cohort with a row's run and store the candidates."""
    plan = read_plan(rows_file)
    row = plan.row(name)
    if row.weights_of:
        raise InputError(f"The row {name!r} has no runs of its own; score {row.weights_of!r}.")
    _score(plan, row, run, cohort, Folders(data, cache, results), precision)


@app.command()
def everything(
    data: Annotated[list[Path], typer.Option(help="Data set to learn from; may be given again.")],
    validation: Annotated[Path, typer.Option(help="Folder of the scans of the cohort `validation`.")],
    cache: Cache,
    runs: Annotated[Path, typer.Option(help="Folder of all runs.")],
    cohort: Annotated[
        str | None, typer.Option(help="Name of the test cohort in cohorts/; validation alone without one.")
    ] = None,
    cohort_data: Annotated[Path | None, typer.Option(help="Folder of the test cohort's scans.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each row.")] = 3,
    row: Annotated[list[str] | None, typer.Option(help="This row alone; may be given again.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Begin no further run after so long.")] = None,
    precision: Precision = "auto",
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
    rows_file: RowsFile = PLAN,
) -> None:
    """Train and score all rows with all seeds; what is there already is kept."""
    if (cohort is None) != (cohort_data is None):
        raise InputError("A test cohort needs its name and the folder of its scans; give both or none.")
    cohorts = {"validation": validation} | ({} if cohort is None or cohort_data is None else {cohort: cohort_data})
    begin, plan = time.monotonic(), read_plan(rows_file)
    wanted = [plan.row(name) for name in row] if row else [each for each in plan.rows if not each.weights_of]
    for each in wanted:
        for name in cohorts:  # before hours of training, not after
            refuse_shared_heads(f"The row {each.name}", label_maps(data, each), cohort_named(name))
    for seed, each in ((seed, each) for seed in range(seeds) for each in wanted):
        if minutes is not None and time.monotonic() - begin > 60 * minutes:
            print("The time is over; the same command goes on.")
            return
        out = runs / f"{each.name}-{seed}"
        missing = [name for name in cohorts if not _result_path(results, each, seed, name).exists()]
        # Weights are not kept with the results: where those are complete, nothing asks for the run.
        if missing and not (out / "weights.safetensors").exists():
            train(each.name, data, cache, out, seed, precision=precision, rows_file=rows_file)
        for name in missing:
            _score(plan, each, out, name, Folders(cohorts[name], cache, results), precision)


class Folders(NamedTuple):
    """Where a cohort's scans, prepared scans and results lie."""

    data: Path
    cache: Path
    results: Path


def _score(plan: Plan, row: Row, run: Path, cohort: str, folders: Folders, precision: str) -> None:
    """Search every scan of a cohort with a run and store the candidates."""
    chosen, compute = cohort_named(cohort), choose(precision=precision)  # type: ignore[arg-type]
    learned = json.loads((run / "run.json").read_text(encoding="utf-8"))["label_maps"]
    refuse_shared_heads(str(run), learned, chosen)
    searcher = searcher_of(row, run, compute)
    spec, magnitude = plan.preset_of(row).preparation, row.input == "magnitude"
    scans = cached_scans(chosen, folders.data, folders.cache, spec, compute, magnitude=magnitude)
    begin = time.process_time()
    found = tuple(_searched(scan, searcher, row) for scan in track(scans, description=f"{row.name} {cohort}"))
    facts = _facts(row, run, searcher) | {
        "cohort": cohort,
        "seeds_of_cohort": {part.name: part.seed for part in chosen.parts},
        "cpu_seconds_per_scan": round((time.process_time() - begin) / len(scans), 2),
        "compute": compute.describe(),
    }
    path = _result_path(folders.results, row, facts["seed"], cohort)
    write_found(path, Found(facts, found))
    print(f"{facts['cpu_seconds_per_scan']} s of a core per scan; {path}")


@app.command()
def table(
    cohort: Annotated[str, typer.Option(help="The test cohort.")] = "full",
    results: Annotated[Path, typer.Option(help="Folder of the stored results.")] = RESULTS,
    repeats: Annotated[int, typer.Option(min=10, help="Draws of the intervals.")] = 2000,
    page: Annotated[Path, typer.Option(help="Page that holds the table.")] = RESULTS_PAGE,
    picture: Annotated[Path, typer.Option(help="SVG of the curves.")] = IMAGES / "froc.svg",
) -> None:
    """Make the table and the FROC picture from the stored results."""
    chosen = cohort_named(cohort)
    read = rows_with_figures(read_plan(), results, cohort, repeats)
    with atomic_file(picture) as partial:
        partial.write_text(froc_svg(curve_lines(read), f"FROC curves, cohort {cohort}"), encoding="utf-8")
    lines = markdown(read, chosen, os.path.relpath(picture, page.parent))
    write_part("ablation", lines, page)
    print("\n".join(lines))


def refuse_shared_heads(learner: str, label_maps: Collection[str], cohort: Cohort) -> None:
    """Refuse to score what learned from heads of the cohort.

    Args:
        learner: what learns, for the message.
        label_maps: names of the label maps that it learns from.
        cohort: what it is to be scored on.

    Raises:
        InputError: if they share a label map.
    """
    shared = sorted({name.removesuffix(".nii.gz") for name in cohort.anatomies} & set(label_maps))
    if shared:
        raise InputError(
            f"{learner} learned from {', '.join(shared)}, which the cohort {cohort.name} holds too; simulate its"
            " training scans from other label maps (detection.py build train)."
        )


def _result_path(results: Path, row: Row, seed: int, cohort: str) -> Path:
    """Where the candidates of a run on a cohort are stored."""
    return results / f"{row.name}-seed{seed}-{cohort}.json"


def _searched(scan: CachedScan, searcher: Searcher, row: Row) -> FoundScan:
    """Search one scan, judge the place of each candidate and match."""
    spots = len(scan.truth.counted_mm) + len(scan.truth.ignored_mm)
    positions, scores = surest(*searcher.search(scan.prepared(row.input)), spots)
    candidates = [Candidate((x, y, z), float(s), None) for (x, y, z), s in zip(positions, scores, strict=True)]
    kept = np.array([place.kept for place in localise(candidates, scan.segmentation)], dtype=bool)
    return judged(scan.name, scan.head, positions, scores, kept, scan.truth)


def _facts(row: Row, run: Path, searcher: Searcher) -> dict[str, Any]:
    """What is to be known of a result."""
    asked = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return {
        "notice": "Simulated scans: no real microbleed stands behind any number.",
        "row": row.name,
        **searcher.facts(),
        "data": asked["data"],
        "anatomy_sha256": sha256_of(ANATOMY_WEIGHTS),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    app()
