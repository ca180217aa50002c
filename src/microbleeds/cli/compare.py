"""`microbleeds compare`: what is new between two visits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microbleeds.cli.choices import OperatingPoint, PhaseSign

if TYPE_CHECKING:
    from rich.table import Table

    from microbleeds.followup import Comparison

NOT_ALIGNED = 3


def compare(
    baseline: Annotated[
        Path, typer.Argument(help="Earlier visit: result of detect, SWI, study folder or DICOM study.")
    ],
    followup: Annotated[Path, typer.Argument(help="Later visit: the same choice.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the comparison.")],
    baseline_scan: Annotated[
        Path | None, typer.Option(help="Scan of the earlier result, if it isn't where it was searched.")
    ] = None,
    followup_scan: Annotated[Path | None, typer.Option(help="Scan of the later result, likewise.")] = None,
    phase_sign: Annotated[
        PhaseSign, typer.Option(help="Of studies: how veins look in the phase files; auto derives it.")
    ] = PhaseSign.AUTO,
    operating_point: Annotated[
        OperatingPoint, typer.Option(help="Of studies: screening misses less and shows more that is none.")
    ] = OperatingPoint.BALANCED,
    weights: Annotated[Path | None, typer.Option(help="Weights instead of the shipped, for studies.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier comparison.")] = False,
) -> None:
    """Align two visits of one person and say which microbleeds are new, stable or no longer seen.

    A study is searched first; its result goes into OUT/baseline or OUT/followup. The exit code is 3 if the scans
    could not be aligned: nothing is matched then.
    """
    from rich.console import Console

    from microbleeds.atomic import atomic_folder
    from microbleeds.compute import choose
    from microbleeds.followup import Visit, compare_visits, load_visit, write_comparison
    from microbleeds.followup.study_files import must_be_searched, study_files
    from microbleeds.pipeline import Request, run
    from microbleeds.report.record import refuse_unwritable_names

    refuse_unwritable_names(baseline, followup)
    if overwrite:
        _refuse_what_must_stay(out, (baseline, followup))
    paths = {"baseline": baseline, "followup": followup}
    studies = {name: study_files(path) for name, path in paths.items() if must_be_searched(path)}
    scans = _moved({"baseline": baseline_scan, "followup": followup_scan}, paths, studies) | studies
    visits: dict[str, Visit] = {}
    with Console(stderr=True).status("start") as status, atomic_folder(out, overwrite=overwrite) as folder:
        for name, path in paths.items():
            if name in studies:
                request = Request(
                    out=folder / name,
                    phase_sign=phase_sign.value,
                    operating_point=operating_point.value,
                    weights=weights,
                    device=device,
                    **studies[name],  # type: ignore[arg-type]
                )
                run(request, announce=status.update)
            status.update(f"{name}: read")
            result = folder / name if name in studies else path
            shown = _named(path, result, studies.get(name, {}))
            visits[name] = load_visit(result, scan=scans.get(name), name=shown, compute=choose(device))
        status.update("compare")
        comparison = compare_visits(visits["baseline"], visits["followup"])
        write_comparison(comparison, visits["baseline"], visits["followup"], folder)
    _say(comparison, out)
    if not comparison.registration.succeeded:
        raise typer.Exit(NOT_ALIGNED)


def _named(path: Path, result: Path, searched: Mapping[str, Path]) -> str:
    """Return what a visit is called: its path, of a DICOM study as the search noted it, without the patient."""
    from microbleeds.report.searched import read_run

    role = next((role for role, file in searched.items() if file == path), None)
    run = None if role is None else read_run(result)
    return str(path) if role is None or run is None else str(run.options[role])


def _say(comparison: Comparison, out: Path) -> None:
    """Print warnings, counts and where the comparison lies."""
    from rich.console import Console

    for warning in comparison.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    if comparison.counts is not None:
        Console().print(counts_table(comparison))
    typer.echo(f"Comparison: {out / 'comparison.html'}")
    typer.echo(comparison.disclaimer)


def _refuse_what_must_stay(out: Path, visits: tuple[Path, ...]) -> None:
    """Refuse to replace what a reader signed, what is no earlier comparison, or what holds a visit."""
    from microbleeds.overwriting import refuse_other_folder
    from microbleeds.report.review.signed_folder import refuse_signed

    refuse_signed(out)
    refuse_other_folder(out, "comparison", ("comparison.json",), visits, "a visit that is to be compared")


def _moved(
    scans: Mapping[str, Path | None], results: Mapping[str, Path], studies: Mapping[str, object]
) -> dict[str, dict[str, Path]]:
    """Return the files of the scans that the user says lie elsewhere now, by visit."""
    from microbleeds.errors import InputError
    from microbleeds.followup.study_files import files_searched
    from microbleeds.report.searched import read_run

    needless = [name for name, path in scans.items() if path is not None and name in studies]
    if needless:
        raise InputError(f"--{needless[0]}-scan is for a result; the {needless[0]} is a scan itself.")
    return {
        name: files_searched(path, read_run(results[name])) for name, path in scans.items() if path is not None
    }


def counts_table(comparison: Comparison) -> Table:
    """Show the counts."""
    from rich.table import Table

    table = Table("", "total", "lobar", "deep", "infratentorial", "not placed")
    for state, counts in (comparison.counts or {}).items():
        numbers = (counts.total, counts.lobar, counts.deep, counts.infratentorial, counts.unplaced)
        table.add_row(state.replace("-", " "), *map(str, numbers))
    sure = comparison.new_certainty
    of_new = f" ({sure.definite} definite, {sure.possible} possible, {sure.unsteady} unsteady)" if sure else ""
    table.caption = f"ARIA-H class of the new ones{of_new}: {comparison.aria_h}. No diagnosis; look at each."
    return table
