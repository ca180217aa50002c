"""This program's own layout (docs/architecture.md): images beside ``derivatives/truth``.

Microbleeds that no reader could see, and mineralisation, are ignored as docs/scoring.md says.
"""

from __future__ import annotations

from pathlib import Path

from microbleeds.annotations.forms import PROGRAM
from microbleeds.annotations.labelled_scan import LabelledScan
from microbleeds.errors import InputError
from microbleeds.evaluate import read_truth

_TRUTH = Path("derivatives") / "truth"


def is_simulated_layout(folder: Path) -> bool:
    """Whether a folder holds truth tables in this program's layout."""
    return any((folder / _TRUTH).glob("sub-*/anat/*_microbleeds.tsv"))


def simulated_names(folder: Path) -> list[str]:
    """Names of the subjects, sorted."""
    return sorted(path.name for path in folder.glob("sub-*") if path.is_dir())


def simulated_scan(folder: Path, name: str) -> LabelledScan:
    """Read the labels of one subject.

    Raises:
        InputError: if its truth is missing or damaged, or it has no image.
    """
    anatomy = folder / name / "anat"
    table = folder / _TRUTH / name / "anat" / f"{name}_microbleeds.tsv"
    if not table.is_file():
        raise InputError(f"{name} has no {table.relative_to(folder)}; write it, or take the subject away.")
    truth = read_truth(table)
    swi, magnitude = _image(anatomy / f"{name}_swi"), _image(anatomy / f"{name}_part-mag_GRE")
    if swi is None and magnitude is None:
        raise InputError(f"{name} has neither {name}_swi.nii.gz nor {name}_part-mag_GRE.nii.gz in {anatomy}.")
    return LabelledScan(
        name=name,
        subject=name,
        swi=swi,
        magnitude=magnitude,
        phase=_image(anatomy / f"{name}_part-phase_GRE"),
        positions_ras_mm=truth.counted_mm,
        ignored_ras_mm=truth.ignored_mm,
        diameters_mm=truth.diameter_mm[truth.visible],
        form=PROGRAM,
    )


def _image(stem: Path) -> Path | None:
    """Return the NIfTI image of this name, if there is one."""
    found = (stem.with_name(stem.name + suffix) for suffix in (".nii.gz", ".nii"))
    return next((path for path in found if path.is_file()), None)
