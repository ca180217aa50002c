"""One visit: a result of `microbleeds detect` with the scan behind it, read and segmented again.

A signed result (the folder that `microbleeds finalize` writes below a result) is a visit as well: the reader's
counts are compared then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.report.record import Record, read_record
from microbleeds.report.run_record import RunRecord, sha256_of
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
    """

    name: str
    record: Record
    scan: Scan
    segmentation: Segmentation
    signed: bool = False


def is_result(path: Path) -> bool:
    """Whether a path is a result folder of `microbleeds detect`, or a signed one."""
    return (Path(path) / "findings.json").is_file()


def load_visit(folder: Path, *, name: str | None = None, compute: Compute | None = None) -> Visit:
    """Read a result folder and the scan that it was made from.

    Args:
        folder: with `findings.json`.
        name: shown to the reader; the folder's path if ``None``.
        compute: device and precision; measured if ``None``.

    Raises:
        InputError: if the folder holds no result, or its scan is missing or was changed.
    """
    folder = Path(folder)
    if not is_result(folder):
        raise InputError(f"{folder} holds no findings.json; give a result folder of `microbleeds detect`.")
    record = read_record(folder / "findings.json")
    run = _run_of(folder)
    options: dict[str, Any] = {} if run is None else run.options
    given = {role: options.get(role) for role in _ROLES} if run is not None else dict(record.scan.files)
    files = {role: _found(str(path), folder) for role, path in given.items() if path is not None}
    _refuse_changed(files, {} if run is None else run.inputs_sha256, folder)
    sign = record.scan.phase.sign if record.scan.phase else "auto"
    series = tuple(options.get("series") or ())
    with open_scan(*(files.get(role) for role in _ROLES), phase_sign=sign, series=series) as study:
        scan = study.scan
    if scan.source_grid.shape != record.scan.shape:
        raise InputError(f"The scan behind {folder} has other voxels now; run `microbleeds detect` on it again.")
    signed = (folder / "review.json").is_file()
    return Visit(name or str(folder), record, scan, segment(scan, compute=compute), signed)


def _run_of(folder: Path) -> RunRecord | None:
    """Return how a result was made, if it says; a signed result lies in the folder of the result."""
    for place in (folder / "run.json", folder.parent / "run.json"):
        if place.is_file():
            try:
                return RunRecord.model_validate_json(place.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, ValidationError) as error:
                raise InputError(f"{place} can't be read; run `microbleeds detect` again.") from error
    return None


def _found(path: str, folder: Path) -> Path:
    """Return where a scan's file is: as it was given, or relative to the result."""
    for candidate in (Path(path), folder / path):
        if candidate.exists():
            return candidate
    raise InputError(
        f"The result {folder} was made from {path}, which isn't there any more; it is needed to align the visits."
    )


def _refuse_changed(files: dict[str, Path], hashes: dict[str, str], folder: Path) -> None:
    """Refuse files that differ from those that were searched."""
    for role, path in files.items():
        if path.is_file() and hashes.get(role) not in (None, sha256_of(path)):
            raise InputError(f"{path} changed since {folder} was made from it; run `microbleeds detect` again.")
