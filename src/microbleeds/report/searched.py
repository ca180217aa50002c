"""What a result was made from: how it says so, and whether a scan is that one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from microbleeds.errors import InputError
from microbleeds.read.dicom.study import is_study
from microbleeds.report.run_record import RunRecord, sha256_of, voxels_sha256
from microbleeds.scan import Scan


def read_run(folder: Path) -> RunRecord | None:
    """Read how a result was made, ``None`` if it does not say.

    Args:
        folder: of a result, or of a signed result below the one that it was made from.

    Raises:
        InputError: if `run.json` can't be read.
    """
    for path in (folder / "run.json", folder.resolve().parent / "run.json"):
        if path.is_file():
            try:
                return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, ValidationError) as error:
                raise InputError(f"{path} can't be read; run `microbleeds detect` again.") from error
    return None


def study_searched(run: RunRecord) -> tuple[Path | None, tuple[str, ...]]:
    """Return the DICOM study of a result and which series of it were asked for; no path if it isn't there now."""
    path = Path(str(run.options.get("swi") or run.options.get("magnitude")))
    there = run.voxels_sha256 is not None and path.exists() and is_study(path)
    return path if there else None, tuple(run.options.get("series") or ())


def main_role(run: RunRecord | None) -> Literal["swi", "magnitude"]:
    """Return the role of the image that a result was found on, or from which its SWI was made."""
    return "magnitude" if run and run.options.get("magnitude") and not run.options.get("swi") else "swi"


def refuse_other_scan(
    run: RunRecord | None, files: Mapping[str, Path], scan: Scan, shape: tuple[int, ...]
) -> None:
    """Refuse what isn't what was searched.

    NIfTI files are told by their bytes; DICOM by its voxels, since files and identifiers of a study change on
    their way through an archive.

    Args:
        run: how the result was made, if it says.
        files: role to path of the scan.
        scan: read from them.
        shape: voxels of the scan that was searched.

    Raises:
        InputError: if the scan is another one, or was changed.
    """
    if scan.source_grid.shape != shape:
        raise InputError("The scan has other voxels than the result; give the scan that was searched.")
    if run is None:
        return
    searched = run.inputs_sha256
    for role, path in files.items():
        if not searched or not path.is_file() or is_study(path):
            continue
        if role not in searched:
            raise InputError(
                f"The result was made from the {' and the '.join(searched)}, not with the {role} {path}; give the "
                "files that were searched and no others."
            )
        if searched[role] != sha256_of(path):
            raise InputError(
                f"The {role} {path} is not the one that was searched, or changed since; give that one, or run "
                "`microbleeds detect` again."
            )
    if "swi" not in searched and "phase" in searched and scan.phase_rad is None:
        raise InputError(
            "The result's SWI was made from magnitude and phase; give both (to compare: a folder with them, "
            "named `*_part-mag_GRE.nii.gz` and `*_part-phase_GRE.nii.gz`)."
        )
    if run.voxels_sha256 is not None and run.voxels_sha256 != voxels_sha256(scan):
        raise InputError(
            "The images have other values than those that were searched; give the study (and the series of it) "
            "that was searched, or run `microbleeds detect` again."
        )
