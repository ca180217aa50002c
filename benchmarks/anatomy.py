r"""Benchmark of the segmentation: Dice of the groups, places of the true microbleeds, time and memory.

    python benchmarks/anatomy.py score mixed --data data/mixed --anatomy FOLDER
    python benchmarks/anatomy.py card validation --data data/validation
    python benchmarks/anatomy.py removal validation --data data/validation --found FINDINGS
    python benchmarks/anatomy.py table

`score` needs the cohort's scans (`python benchmarks/detection.py build mixed --anatomy FOLDER --data
data/mixed`) and the label maps for painted images. `removal` shows what each threshold of the rule on places
would remove and lose, from the findings that `detection.py score` keeps below the data. `table` writes
docs/results.md. How it is scored: docs/scoring.md.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from anatomy_scans import list_of, painted
from anatomy_scores import GROUPS, by_protocol, markdown, outcome_of, summary
from cohort import HERE, cohort_named, commit, hardware
from interval_text import number_text
from microbleeds.atomic import atomic_file
from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.evaluate import read_cases
from microbleeds.evaluate.cases import Case
from microbleeds.evaluate.matching import match
from microbleeds.report.run_record import peak_memory_mb, sha256_of
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_store import SHIPPED, load_anatomy
from pages import RESULTS_PAGE, write_part

THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Data = Annotated[Path, typer.Option(help="Folder of the cohort's scans.")]
Results = Annotated[Path, typer.Option(help="Folder of the results.")]


@app.command()
def score(
    name: str,
    data: Data,
    anatomy: Annotated[Path, typer.Option(help="Folder of the label maps.")],
    weights: Annotated[Path, typer.Option(help="Instead of the shipped weights.")] = SHIPPED,
    results: Results = HERE / "results",
) -> None:
    """Segment every scan as SWI, magnitude and brain-extracted SWI, and painted images; compare with the truth."""
    cohort, (network, card), compute = cohort_named(name), load_anatomy(weights), choose()
    inputs = {}
    for kind in ("swi", "magnitude", "brain-extracted"):
        inputs[kind] = [
            outcome_of(item, network, card, compute) for item in track(list_of(cohort, data, kind), kind)
        ]
    for kind in ("t1-like", "t2star-like"):
        inputs[kind] = [
            outcome_of(item, network, card, compute) for item in track(painted(cohort, anatomy, kind), kind)
        ]
    content = {
        "notice": "Simulated scans: no real microbleed stands behind any number. Intervals are over heads, all of "
        "them deformations of the label maps named, so they understate what another head would change. T1-like "
        "and T2*-like images are painted straight from the label maps, some brain-extracted or cut.",
        "command": f"python benchmarks/anatomy.py score {name} --data DATA --anatomy FOLDER"
        + ("" if weights == SHIPPED else f" --weights {weights.name}"),
        "cohort": name,
        "about": cohort.about,
        "heads": cohort.anatomies,
        "seeds": {part.name: part.seed for part in cohort.parts},
        "model": card.name,
        "model_sha256": sha256_of(weights),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": hardware(),
        "compute": compute.describe(),
        "peak_memory_mb": round(peak_memory_mb() or 0),
        "scores": {kind: summary(outcomes) for kind, outcomes in inputs.items()},
        "swi_by_protocol": by_protocol(inputs["swi"]),
        "scans": {kind: [vars(one) for one in outcomes] for kind, outcomes in inputs.items()},
    }
    path = results / f"anatomy-{name}-{card.name}.json"
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    Console().print(_shown(content["scores"]))  # type: ignore[arg-type]
    print(f"Scores: {path}")


@app.command()
def card(
    name: str,
    data: Data,
    weights: Annotated[Path, typer.Option(help="Weights whose card gets the figures.")] = SHIPPED,
) -> None:
    """Write the figures of the validation heads (SWI) into the card of the weights."""
    if name != "validation":
        raise InputError(f"The cohort {name} is for tests; the card holds figures of the cohort validation.")
    (network, loaded), compute = load_anatomy(weights), choose()
    items = list_of(cohort_named(name), data, "swi")
    outcomes = [outcome_of(item, network, loaded, compute) for item in track(items)]
    found = summary(outcomes)
    names = (*(f"dice_{group}" for group in ("brain", *GROUPS)), "right_group_all", "right_region_all")
    figures = {f"validation_{key}": round(found[key]["value"], 4) for key in names}
    scores = {key: value for key, value in loaded.scores.items() if not key.startswith("validation_")} | figures
    with atomic_file(weights.with_suffix(".json")) as partial:
        partial.write_text(
            loaded.model_copy(update={"scores": scores}).model_dump_json(indent=2) + "\n", encoding="utf-8"
        )
    print(json.dumps(figures, indent=1))


@app.command()
def removal(
    name: str,
    found: Annotated[Path, typer.Option(help="Folder of findings, by part and subject.")],
    data: Data,
) -> None:
    """Show what each threshold of the rule on places removes and loses (validation heads alone)."""
    if name != "validation":
        raise InputError(
            f"The cohort {name} is for tests; the threshold is chosen on the cohort validation alone."
        )
    cohort, cut = cohort_named(name), load_detector().card.operating_points.balanced
    cases: list[tuple[Case, NDArray[np.float64]]] = []
    for part in cohort.parts:
        for case in read_cases(found / part.name, data / part.name):
            record = json.loads((found / part.name / case.name / "findings.json").read_text(encoding="utf-8"))
            shares = [f["parenchyma_share"] for f in record["findings"]]
            cases.append((case, np.array([1.0 if share is None else share for share in shares])))
    table = Table("least parenchyma", "hits", "false positives")
    for threshold in (0.0, *THRESHOLDS):
        hits, false = np.sum([_counted(case, shares, threshold, cut) for case, shares in cases], axis=0)
        table.add_row(f"{threshold:g}", str(hits), str(false))
    Console().print(table)


@app.command()
def table(results: Results = HERE / "results", page: Path = RESULTS_PAGE) -> None:
    """Write the tables of the segmentation into the page of results."""
    lines: list[str] = []
    shipped = sha256_of(SHIPPED)
    for path in sorted(results.glob("anatomy-*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["cohort"] != "validation" and content["model_sha256"] == shipped:
            lines += markdown(content)
    write_part("anatomy", lines, page)
    print("\n".join(lines))


def _counted(case: Case, shares: NDArray[np.float64], threshold: float, cut: float) -> NDArray[np.int64]:
    """Return hits and false positives of one scan if that threshold held."""
    found, truth = case.predictions, case.truth
    chosen = (found.scores >= cut) & (shares >= threshold)
    result = match(found.positions_mm[chosen], found.scores[chosen], truth.counted_mm, truth.ignored_mm, 5.0)
    return np.array([result.hit.sum(), result.false_positive.sum()], dtype=np.int64)


def _shown(scores: dict[str, dict[str, Any]]) -> Table:
    """Return a table for the terminal."""
    rows = [key for key, value in next(iter(scores.values())).items() if isinstance(value, dict)]
    table = Table("", *scores)
    for row in rows:
        table.add_row(row, *(number_text(scores[kind][row]) for kind in scores))
    return table


if __name__ == "__main__":
    app()
