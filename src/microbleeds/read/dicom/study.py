"""A folder, a zip or a single file of DICOM becomes a :class:`.series.DicomStudy`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from microbleeds.errors import InputError
from microbleeds.read.dicom.archive import unpacked
from microbleeds.read.dicom.choice import choose, listed, refuse_other_kind
from microbleeds.read.dicom.headers import is_dicom
from microbleeds.read.dicom.series import DicomSeries, DicomStudy, Role
from microbleeds.read.dicom.survey import Survey, survey
from microbleeds.read.dicom.volumes import volumes_of
from microbleeds.read.dicom.wishes import granted


def is_study(path: Path) -> bool:
    """Whether a path is to be read as DICOM: a folder, a zip or a DICOM file."""
    path = Path(path)
    return path.is_dir() or (path.is_file() and (zipfile.is_zipfile(path) or is_dicom(path)))


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the folder (or DICOM file) to read: ``path``, or where a zip was unpacked to until the block ends.

    Raises:
        InputError: if there is no such path, or the zip can't be unpacked.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} doesn't exist; check the path.")
    if path.is_file() and zipfile.is_zipfile(path):
        with unpacked(path) as folder:
            yield folder
    else:
        yield path


@contextmanager
def open_study(path: Path, chosen: Sequence[str] = ()) -> Iterator[DicomStudy]:
    """Read a study; its files exist until the block ends, also when they came in a zip.

    Args:
        path: folder (with folders), zip or single (multi-frame) DICOM file.
        chosen: what ``--series`` asks for, see :func:`.wishes.granted`.

    Raises:
        InputError: if it can't be read or holds nothing to search.
    """
    with opened(path) as folder:
        yield read_study(folder, chosen, title=str(path))


def read_study(path: Path, chosen: Sequence[str] = (), *, title: str | None = None) -> DicomStudy:
    """Read the headers of a folder or DICOM file and choose what to use.

    Args:
        path: folder or DICOM file.
        chosen: what ``--series`` asks for.
        title: what to call it instead of ``path``.

    Raises:
        InputError: if it can't be read or holds nothing to search.
    """
    found, volumes = list_volumes(path)
    return chosen_from(found, volumes, chosen, title or str(path))


def list_volumes(path: Path) -> tuple[Survey, list[DicomSeries]]:
    """Return everything that a folder or DICOM file holds, without choosing.

    Raises:
        InputError: if it holds no MR image, or images of more than one patient.
    """
    found = survey(path)
    return found, volumes_of(found)


def chosen_from(found: Survey, volumes: Sequence[DicomSeries], chosen: Sequence[str], title: str) -> DicomStudy:
    """Choose what to use of what was listed.

    Raises:
        InputError: if there is nothing to search, or not what was asked for.
    """
    choice = choose(volumes, granted(volumes, chosen))
    used = {id(volume): volume for volume in choice.chosen.values()}.values()
    doubts = [f"Series {volume.name}: {note}." for volume in used for note in volume.notes]
    return DicomStudy(
        chosen=choice.chosen,
        reasons=choice.reasons,
        seen=tuple(volumes),
        notes=(*choice.notes, *doubts, *_left_alone(found)),
        title=found.discreet(title),
    )


@contextmanager
def open_volume(path: Path, role: Role) -> Iterator[tuple[DicomSeries, str]]:
    """Find the one volume of a folder, zip or DICOM file that the user gave for a role.

    Yields:
        The volume and the path without what identifies the patient; files exist until the block ends.

    Raises:
        InputError: if there is none that can be used, or more than one.
    """
    with opened(path) as folder:
        found, volumes = list_volumes(folder)
        yield _only(volumes, role), found.discreet(str(path))


def _only(volumes: Sequence[DicomSeries], role: Role) -> DicomSeries:
    # What lies alone in the folder is what the user says it is.
    candidates = [v for v in volumes if v.role == role] or volumes
    usable = [v for v in candidates if v.defect is None]
    if not usable:
        raise InputError(f"What was given for the {role} holds nothing to use: {listed(candidates)}.")
    if len(usable) > 1:
        raise InputError(
            f"What was given for the {role} holds {len(usable)} volumes ({listed(usable)}); give one."
        )
    refuse_other_kind(usable[0], role)
    return usable[0]


def _left_alone(found: Survey) -> list[str]:
    """Say what was skipped and may matter: a damaged file may have been a slice."""
    if not found.damaged:
        return []
    files = "1 damaged DICOM file was" if found.damaged == 1 else f"{found.damaged} damaged DICOM files were"
    return [f"{files} left out."]
