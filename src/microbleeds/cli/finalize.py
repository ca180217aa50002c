"""`microbleeds finalize`: a reader's verdicts make a result, or a comparison of two visits, signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from microbleeds.report.review.signed_folder import Also


def finalize(
    result: Annotated[Path, typer.Argument(help="Folder of the result, or of the comparison, that was read.")],
    verdicts: Annotated[Path, typer.Argument(help="What its review.html, or comparison.html, exported.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Folder to write; RESULT/reviewed if left out.")] = None,
    dicom: Annotated[
        Path | None,
        typer.Option(help="DICOM study that was searched, if it isn't where it was: the report is DICOM too."),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(help="Series, as for detect; those of the search if left out; repeatable."),
    ] = None,
    organization: Annotated[
        str | None, typer.Option(help="Where the reader works; marks the DICOM report as verified.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier signed result.")] = False,
) -> None:
    """Write the signed result: counts, table, labels and report as the reader decided.

    Of a comparison the signed one is written: counts, class, table and page.
    """
    from microbleeds.errors import InputError
    from microbleeds.report.review.signed_folder import FOLDER, finalise

    if (result / "comparison.json").is_file() and not (result / "findings.json").exists():
        if dicom or series or organization:
            raise InputError("--dicom, --series and --organization are about a result; a comparison has no DICOM.")
        _finalize_comparison(result, verdicts, out, overwrite)
        return
    study = dicom or _study_searched(result)
    problem = "Name the DICOM study that was searched with --dicom."
    if study is None and (series or organization):
        raise InputError(f"--series and --organization are about the DICOM report. {problem}")
    also = [] if study is None else [_dicom_writer(study, tuple(series or ()), organization)]
    signed = finalise(result, verdicts, out, overwrite=overwrite, also=also)
    if study is None and (result / "dicom").is_dir():
        typer.echo(f"Warning: the signed report was not written as DICOM. {problem}", err=True)
    left = signed.review.unreviewed
    if left:
        ids = ", ".join(map(str, left))
        typer.echo(
            f"Warning: {len(left)} finding(s) without a verdict count as the model proposed: {ids}.", err=True
        )
    counts = signed.record.counts
    typer.echo(signed.review.sentence)
    typer.echo(
        f"{counts.total} microbleeds ({counts.definite} definite, {counts.possible} possible): "
        f"{counts.lobar} lobar, {counts.deep} deep, {counts.infratentorial} infratentorial, "
        f"{counts.unplaced} not placed."
    )
    typer.echo(f"Signed result: {out or result / FOLDER}")
    typer.echo(signed.record.disclaimer)


def _finalize_comparison(compared: Path, verdicts: Path, out: Path | None, overwrite: bool) -> None:
    """Write the signed comparison and say what it counts."""
    from rich.console import Console

    from microbleeds.cli.compare import counts_table
    from microbleeds.followup.signed_folder import finalise_comparison
    from microbleeds.report.review.signed_folder import FOLDER

    signed = finalise_comparison(compared, verdicts, out, overwrite=overwrite)
    unread = signed.review.unreviewed
    if unread:
        ids = ", ".join(map(str, unread))
        typer.echo(
            f"Warning: {len(unread)} lesion(s) without a verdict count as the program proposed: {ids}.", err=True
        )
    typer.echo(signed.review.sentence)
    Console().print(counts_table(signed.comparison))
    typer.echo(f"Signed comparison: {out or compared / FOLDER}")
    typer.echo(signed.comparison.disclaimer)


def _study_searched(result: Path) -> Path | None:
    """Return the DICOM study of a result, ``None`` if it isn't where it was or there was none."""
    from microbleeds.report.searched import read_run, study_searched

    run = read_run(result)
    return None if run is None else study_searched(run)


def _dicom_writer(study: Path, series: tuple[str, ...], organization: str | None) -> Also:
    """Return what writes the DICOM objects of a signed result into its folder."""
    from microbleeds.report.dicom.stored import export_result

    def write(folder: Path) -> None:
        export_result(folder, study, folder / "dicom", series=series, organization=organization)

    return write
