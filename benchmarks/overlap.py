r"""How far windows should overlap, and whether to slide one at all (docs/method.md).

    python benchmarks/overlap.py measure detector-0-4 --data data/validation --cache cache
    python benchmarks/overlap.py measure small-crops --weights runs/ROW-0/weights.safetensors \
        --label "proposal network, 1,200 steps of small crops" --data data/validation --cache cache
    python benchmarks/overlap.py table

Every third scan of the cohort `validation` is searched as a whole and in windows of the sizes that training shows
(small crops and wide ones), with several overlaps. Scores are those of the network, in the brain of the
segmentation, as in the ablation. No test scan takes part.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich.progress import track

from cohort import HERE, cohort_named, commit, hardware
from found import judged
from microbleeds.atomic import atomic_file
from microbleeds.compute import Compute, choose
from microbleeds.errors import InputError
from microbleeds.evaluate import froc
from microbleeds.networks.config import Stride
from microbleeds.weights import LoadedDetector, load_detector
from pages import write_part
from scans import CachedScan, cached_scans
from search import DetectorSearcher

RESULTS = HERE / "results" / "overlap"
PAGE = HERE.parent / "docs" / "method.md"
EVERY = 3  # scans of the cohort, whose protocols and heads alternate
READ_AT = (0.25, 0.5, 1.0, 2.0)

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


class Way(NamedTuple):
    """One way to search: a window of so many voxels, or the brain as a whole."""

    label: str
    window: Stride | None = None
    overlap: float = 0.0


WAYS = (
    Way("whole"),
    *(Way(f"96 x 96 x 24, {label}", (96, 96, 24), n) for label, n in (("none", 0), ("1/4", 0.25), ("1/2", 0.5))),
    *(Way(f"192 x 192 x 48, {label}", (192, 192, 48), n) for label, n in (("none", 0), ("1/4", 0.25))),
)


@app.command()
def measure(
    name: Annotated[str, typer.Argument(help="Of the result.")],
    data: Annotated[Path, typer.Option(help="Folder of the scans of the cohort `validation`.")],
    cache: Annotated[Path, typer.Option(help="Folder of prepared scans, shared with the ablation.")],
    weights: Annotated[str, typer.Option(help="A shipped name or a .safetensors file.")] = "detector",
    label: Annotated[str | None, typer.Option(help="What the table calls the weights, if not their name.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
) -> None:
    """Search the scans in every way and store what was found."""
    compute, loaded = choose(), load_detector(weights)
    cohort = cohort_named("validation")
    scans = cached_scans(cohort, data, cache, loaded.card.preparation, compute)[::EVERY]
    facts: dict[str, Any] = {
        "weights": label or loaded.card.name,
        "weights_sha256": loaded.card.sha256,
        "scans": len(scans),
        "microbleeds": sum(len(scan.truth.counted_mm) for scan in scans),
        "ways": [_measured(way, scans, loaded, compute) for way in WAYS],
        "commit": commit(),
        **hardware(),
    }
    results.mkdir(parents=True, exist_ok=True)
    with atomic_file(results / f"{name}.json") as partial:
        partial.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _measured(way: Way, scans: Sequence[CachedScan], loaded: LoadedDetector, compute: Compute) -> dict[str, Any]:
    """Search all scans in one way; places are not asked."""
    searcher = DetectorSearcher(loaded.model, {}, compute, way.window, way.overlap)
    found, seconds = [], []
    for scan in track(scans, description=way.label):
        prepared, begin = scan.prepared(), time.perf_counter()
        positions, scores = searcher.search(prepared)
        seconds.append(time.perf_counter() - begin)
        kept = np.ones(len(scores), dtype=bool)
        found.append(judged(scan.name, scan.head, positions, scores, kept, scan.truth))
    curve = froc([scan.result(by_place=False) for scan in found])
    shares = [float(curve.sensitivity_at(at)) for at in READ_AT]
    return {**way._asdict(), "found": shares, "median_seconds": round(float(np.median(seconds)), 2)}


@app.command()
def table(
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
    page: Annotated[Path, typer.Option(help="Page that holds the table.")] = PAGE,
) -> None:
    """Write the table from the stored results."""
    stored = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]
    if not stored:
        raise InputError(f"{results} holds no results; run measure first.")
    lines = markdown(sorted(stored, key=lambda facts: str(facts["weights"])))
    write_part("overlap", lines, page)
    print("\n".join(lines))


def markdown(stored: Sequence[dict[str, Any]]) -> list[str]:
    """Return the table as lines of Markdown: for each of the weights, what each way finds and its time."""
    heads = " | ".join(f"found at {at:g}" for at in READ_AT)
    lines = [
        f"| weights | window in voxels, overlap | {heads} false positives per scan | time, whole = 1 |",
        "|---" * (3 + len(READ_AT)) + "|",
    ]
    for facts in stored:
        whole = facts["ways"][0]["median_seconds"]
        for way in facts["ways"]:
            counts = " | ".join(str(round(share * facts["microbleeds"])) for share in way["found"])
            name = facts["weights"] if way["window"] is None else ""
            lines.append(f"| {name} | {way['label']} | {counts} | {way['median_seconds'] / whole:.1f} |")
    first = stored[0]
    return [*lines, "", f"Of {first['microbleeds']} visible microbleeds on {first['scans']} validation scans."]


if __name__ == "__main__":
    app()
