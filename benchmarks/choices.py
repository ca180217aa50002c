"""Writes what each choice brings (docs/method.md) from stored results: python benchmarks/choices.py.

Rows are data (`choices.json`), trained and scored as those of the ablation:

    python benchmarks/ablation.py everything --rows-file benchmarks/choices.json --data data/train \
        --data data/train2 --validation data/validation --cache cache --runs runs \
        --results benchmarks/results/choices --seeds 1
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from cohort import HERE
from found import read_found
from microbleeds.errors import InputError
from microbleeds.evaluate import froc
from pages import write_part
from rows import Plan, read_plan

RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "method.md"
REFERENCE = "proposal"  # row of the ablation in which nothing is changed
WHOLE = "prototypes"  # the same with all parts of the detector
READ_AT = (0.25, 0.5, 1.0)


def main(
    results: Annotated[Path, typer.Option(help="Folder of all results.")] = RESULTS,
    page: Annotated[Path, typer.Option(help="Page that holds the table.")] = PAGE,
) -> None:
    """Write the table from the stored results."""
    lines = markdown(read_plan(HERE / "choices.json"), results)
    write_part("choices", lines, page)
    print("\n".join(lines))


def markdown(plan: Plan, results: Path) -> list[str]:
    """Return the table as lines of Markdown; a row without results is left out.

    Raises:
        InputError: if nothing was scored.
    """
    reference = _stored(results / "ablation", REFERENCE)
    scored = [(row, _stored(results / "choices", row.name)) for row in plan.rows]
    scored = [(row, paths) for row, paths in scored if paths]
    if not reference or not scored:
        raise InputError(f"{results} holds no results of choices, or none of the row {REFERENCE}; score first.")
    heads = "| ".join(f"found at {at:g} " for at in READ_AT)
    lines = [
        f"| changed (default in brackets) | runs | {heads}false positives per scan |",
        "|---" * (2 + len(READ_AT)) + "|",
        _line("nothing", reference),
    ]
    whole = _stored(results / "ablation", WHOLE)
    if whole and any(row.variant == "+prototypes" for row, _ in scored):
        lines.append(_line("nothing, with fusion and prototypes", whole))
    return [*lines, *(_line(row.label, paths) for row, paths in scored)]


def _stored(folder: Path, row: str) -> list[Path]:
    """Return what each run of a row found on validation scans."""
    return sorted(folder.glob(f"{row}-seed*-validation.json"))


def _line(label: str, paths: Sequence[Path]) -> str:
    """Return a row: each run's share of microbleeds in percent."""
    curves = [froc([scan.result(by_place=False) for scan in read_found(path).scans]) for path in paths]
    shares = 100 * np.array([[float(curve.sensitivity_at(at)) for at in READ_AT] for curve in curves])
    cells = [", ".join(f"{share:.0f}" for share in column) + " %" for column in shares.T]
    return f"| {label} | {len(paths)} | {' | '.join(cells)} |"


if __name__ == "__main__":
    typer.run(main)
