"""`microbleeds check-data`: what was understood of somebody's labelled scans, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from microbleeds.annotations.check import Severity
    from microbleeds.data_check import DataCheck, ScanCheck

_UNUSABLE = 2
_SHARED = 3  # a sentence that is said of so many scans is printed once
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_VERDICTS = {"unusable": "[bold red]unusable[/]", "look": "[yellow]look[/]", "good": "[green]good[/]"}


def check_data(
    folder: Annotated[Path, typer.Argument(help="Folder of labelled scans; see docs/your-data.md.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for contact sheets (PNG) and check.json; new, or with --overwrite.")
    ] = None,
    no_segment: Annotated[
        bool, typer.Option("--no-segment", help="Take all that has signal for brain; faster.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier check.")] = False,
) -> None:
    """Say what was understood of labelled scans and what is wrong; exit 2 if any can't be used."""
    from rich.console import Console

    from microbleeds.data_check import check_data_set

    with Console(stderr=True).status("files") as status:
        result = check_data_set(
            folder, out, find_brain=not no_segment, overwrite=overwrite, announce=lambda what: status.update(what)
        )
    console = Console()
    _show(console, result)
    if out is not None:
        typer.echo(f"Contact sheets: {out}")
    if not result.usable:
        typer.echo("microbleeds: these labels can't be used as they are; see the errors above.", err=True)
        raise typer.Exit(_UNUSABLE)


def _show(console: Console, result: DataCheck) -> None:
    """Print what was understood, the table of scans, then the sentences."""
    from collections import Counter

    from rich.table import Table

    subjects = len({scan.subject for scan in result.scans if scan.subject})
    forms = Counter(scan.form for scan in result.scans if scan.form)
    console.print(f"{sum(forms.values())} scans of {subjects} subjects", highlight=False)
    for form, number in forms.most_common():
        console.print(f"  {number} with {form}", highlight=False)
    table = Table("scan", "images", "bleeds", "ignored", "contrast", "verdict")
    for scan in result.scans:
        numbers = (str(scan.microbleeds), str(scan.ignored), _median(scan))
        table.add_row(scan.name, " ".join(scan.files), *numbers, _VERDICTS[scan.verdict])
    console.print(table)
    _sentences(console, result)


def _sentences(console: Console, result: DataCheck) -> None:
    """Print all remarks; one that several scans share is printed once."""
    from collections import Counter

    said = [(scan.name, [(r.severity, r.sentence) for r in scan.remarks]) for scan in result.scans]
    counts = Counter(remark for _, remarks in said for remark in remarks)
    shared = {remark: number for remark, number in counts.items() if number >= _SHARED}
    for name, remarks in said:
        _say(console, name, [remark for remark in remarks if remark not in shared])
    _say(console, "several scans", [(level, f"{text} ({n} scans)") for (level, text), n in shared.items()])
    _say(console, "all together", [(remark.severity, remark.sentence) for remark in result.remarks])


def _say(console: Console, name: str, remarks: list[tuple[Severity, str]]) -> None:
    """Print sentences under a heading."""
    from rich.markup import escape

    if remarks:
        console.print(f"[bold]{escape(name)}[/]")
    for severity, sentence in remarks:
        style = _STYLES[severity]
        console.print(f"  [{style}]{severity}[/] {escape(sentence)}", highlight=False, soft_wrap=True)


def _median(scan: ScanCheck) -> str:
    """Write the median darkness of a scan's labels."""
    from statistics import median

    return f"{median(scan.contrasts):.1f}" if scan.contrasts else ""
