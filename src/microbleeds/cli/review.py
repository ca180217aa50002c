"""`microbleeds review`: make the review page of a result that has none, or one of another version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from microbleeds.report.run_record import RunRecord


def review(
    result: Annotated[Path, typer.Argument(help="Folder of a finished result.")],
    *,
    swi: Annotated[Path | None, typer.Option(help="The scan, if it has moved since (or its DICOM study).")] = None,
    magnitude: Annotated[Path | None, typer.Option(help="Its magnitude, if that has moved.")] = None,
    phase: Annotated[Path | None, typer.Option(help="Its phase, if that has moved.")] = None,
) -> None:
    """Write review.html, the page to read in, beside the report; the scan is read again for it."""
    from microbleeds.atomic import atomic_file
    from microbleeds.errors import InputError
    from microbleeds.followup.anatomy import anatomy_searched
    from microbleeds.report.brain_image import read_brain
    from microbleeds.report.dicom.stored import stored_segmentation
    from microbleeds.report.record import read_record
    from microbleeds.report.review.page import write_review
    from microbleeds.report.run_record import sha256_of
    from microbleeds.report.searched import read_run, refuse_other_scan, series_searched
    from microbleeds.segmentation import segment
    from microbleeds.study import open_scan

    findings = result / "findings.json"
    record = read_record(findings)
    run = read_run(result)
    if run is None:
        raise InputError(f"The folder {result} has no run.json; give a finished result.")
    given = {"swi": swi, "magnitude": magnitude, "phase": phase}
    paths = _paths(run, given)
    sign = run.options.get("phase_sign", "auto")
    with open_scan(**paths, phase_sign=sign, series=series_searched(run)) as study:
        files = {role: path for role, path in paths.items() if path is not None}
        refuse_other_scan(run, files, study, record.scan.shape)
        warnings: tuple[str, ...] = ()
        brain = read_brain(result, study.scan.grid)
        if brain is None:  # of an earlier version
            weights, warnings = anatomy_searched(run)
            brain = segment(study.scan, **weights).brain
        # The result's own regions: the network of another version may say others.
        known = (result / "regions.nii.gz").is_file()
        regions = stored_segmentation(result, study.scan).regions if known else None
        page = result / "review.html"
        with atomic_file(page) as temporary:
            write_review(record, study.scan, brain, regions, temporary, findings_sha256=sha256_of(findings))
    for warning in warnings:
        typer.echo(f"Warning: {warning}", err=True)
    typer.echo(f"Review page: {page}")


def _paths(run: RunRecord, given: dict[str, Path | None]) -> dict[str, Path | None]:
    """Return the files of the scan: those given, else those that the result was made from."""
    from microbleeds.errors import InputError

    paths = {role: path or _path(run.options.get(role)) for role, path in given.items()}
    for role, path in paths.items():
        if path is not None and not path.exists():
            raise InputError(f"The {role} {path} is not there any more; say with --{role} where it is now.")
    return paths


def _path(text: object) -> Path | None:
    """Return an option of a run as a path."""
    return None if text is None else Path(str(text))
