r"""Does the detector tell bleeds from what looks like them? Matched tests, by the score at known spots.

    python benchmarks/mimics.py build --anatomy FOLDER --data data/mimics
    python benchmarks/mimics.py score --data data/mimics --cache cache --name "+ hard sample prototypes" \
        --weights runs/prototypes-0/weights.safetensors
    python benchmarks/mimics.py table
    python benchmarks/mimics.py failures paper --data data/paper --found data/paper/found/FOLDER

The score of a spot is the largest within 3 mm. `score` stores the scores of one set of weights, with and without
phase; weights of one `--name` are averaged over (seeds). `table` gives the area under the ROC curve of visible
bleeds against each kind, 95 % intervals drawn over heads, and writes docs/results.md.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from cohort import HERE, cohort_named, commit, hardware
from failures import failures_picture
from microbleeds.atomic import atomic_file
from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.prepare import PreparationSpec
from microbleeds.simulate.dataset import participant_row, write_description, write_participants, write_scan
from microbleeds.training.dataset import cached_subjects, subject_names
from microbleeds.weights import load_detector
from mimic_scans import scans_of_head
from mimic_spots import read_spots, write_spots
from mimic_table import SpotScore, markdown
from pages import IMAGES, RESULTS_PAGE, SHIPPED, write_part
from spot_scores import scores_at

SEED = 2_003_000  # used by no other cohort
HEADS = 12
RESULTS = HERE / "results" / "mimics"

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Data = Annotated[Path, typer.Option(help="Folder of the scans.")]


@app.command()
def build(
    data: Data,
    anatomy: Annotated[Path, typer.Option(help="Folder of the label maps.")],
    heads: Annotated[int, typer.Option(min=1, help="Number of heads, three scans each.")] = HEADS,
) -> None:
    """Simulate the scans; heads that are there already are kept."""
    maps = [anatomy / file for file in cohort_named("paper").anatomies]
    missing = [path.name for path in maps if not path.exists()]
    if missing:
        raise InputError(f"The folder {anatomy} lacks {', '.join(missing)}.")
    data.mkdir(parents=True, exist_ok=True)
    write_description(data, {"heads": heads, "seed": SEED, "test": "mimics"})
    rows: list[dict[str, object]] = []
    for head in track(range(heads), description="heads"):
        done = data / f"head-{head + 1:02d}.json"
        if not done.exists():
            written = []
            for number, test in enumerate(scans_of_head(head, SEED, maps), 3 * head + 1):
                name = f"sub-{number:03d}"
                write_scan(data, name, test.scan)
                write_spots(_spots_path(data, name), test.spots)
                written.append({**participant_row(name, test.scan, head + 1), "test": test.name})
            with atomic_file(done) as partial:
                partial.write_text(json.dumps(written), encoding="utf-8")
        rows += json.loads(done.read_text(encoding="utf-8"))
    write_participants(data, rows)


@app.command()
def score(
    data: Data,
    cache: Annotated[Path, typer.Option(help="Folder of prepared scans.")],
    name: Annotated[str, typer.Option(help="What the weights are called in the table.")],
    weights: Annotated[Path | None, typer.Option(help="Instead of the shipped weights.")] = None,
    precision: Annotated[str, typer.Option(help="auto, bfloat16 or float32.")] = "auto",
    results: Annotated[Path, typer.Option(help="Folder of the result.")] = RESULTS,
) -> None:
    """Store the score at every spot, with and without phase."""
    compute, loaded = choose(precision=precision), load_detector(weights)  # type: ignore[arg-type]
    subjects = cached_subjects(data, subject_names(data), cache / data.name, PreparationSpec())
    scored: list[dict[str, object]] = []
    for subject in track(subjects, description=name):
        spots = read_spots(_spots_path(data, subject.name))
        prepared = subject.prepared()
        head = (int(subject.name.removeprefix("sub-")) + 2) // 3
        for use in ("swi+phase", "swi"):
            scores = scores_at([spot.position_mm for spot in spots], prepared, loaded.model, compute, use)
            scored += [
                {"head": head, "scan": subject.name, "input": use, **vars(spot), "score": round(value, 5)}
                for spot, value in zip(spots, scores, strict=True)
            ]
    facts = {
        "notice": "Simulated scans: no real microbleed stands behind any number.",
        "name": name,
        "weights": loaded.card.name,
        "weights_sha256": loaded.card.sha256,
        "seed_of_scans": SEED,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": hardware(),
    }
    slug = re.sub(r"[^a-z0-9]+", "-", f"{name} {loaded.card.name}".lower()).strip("-")
    path = results / f"{slug}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(spot) for spot in scored)
    with atomic_file(path) as partial:
        head_text = json.dumps(facts, indent=1).removesuffix("\n}")
        partial.write_text(f'{head_text},\n "spots": [\n{lines}\n ]\n}}\n', encoding="utf-8")
    print(path)


@app.command()
def table(
    results: Annotated[Path, typer.Option(help="Folder of the stored scores.")] = RESULTS,
    page: Annotated[Path, typer.Option(help="Page that holds the table.")] = RESULTS_PAGE,
) -> None:
    """Make the table from the stored scores."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]
    if not read:
        raise InputError(f"{results} holds no scores; run `score` first.")
    shipped = {content["weights"] for content in read if content["name"] == SHIPPED}
    if len(shipped) > 1:
        raise InputError(
            f"{results} holds {SHIPPED} of {', '.join(sorted(shipped))}; a mean of these says nothing."
        )
    sets: dict[str, list[list[SpotScore]]] = {}
    for content in read:
        sets.setdefault(content["name"], []).append([SpotScore(**spot) for spot in content["spots"]])
    lines = markdown(dict(sorted(sets.items(), key=lambda item: item[0] != SHIPPED)))
    write_part("mimics", lines, page)
    print("\n".join(lines))


@app.command()
def failures(
    name: str,
    data: Data,
    found: Annotated[Path, typer.Option(help="Folder of findings that detection.py score made.")],
    picture: Annotated[Path, typer.Option(help="PNG of the tiles.")] = IMAGES / "failures.png",
    page: Annotated[Path, typer.Option(help="Page that shows it.")] = RESULTS_PAGE,
) -> None:
    """Draw the ten worst false positives and misses of a cohort's findings."""
    lines = failures_picture(cohort_named(name), data, found, picture, page.parent)
    write_part("failures", lines, page)
    Console().print("\n".join(lines), markup=False)


def _spots_path(data: Path, subject: str) -> Path:
    return data / "derivatives" / "truth" / subject / "anat" / f"{subject}_spots.tsv"


if __name__ == "__main__":
    app()
