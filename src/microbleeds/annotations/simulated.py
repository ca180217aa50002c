"""This program's own layout (docs/architecture.md): images beside ``derivatives/truth``.

A subject's images lie in ``sub-*/anat``, or one scan for each visit in ``sub-*/ses-*/anat``. Microbleeds that no
reader could see, and mineralisation, are ignored as docs/scoring.md says. What checks data and what trains find
the files of a scan here, so that both see the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from microbleeds.annotations.forms import PROGRAM
from microbleeds.annotations.labelled_scan import LabelledScan
from microbleeds.annotations.statement import FILE_NAME, read_statement
from microbleeds.errors import InputError
from microbleeds.evaluate import read_truth

_TRUTH = Path("derivatives") / "truth"
_FOLDERS = ("sub-*/anat", "sub-*/ses-*/anat")


@dataclass(frozen=True)
class LayoutFiles:
    """Files of one scan in this program's layout; an image is ``None`` where there is none.

    Args:
        truth: table of its microbleeds.
        swi: susceptibility-weighted image.
        magnitude: magnitude before weighting.
        phase: phase image.
        brain: mask of the brain.
    """

    truth: Path
    swi: Path | None
    magnitude: Path | None
    phase: Path | None
    brain: Path | None


def is_simulated_layout(folder: Path) -> bool:
    """Whether a folder holds truth tables in this program's layout."""
    return any(table for anatomy in _FOLDERS for table in (folder / _TRUTH).glob(f"{anatomy}/*_microbleeds.tsv"))


def simulated_names(folder: Path) -> list[str]:
    """Names of the scans, sorted: ``sub-001``, or ``sub-001_ses-01`` where a subject has visits.

    Raises:
        InputError: if ``labels.json`` states something, which holds for other layouts only.
    """
    if read_statement(folder).model_fields_set:
        raise InputError(
            f"{folder / FILE_NAME} states how labels are written, but tables in {_TRUTH} are in this program's "
            "own layout, always RAS mm; take it away, or move the tables elsewhere and name them after the scans."
        )
    names = []
    for subject in (path for path in folder.glob("sub-*") if _is_folder(path)):
        visits = [path.name for path in subject.glob("ses-*") if _is_folder(path)]
        names += [f"{subject.name}_{visit}" for visit in visits]
        if not visits or (subject / "anat").is_dir():
            names.append(subject.name)
    return sorted(names)


def subject_of_name(name: str) -> str:
    """Return the subject of a scan: ``sub-001`` of ``sub-001_ses-01``."""
    return name.partition("_ses-")[0]


def scan_folder(folder: Path, name: str) -> Path:
    """Return where a scan lies, below the data set and below its truths alike."""
    subject, visit, number = name.partition("_ses-")
    return Path(subject, f"ses-{number}") if visit and not (folder / name).is_dir() else Path(name)


def layout_files(folder: Path, name: str) -> LayoutFiles:
    """Find the files of one scan.

    Raises:
        InputError: if it has no truth or neither SWI nor magnitude, or a file is there twice or is a dead link.
    """
    below = scan_folder(folder, name) / "anat"
    anatomy, truth = folder / below / name, folder / _TRUTH / below / name
    table = truth.with_name(f"{name}_microbleeds.tsv")
    if not table.is_file():
        raise InputError(f"{name} has no {table.relative_to(folder)}; write it, or take the subject away.")
    swi, magnitude = _image(anatomy, "swi"), _image(anatomy, "part-mag_GRE")
    if swi is None and magnitude is None:
        raise InputError(f"{name} has neither {name}_swi.nii.gz nor {name}_part-mag_GRE.nii.gz in {below}.")
    phase, brain = _image(anatomy, "part-phase_GRE"), _image(truth, "desc-brain_mask")
    return LayoutFiles(table, swi, magnitude, phase, brain)


def simulated_scan(folder: Path, name: str) -> LabelledScan:
    """Read the labels of one scan.

    Raises:
        InputError: if its truth is missing or damaged, or it has no image.
    """
    files = layout_files(folder, name)
    truth = read_truth(files.truth)
    return LabelledScan(
        name=name,
        subject=subject_of_name(name),
        swi=files.swi,
        magnitude=files.magnitude,
        phase=files.phase,
        positions_ras_mm=truth.counted_mm,
        ignored_ras_mm=truth.ignored_mm,
        diameters_mm=truth.diameter_mm[truth.visible],
        form=PROGRAM,
    )


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder.

    Raises:
        InputError: if it is a link to nothing, which would be passed over.
    """
    _refuse_dead_link(path)
    return path.is_dir()


def _image(stem: Path, ending: str) -> Path | None:
    """Return the NIfTI image of this name, if there is one."""
    paths = [stem.with_name(f"{stem.name}_{ending}{suffix}") for suffix in (".nii.gz", ".nii")]
    for path in paths:
        _refuse_dead_link(path)
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        raise InputError(f"{found[0]} is there as {found[1].name} too; keep one of them.")
    return found[0] if found else None


def _refuse_dead_link(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a link to nothing; fetch it (`datalad get`), or take it away.")
