"""What a user may name as a visit: a result folder, a folder with one acquisition, one image, a DICOM study."""

from __future__ import annotations

from pathlib import Path

from microbleeds.errors import InputError
from microbleeds.followup.visit import is_result

_ENDINGS = {
    "swi": ("_swi.nii.gz", "_swi.nii"),
    "magnitude": ("_part-mag_GRE.nii.gz", "_part-mag_GRE.nii"),
    "phase": ("_part-phase_GRE.nii.gz", "_part-phase_GRE.nii"),
}
_WITHIN = ("", "anat", "swi")


def is_study(path: Path) -> bool:
    """Whether a path must be searched before it can be compared."""
    return not is_result(Path(path))


def study_files(path: Path) -> dict[str, Path]:
    """Return role to path of a study, as :class:`microbleeds.pipeline.Request` takes them.

    Args:
        path: a NIfTI image (taken as SWI), a DICOM study (folder, zip), or a folder of one subject or session in
            the layout of ``docs/architecture.md`` (the files may lie in it or in its ``anat`` or ``swi`` folder).

    Raises:
        InputError: if there is no such path, or the folder holds several acquisitions or whole subjects.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} doesn't exist; give a result folder, a study folder or an SWI.")
    if path.is_file():
        return {"swi": path}
    files = {role: file for role in _ENDINGS if (file := _only(path, role)) is not None}
    if "swi" in files or "magnitude" in files:
        return files
    inner = [folder.name for pattern in ("sub-*", "ses-*") for folder in sorted(path.glob(pattern))]
    if inner:
        raise InputError(f"The folder {path} holds {', '.join(inner[:3])}; give the folder of one session.")
    return {"swi": path}


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
