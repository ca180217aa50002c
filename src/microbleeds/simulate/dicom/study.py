"""A simulated subject as a DICOM study: a folder for each series."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from microbleeds.errors import InputError
from microbleeds.simulate.dicom.classic import write_classic
from microbleeds.simulate.dicom.conventions import Convention, series_of
from microbleeds.simulate.dicom.enhanced import write_enhanced
from microbleeds.simulate.dicom.images import read_subject

CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
SOURCE = Path("sourcedata") / "dicom"


def checked_convention(name: str) -> Convention:
    """Return a convention by its name.

    Raises:
        InputError: if there is none of this name.
    """
    known = next((convention for convention in CONVENTIONS if convention == name), None)
    if known is None:
        raise InputError(f"There is no DICOM convention {name!r}; use one of {', '.join(CONVENTIONS)}.")
    return known


def write_study(folder: Path, data: Path, subject: str, convention: Convention) -> None:
    """Write one subject of a simulated data set as a DICOM study.

    Args:
        folder: of the study; gets a folder for each series.
        data: the data set.
        subject: for instance ``sub-001``.
        convention: whose.

    Raises:
        InputError: if there is no such subject.
    """
    images = read_subject(data, subject)
    for series in series_of(images, convention):
        name = folder / f"{series.number:03d}"
        write = write_enhanced if series.enhanced else write_classic
        write(name, images, series, convention)


def write_studies(data: Path, convention: Convention) -> None:
    """Write every subject of a data set under ``sourcedata/dicom``."""
    data = Path(data)
    for folder in sorted(data.glob("sub-*")):
        write_study(data / SOURCE / folder.name, data, folder.name, convention)
