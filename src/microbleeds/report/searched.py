"""What a result was made from: how it says so, and whether a scan is that one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from microbleeds.errors import InputError
from microbleeds.read.dicom.choice import MAIN_ROLES
from microbleeds.read.dicom.study import is_study
from microbleeds.read.part import voxels_sha256
from microbleeds.report.run_record import RunRecord, sha256_of
from microbleeds.scan import Scan
from microbleeds.study import Study


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


def study_searched(run: RunRecord) -> Path | None:
    """Return the DICOM study of a result, ``None`` if it isn't there now."""
    path = Path(str(run.options.get("swi") or run.options.get("magnitude")))
    return path if run.voxels_sha256 is not None and path.exists() and is_study(path) else None


def series_searched(run: RunRecord | None) -> tuple[str, ...]:
    """Return which series of its DICOM study were asked for."""
    asked = () if run is None else tuple(run.options.get("series") or ())
    # An earlier version let a minimum projection be named, which it did not search.
    return tuple(wish for wish in asked if not str(wish).startswith("mip="))


def series_of_study(run: RunRecord | None) -> tuple[str, ...]:
    """Return how to choose the series of a DICOM study as the search did, where the study is opened alone.

    An image that was given beside it took the place of the study's own, which is left out.
    """
    if run is None or not isinstance(run.voxels_sha256, dict):
        return series_searched(run)
    beside = [role for role in ("magnitude", "phase") if run.options.get("swi") and run.options.get(role)]
    return (*series_searched(run), *(f"{role}=none" for role in beside))


def main_role(run: RunRecord | None) -> Literal["swi", "magnitude"]:
    """Return the role of the image that a result was found on, or from which its SWI was made."""
    return "magnitude" if run and run.options.get("magnitude") and not run.options.get("swi") else "swi"


def refuse_other_scan(
    run: RunRecord | None, files: Mapping[str, Path], study: Study, shape: tuple[int, ...]
) -> None:
    """Refuse what isn't what was searched.

    NIfTI files are told by their bytes; DICOM by its voxels, since files and identifiers of a study change on
    their way through an archive.

    Args:
        run: how the result was made, if it says.
        files: role to path of the scan.
        study: read from them.
        shape: voxels of the scan that was searched.

    Raises:
        InputError: if the scan is another one, or was changed.
    """
    if study.scan.source_grid.shape != shape:
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
    if "swi" not in searched and "phase" in searched and study.scan.phase_rad is None:
        raise InputError(
            "The result's SWI was made from magnitude and phase; give both (to compare: a folder with them, "
            "named `*_part-mag_GRE.nii.gz` and `*_part-phase_GRE.nii.gz`)."
        )
    refuse_other_voxels(run, study)


def refuse_other_voxels(run: RunRecord | None, study: Study) -> None:
    """Refuse a study whose main volume, or another that was searched, has other voxels than what was searched.

    What was searched beside the main volume may be absent: the phase may lie in a folder of its own.

    Raises:
        InputError: if it does; nothing is known of a search of NIfTI files.
    """
    searched = None if run is None else run.voxels_sha256
    if searched is None:
        return
    found = study.voxels_sha256
    if isinstance(searched, str):
        same = searched == _measured_sha256(study.scan)
    else:
        # By their voxels and not by their roles: a folder given as magnitude may hold what its headers call SWI.
        same = _main_of(found) == _main_of(searched) and all(
            found[role] == searched[role] for role in found.keys() & searched.keys()
        )
    if not same:
        raise InputError(
            "The images have other values than those that were searched; give the study, and the series of it, "
            "that was searched."
        )


def _main_of(hashes: Mapping[str, str]) -> str | None:
    """Return the hash of the volume to which results refer."""
    return next((hashes[role] for role in MAIN_ROLES if role in hashes), None)


def _measured_sha256(scan: Scan) -> str:
    """Return the hash by which results of schema 1.0.0 know their scan."""
    return voxels_sha256(scan.swi if scan.magnitude is None else scan.magnitude)
