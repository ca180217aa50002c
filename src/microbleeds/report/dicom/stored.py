"""A result that lies on disk becomes DICOM objects, given the study that was searched.

The result may have been made from NIfTI files of the study, and it may have been read (`review.json`): positions
in the world tie it to the study's images, whatever axes its own files have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from microbleeds.atomic import atomic_folder
from microbleeds.errors import InputError
from microbleeds.geometry import Grid, canonical
from microbleeds.overwriting import refuse_other_folder
from microbleeds.regions import CSF
from microbleeds.report.brain_image import read_brain
from microbleeds.report.dicom.export import write_result
from microbleeds.report.dicom.reading import Reading, reading_of
from microbleeds.report.record import Record, read_record
from microbleeds.report.review.signed import Review
from microbleeds.report.run_record import RunRecord
from microbleeds.report.searched import read_run, refuse_other_voxels, series_of_study
from microbleeds.report.stored_image import read_stored
from microbleeds.scan import Scan
from microbleeds.study import SignChoice, open_scan
from microbleeds.susceptibility.foreground import head_core


@dataclass(frozen=True, eq=False)
class StoredSegmentation:
    """Regions as a result holds them, on the canonical grid of the scan; none if ``located`` is false."""

    grid: Grid
    brain: NDArray[np.bool_]
    regions: NDArray[np.uint8]
    located: bool
    confident: bool = True
    warnings: Sequence[str] = ()


def export_result(
    result: Path,
    study: Path,
    out: Path,
    *,
    series: Sequence[str] = (),
    organization: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the DICOM objects of a finished or signed result.

    Args:
        result: its folder.
        study: the DICOM study that was searched (folder, zip or file).
        out: folder to write, whole or not at all.
        series: which series of the study, as for `detect`; those of the search if empty.
        organization: where the reader of a signed result works; with it the report is marked as verified.
        overwrite: whether ``out`` may be replaced if it holds DICOM objects of an earlier export.

    Raises:
        InputError: if the result or the study can't be read, or don't belong together.
    """
    record, run = read_record(Path(result) / "findings.json"), read_run(Path(result))
    reading = _reading(Path(result), organization)
    if overwrite:
        refuse_other_folder(Path(out), "export", ("sr.dcm",))
    sign: SignChoice = "auto" if run is None else run.options.get("phase_sign", "auto")
    with open_scan(Path(study), phase_sign=sign, series=series or series_of_study(run)) as opened:
        if opened.dicom is None:
            raise InputError(f"{study} is no DICOM study; give the folder, zip or file that was searched.")
        _refuse_other_grid(record, opened.scan)
        refuse_other_voxels(run, opened)
        segmentation = stored_segmentation(Path(result), opened.scan)
        with atomic_folder(Path(out), overwrite=overwrite) as folder:
            paths = write_result(
                record,
                opened.scan,
                segmentation,
                opened.dicom.main,
                folder,
                created=reading.signed or _made(Path(result), run),
                reading=reading,
            )
    return [Path(out) / path.name for path in paths]


def stored_segmentation(result: Path, scan: Scan) -> StoredSegmentation:
    """Read brain and regions of a result; of a signed one that has none, those of the one it was made from."""
    folders = (result, result.resolve().parent)
    brain = next((mask for folder in folders if (mask := read_brain(folder, scan.grid)) is not None), None)
    path = next((folder / "regions.nii.gz" for folder in folders if (folder / "regions.nii.gz").is_file()), None)
    if path is None:
        brain = head_core(scan.swi, scan.grid.spacing_mm) if brain is None else brain
        return StoredSegmentation(scan.grid, brain, np.zeros(scan.grid.shape, dtype=np.uint8), located=False)
    regions, grid = canonical(*read_stored(path, "regions"))
    if not grid.same_as(scan.grid):
        raise InputError(f"The regions {path} lie on another grid than the study's images; give its study.")
    # Results of an earlier version hold no mask; parenchyma comes near it.
    brain = regions > CSF if brain is None else brain
    return StoredSegmentation(scan.grid, brain, np.ascontiguousarray(regions), located=True)


def _refuse_other_grid(record: Record, scan: Scan) -> None:
    """The images must lie where those that were searched did, in whatever order of the axes."""
    expected = sorted(zip(record.scan.shape, np.round(record.scan.spacing_mm, 2), strict=True))
    found = sorted(zip(scan.source_grid.shape, np.round(scan.source_grid.spacing_mm, 2), strict=True))
    inside = all(bool(scan.grid.contains(finding.position_ras_mm)) for finding in record.kept)
    if expected != found or not inside:
        shape = " x ".join(map(str, record.scan.shape))
        other = " x ".join(map(str, scan.source_grid.shape))
        raise InputError(
            f"The result was found on {shape} voxels and the study's images have {other}, or lie elsewhere; give "
            "the study (and with --series the series) that was searched."
        )


def _reading(result: Path, organization: str | None) -> Reading:
    """Read `review.json`, if the result was read."""
    path = result / "review.json"
    if not path.exists():
        if organization is not None:
            raise InputError(f"{result} holds no review.json, so nobody can vouch for it; finalize it first.")
        return Reading()
    try:
        return reading_of(Review.model_validate_json(path.read_text(encoding="utf-8")), organization)
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(f"The review {path} can't be read; finalize the result again.") from error


def _made(result: Path, run: RunRecord | None) -> datetime:
    """Return when the result was made, by `run.json`; without one, by the age of `findings.json`."""
    try:
        return datetime.fromisoformat("" if run is None else run.started)
    except ValueError:
        age = (result / "findings.json").stat().st_mtime
        return datetime.fromtimestamp(age, timezone.utc)
