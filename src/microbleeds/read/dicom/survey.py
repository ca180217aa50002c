"""Walk through a folder and read every header in it once.

Conventions:
    * Links to folders aren't followed (they may form a circle); links to files are, as data sets use them.
    * Files that aren't DICOM, and DICOM objects that aren't MR images (reports, segmentations, presentation
      states, raw data), are counted and left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from microbleeds.errors import InputError
from microbleeds.read.dicom.discreet import Discretion
from microbleeds.read.dicom.headers import (
    MR_IMAGES,
    DamagedFileError,
    Frame,
    frames_of,
    is_dicom,
    read_header,
    sop_class_of,
)
from microbleeds.read.dicom.values import quiet, text

# A folder with more files is a whole archive, not a study.
MOST_FILES = 100_000


@dataclass(frozen=True, eq=False)
class Survey:
    """What lies in a folder.

    Args:
        frames: of all MR images.
        others: DICOM objects that aren't MR images.
        strangers: files that aren't DICOM.
        damaged: DICOM files that can't be parsed.
        discreet: takes what identifies the patient out of a text.
    """

    frames: tuple[Frame, ...]
    others: int
    strangers: int
    damaged: int
    discreet: Discretion


def survey(folder: Path) -> Survey:
    """Read the headers of all DICOM files below a folder.

    Raises:
        InputError: if there is no DICOM file, no readable one, no MR image, or more than one patient.
    """
    frames: list[Frame] = []
    others = strangers = damaged = total = 0
    with quiet():
        for path in _files_below(folder):
            total += 1
            if total > MOST_FILES:
                raise InputError(f"The folder holds more than {MOST_FILES:,} files; give the folder of one study.")
            if not is_dicom(path):
                strangers += 1
                continue
            try:
                found = _frames(path)
            except DamagedFileError:
                damaged += 1
                continue
            frames += found
            others += not found
    _refuse_nothing(frames, others, strangers, damaged)
    _refuse_two_patients(frames)
    discreet = Discretion(frame.header.patient for frame in frames)
    return Survey(tuple(frames), others, strangers, damaged, discreet)


def _files_below(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _frames(path: Path) -> list[Frame]:
    """Return the frames of an MR image; none for any other object."""
    dataset = read_header(path)
    if sop_class_of(dataset) not in MR_IMAGES or text(dataset, "Modality") not in ("MR", ""):
        return []
    try:
        frames = frames_of(path, dataset)
    except Exception as error:
        # What the accessors of values.py don't shield: sequences within damaged sequences.
        raise DamagedFileError(type(error).__name__) from error
    if not frames or not frames[0].header.series_uid:
        raise DamagedFileError("no frame, or no series")
    return frames


def _refuse_nothing(frames: list[Frame], others: int, strangers: int, damaged: int) -> None:
    if frames:
        return
    if damaged:
        raise InputError(
            f"None of the {damaged} DICOM files can be parsed; they are damaged or truncated, so copy them again."
        )
    if others:
        raise InputError(
            f"The {others} DICOM objects hold no MR image (reports, screen shots or raw data); give the images."
        )
    if strangers:
        raise InputError(
            f"None of the {strangers} files is DICOM; give a DICOM study, or NIfTI images one by one."
        )
    raise InputError("There is no DICOM file; give the folder or zip of a study.")


def _refuse_two_patients(frames: list[Frame]) -> None:
    """The first header that contradicts another one is enough; nothing of either is quoted."""
    patients = list(dict.fromkeys(frame.header.patient for frame in frames))
    if any(one.differs_from(other) for n, one in enumerate(patients) for other in patients[n + 1 :]):
        raise InputError("The images are of more than one patient; give the study of one.")
