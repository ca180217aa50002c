"""What a user may name as a visit: a result folder, a folder with one acquisition, one image, a DICOM study."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from microbleeds.errors import InputError
from microbleeds.followup.visit import is_result
from microbleeds.report.run_record import RunRecord
from microbleeds.report.searched import main_role

_ENDINGS = {
    "swi": ("_swi.nii.gz", "_swi.nii"),
    "magnitude": ("_part-mag_GRE.nii.gz", "_part-mag_GRE.nii"),
    "phase": ("_part-phase_GRE.nii.gz", "_part-phase_GRE.nii"),
}
_WITHIN = ("", "anat", "swi")


def must_be_searched(path: Path) -> bool:
    """Whether a path must be searched before it can be compared."""
    return not is_result(Path(path))


def study_files(path: Path, main: Literal["swi", "magnitude"] = "swi") -> dict[str, Path]:
    """Return role to path of a study, as :class:`microbleeds.pipeline.Request` takes them.

    Args:
        path: a NIfTI image, a DICOM study (folder, zip), or a folder of one subject or session in
            the layout of ``docs/architecture.md`` (the files may lie in it or in its ``anat`` or ``swi`` folder).
        main: role of what says nothing of its role: a single image, a DICOM study.

    Raises:
        InputError: if there is no such path, or the folder holds several acquisitions or whole subjects.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} doesn't exist; give a result folder, a study folder or an SWI.")
    if path.is_file():
        return {main: path}
    files = {role: file for role in _ENDINGS if (file := _only(path, role)) is not None}
    if "swi" in files or "magnitude" in files:
        return files
    inner = [folder.name for pattern in ("sub-*", "ses-*") for folder in sorted(path.glob(pattern))]
    if inner:
        raise InputError(f"The folder {path} holds {', '.join(inner[:3])}; give the folder of one session.")
    return {main: path}


def files_searched(path: Path, run: RunRecord | None) -> dict[str, Path]:
    """Return role to path of the scan behind a result, where it lies now.

    Args:
        path: as for :func:`study_files`; of a folder that holds more than was searched, the rest is left aside.
        run: how the result was made, if it says.

    Raises:
        InputError: as :func:`study_files`.
    """
    files = study_files(path, main_role(run))
    searched = set(files) if run is None else set(run.inputs_sha256)
    return {role: file for role, file in files.items() if role in searched} or files


def _only(folder: Path, role: str) -> Path | None:
    """Return the one file of a role, ``None`` without one."""
    found = [
        file
        for inner in _WITHIN
        for file in sorted((folder / inner).glob("*.nii*"))
        if file.name.endswith(_ENDINGS[role])
    ]
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:3])
        raise InputError(f"The folder {folder} holds {len(found)} images of one kind ({names}); give one session.")
    return found[0] if found else None
