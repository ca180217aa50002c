"""One visit: a result of `microbleeds detect` with the scan behind it, read and segmented again.

A signed result (the folder that `microbleeds finalize` writes below a result) is a visit as well: the reader's
counts are compared then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.followup.anatomy import anatomy_searched
from microbleeds.read.dicom.discreet import HIDDEN
from microbleeds.report.record import Record, read_record
from microbleeds.report.run_record import RunRecord
from microbleeds.report.searched import read_run, refuse_other_scan, series_searched
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation, segment
from microbleeds.study import open_scan

_ROLES = ("swi", "magnitude", "phase")


@dataclass(frozen=True, eq=False)
class Visit:
    """A visit that can be compared.

    Args:
        name: shown to the reader, such as the path of the result.
        record: what was found.
        scan: the scan that was searched.
        segmentation: its brain and position.
        signed: whether a reader decided what counts.
        warnings: sentences on how the scan was read again.
    """

    name: str
    record: Record
    scan: Scan
    segmentation: Segmentation
    signed: bool = False
    warnings: tuple[str, ...] = ()


def is_result(path: Path) -> bool:
    """Whether a path is a result folder of `microbleeds detect`, or a signed one."""
    return (Path(path) / "findings.json").is_file()


def load_visit(
    folder: Path,
    *,
    scan: Mapping[str, Path] | None = None,
    name: str | None = None,
    compute: Compute | None = None,
) -> Visit:
    """Read a result folder and the scan that it was made from.

    Args:
        folder: with `findings.json`.
        scan: role to path of the scan; where the result says that it is if ``None``.
        name: shown to the reader; the folder's path if ``None``.
        compute: device and precision; measured if ``None``.

    Raises:
        InputError: if the folder holds no result, or its scan is missing or was changed.
    """
    folder = Path(folder)
    if not is_result(folder):
        raise InputError(f"{folder} holds no findings.json; give a result folder of `microbleeds detect`.")
    record = read_record(folder / "findings.json")
    run = read_run(folder)
    files = dict(scan) if scan is not None else _files_of(record, run, folder)
    sign = record.scan.phase.sign if record.scan.phase else "auto"
    paths = (files.get(role) for role in _ROLES)
    with open_scan(*paths, phase_sign=sign, series=series_searched(run)) as study:
        read = study.scan
    refuse_other_scan(run, files, study, record.scan.shape)
    signed = (folder / "review.json").is_file()
    weights, warnings = anatomy_searched(run)
    return Visit(name or str(folder), record, read, segment(read, compute=compute, **weights), signed, warnings)


def _files_of(record: Record, run: RunRecord | None, folder: Path) -> dict[str, Path]:
    """Return role to path of the scan that a result was made from."""
    given = dict(record.scan.files) if run is None else {role: run.options.get(role) for role in _ROLES}
    return {role: _found(str(path), folder) for role, path in given.items() if path is not None}


def _found(path: str, folder: Path) -> Path:
    """Return where a scan's file is: as it was given, or relative to the result."""
    for candidate in (Path(path), folder / path):
        if candidate.exists():
            return candidate
    if HIDDEN in path:
        raise InputError(
            f"The result {folder} was made from {path}; what names the patient in a path is not stored. Say where "
            "the study is (--baseline-scan, --followup-scan)."
        )
    raise InputError(
        f"The result {folder} was made from {path}, which isn't there any more; it is needed to align the visits. "
        "Say where it is now (--baseline-scan, --followup-scan)."
    )
