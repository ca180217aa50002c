"""`microbleeds demo`: simulate a head, find its microbleeds, compare with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from microbleeds.evaluate import Case

# Chosen by the number of microbleeds that it draws (8), not by what the detector makes of them.
SEED = 36
SUBJECT = "sub-001"


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demo's scan and result.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another head.")] = SEED,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo.")] = False,
) -> None:
    """Simulate a scan of the MNI152 head, find its microbleeds and compare them with the truth."""
    from rich.console import Console

    from microbleeds.evaluate import read_cases
    from microbleeds.pipeline import Request, run
    from microbleeds.simulate.cohort import CohortSettings, simulate_cohort
    from microbleeds.simulate.protocol import DEFAULT_PROTOCOL

    _make_room(out, overwrite)
    console = Console()
    data, result = out / "scan", out / "result"
    with console.status("simulating a 3 T scan of 448 x 384 x 72 voxels"):
        settings = CohortSettings(DEFAULT_PROTOCOL, "natural", "some")
        simulate_cohort(data, subjects=1, seed=seed, settings=settings, device=device)
    anat = data / SUBJECT / "anat"
    with console.status("searching") as status:
        request = Request(
            out=result / SUBJECT,
            swi=anat / f"{SUBJECT}_swi.nii.gz",
            phase=anat / f"{SUBJECT}_part-phase_GRE.nii.gz",
            device=device,
        )
        record = run(request, announce=lambda stage: status.update(f"searching: {stage}"))
    (case,) = read_cases(result, data)
    console.print(_table(case))
    console.print(_verdict(case))
    typer.echo(f"Report: {(out / 'result' / SUBJECT / 'report.html').resolve()}")
    typer.echo(record.disclaimer)


def _make_room(out: Path, overwrite: bool) -> None:
    """Remove an earlier demo when asked to; nothing else is ever removed."""
    import shutil

    from microbleeds.errors import InputError

    if out.exists() and not out.is_dir():
        raise InputError(f"The output {out} is a file, not a folder; choose another path.")
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if there and not overwrite:
        raise InputError(f"The folder {out} is not empty; choose another or pass --overwrite.")
    if not there <= {"scan", "result"}:
        raise InputError(f"The folder {out} is no earlier demo and won't be overwritten; choose another.")
    for name in there:
        shutil.rmtree(out / name)


def _table(case: Case) -> Table:
    """Show each simulated microbleed and the finding that hit it."""
    from rich.table import Table

    from microbleeds.evaluate import HIT_RADIUS_MM, match

    truth, found = case.truth, case.predictions
    kept = found.kept
    matched = match(
        found.positions_mm[kept], found.scores[kept], truth.positions_mm, truth.ignored_mm[:0], HIT_RADIUS_MM
    )
    table = Table(
        "place (RAS mm)", "diameter", "region", "visible", "found", "score", title="Simulated microbleeds"
    )
    for index, position in enumerate(truth.positions_mm):
        hits = [n for n, target in enumerate(matched.truth_index) if target == index]
        diameter = truth.diameter_mm[index]
        table.add_row(
            " ".join(f"{round(x)}" for x in position),
            "n/a" if diameter != diameter else f"{diameter:.1f} mm",
            f"{truth.groups[index]}: {truth.regions[index]}",
            "yes" if truth.visible[index] else "no",
            "yes" if hits else "no",
            f"{found.scores[kept][hits[0]]:.2f}" if hits else "",
        )
    return table


def _verdict(case: Case) -> str:
    """Say in a sentence what was found."""
    from microbleeds.evaluate import evaluate_cohort

    operating = evaluate_cohort([case], repeats=1).radii[0].operating
    return (
        f"{operating.hits} of {operating.hits + operating.missed} visible microbleeds found, "
        f"{operating.false_positives} false positives."
    )
