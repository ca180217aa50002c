r"""How the detector does on scans unlike those it learned from: one small cohort per change, test heads only.

    python benchmarks/shift.py build --anatomy FOLDER --data data/shift
    python benchmarks/shift.py score --data data/shift
    python benchmarks/shift.py score --data data/shift --name "3 T, 0.5 x 0.5 x 2 mm only" \
        --weights runs/one-protocol-0/weights.safetensors
    python benchmarks/shift.py table

Rows are data (`cohorts/shift/`). `score` runs the whole program on every scan, since reading the phase, its sign
and the segmentation shift too. The shipped weights learned from a mix of protocols: rows of the mix say so.
Weights of the ablation's row `one-protocol` learned from the paper's protocol alone, so that all other rows are
new to them; `detection.py calibrate validation` gives them an operating point first.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cohort import HERE, commit, hardware
from interval_text import number_text, percent_text
from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.evaluate import Case, evaluate_cohort
from microbleeds.report.run_record import sha256_of
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS
from pages import RESULTS_PAGE, SHIPPED, write_part
from program import made_by, search_all
from shift_scans import ShiftRow, build_row, read_rows
from side_by_side import side_by_side

RESULTS = HERE / "results" / "shift"
LEAST_SENSITIVITY, MOST_FALSE_POSITIVES = 0.8, "2"

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Data = Annotated[Path, typer.Option(help="Folder of all rows.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes side by side.")]
Rows = Annotated[list[str] | None, typer.Option("--row", help="Only this row; may be given again.")]


@app.command()
def build(
    data: Data,
    anatomy: Annotated[Path | None, typer.Option(help="Folder of the label maps.")] = None,
    row: Rows = None,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many scans of each part.")] = None,
    jobs: Jobs = 1,
) -> None:
    """Simulate the rows; those that are whole are kept."""
    side_by_side([partial(build_row, entry, data, anatomy, most) for entry in read_rows(row or ())], jobs, "rows")


@app.command()
def score(
    data: Data,
    name: Annotated[str, typer.Option(help="What the weights are called in the table.")] = SHIPPED,
    weights: Annotated[Path | None, typer.Option(help="Instead of the shipped weights.")] = None,
    row: Rows = None,
    jobs: Jobs = 1,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
) -> None:
    """Search every scan of every row with the whole program and store the scores."""
    card = load_detector(weights).card
    for entry in read_rows(row or ()):
        cases = _cases(entry, data, weights, jobs)
        content = {
            "notice": "Simulated scans: no real microbleed stands behind any number.",
            "row": entry.name,
            "name": name,
            "weights": card.name,
            "weights_sha256": card.sha256,
            "anatomy_sha256": sha256_of(ANATOMY_WEIGHTS),
            "seed": entry.seed,
            "intervals_over": "heads",
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "commit": commit(),
            "hardware": hardware(),
            "scores": evaluate_cohort(cases, repeats=2000).to_dict(),
        }
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        path = results / f"{entry.name}-{slug}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(path)


@app.command()
def table(
    results: Annotated[Path, typer.Option(help="Folder of the stored results.")] = RESULTS,
    page: Annotated[Path, typer.Option(help="Page that holds the table.")] = RESULTS_PAGE,
) -> None:
    """Make the table from the stored results."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]
    if not read:
        raise InputError(f"{results} holds no results; run `score` first.")
    lines = markdown(read, read_rows())
    write_part("shift", lines, page)
    print("\n".join(lines))


def markdown(read: list[dict[str, Any]], rows: list[ShiftRow]) -> list[str]:
    """Return the table as lines of Markdown, a part for each set of weights.

    Raises:
        InputError: if rows of one name were scored with different weights.
    """
    over = " or ".join(sorted({content["intervals_over"] for content in read}))
    lines = [
        "Same heads, bodies and seeds in every row, eight scans of four test heads; only the scanner differs. "
        f"95 % intervals over {over} in brackets. Bold: below {100 * LEAST_SENSITIVITY:.0f} % at "
        f"{float(MOST_FALSE_POSITIVES):g} false positives per subject. Simulated scans: no real microbleed stands "
        "behind any number.",
    ]
    for name in sorted({content["name"] for content in read}, key=lambda n: (n != SHIPPED, n)):
        by_row = {content["row"]: content for content in read if content["name"] == name}
        weights = sorted({content["weights"] for content in by_row.values()})
        if len(weights) > 1:
            raise InputError(f"Rows of {name} are of {', '.join(weights)}; score all of them with one.")
        lines += ["", f"**{name}** (`{weights[0]}`)", ""]
        lines += [
            "| scans | among those learned from | visible microbleeds | sensitivity | false positives per subject "
            f"| sensitivity at {float(MOST_FALSE_POSITIVES):g} FP |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_line(row, by_row[row.name]["scores"], name) for row in rows if row.name in by_row]
    return lines


def _line(row: ShiftRow, scores: dict[str, Any], name: str) -> str:
    """Return one row."""
    radius = scores["radii"][0]
    at = radius["sensitivity_at"][MOST_FALSE_POSITIVES]
    reached = percent_text(at)
    if at["value"] is not None and at["value"] < LEAST_SENSITIVITY:
        reached = f"**{reached}**"
    seen = row.in_training_mix if name == SHIPPED else row.name == "reference" or row.name.startswith("vendor-")
    cells = [
        row.about,
        "yes" if seen else "no",
        str(scores["microbleeds"]),
        percent_text(radius["operating"]["sensitivity"]),
        number_text(radius["operating"]["false_positives_per_subject"], 2),
        reached,
    ]
    return f"| {' | '.join(cells)} |"


def _cases(row: ShiftRow, data: Path, weights: Path | None, jobs: int) -> list[Case]:
    """Search the scans of a row."""
    found = data / "found" / made_by(weights) / row.name
    cases: list[Case] = []
    for part, subjects in row.subjects.items():
        cases += search_all(data / row.name / part, found / part, subjects, weights=weights, jobs=jobs)
    return cases


if __name__ == "__main__":
    app()
