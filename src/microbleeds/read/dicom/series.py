"""What was found in a DICOM study: its image volumes, and which of them were chosen for what.

Conventions:
    * A :class:`DicomSeries` is one *volume*: one stack of parallel, evenly spaced slices of one kind of image.
      A DICOM series that holds several echoes, magnitude beside phase, or several time points gives several of
      them, told apart by ``part``.
    * Grids are in RAS mm; array axes are ``[column, row, slice]``, so that ``files[k]`` holds slice ``k``.
    * Files exist only as long as the study is open when it came in a zip (:func:`.study.open_study`).
    * Nothing here identifies a patient, except what :meth:`DicomSeries.datasets` reads again from the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pydicom

from microbleeds.geometry import Grid
from microbleeds.scan import SequenceFacts, SourceImages

Role = Literal["swi", "magnitude", "phase", "mip", "real", "imaginary", "other"]


@dataclass(frozen=True)
class SourceInstance:
    """Where one slice of a volume is stored.

    Args:
        path: its file.
        sop_class_uid: of that file.
        sop_instance_uid: of that file.
        frame: number of the frame in a multi-frame file, counted from 1; ``None`` in a single-frame one.
        number: Instance Number of that file, if it says.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None = None
    number: int | None = None


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """One volume of a DICOM series.

    Args:
        uid: Series Instance UID.
        number: Series Number.
        description: Series Description.
        role: what it shows, by its headers.
        why: a short clause that tells what the role rests on.
        sure: whether the image itself says so, not just a name that people type.
        original: whether it was acquired, not derived from other images.
        instances: one for each slice, in slice order of the volume: increasing ``k`` of ``grid``.
        grid: [columns, rows, slices] in RAS mm; ``None`` where the slices make no volume.
        defect: the sentence that says why it can't be used, if so.
        part: number of this volume in its series, counted from 1; ``None`` if it is the only one.
        facts: acquisition facts of the headers.
        notes: short clauses that tell what was done to it, such as a doubled file that was dropped.
    """

    uid: str
    number: int | None
    description: str
    role: Role
    why: str
    instances: tuple[SourceInstance, ...]
    study_uid: str
    frame_of_reference_uid: str
    grid: Grid | None = None
    defect: str | None = None
    part: int | None = None
    sure: bool = True
    original: bool = True
    facts: SequenceFacts = field(default_factory=SequenceFacts)
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """File of each slice, in slice order of the volume; a multi-frame file stands there once for each."""
        return tuple(instance.path for instance in self.instances)

    @property
    def name(self) -> str:
        """What to call it in a sentence and after ``--series``: ``5``, or ``5:2`` for its second volume."""
        number = self.uid if self.number is None else str(self.number)
        return number if self.part is None else f"{number}:{self.part}"

    @property
    def images(self) -> SourceImages | None:
        """The slices as an archive numbers them; ``None`` where the series or one of them has no number."""
        in_file = [part.number if part.frame is None else part.frame for part in self.instances]
        numbers = tuple(number for number in in_file if number is not None)
        if self.number is None or len(numbers) < len(in_file):
            return None
        return SourceImages(self.number, numbers, frames=any(part.frame is not None for part in self.instances))

    def datasets(self) -> tuple[pydicom.Dataset, ...]:
        """Read the headers again, without pixels: each file once, in slice order.

        They hold the patient's data; write them nowhere but into objects for the same archive.
        """
        paths = dict.fromkeys(self.files)
        # By force, as they were read before: files without a preamble are DICOM too.
        return tuple(pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in paths)


@dataclass(frozen=True, eq=False)
class DicomStudy:
    """A study that was read: the chosen volumes and all that were seen.

    Args:
        chosen: role to volume: ``swi``, ``magnitude``, ``phase``, or the pair ``real`` and ``imaginary``
            where a scanner stores the complex image.
        reasons: role to a sentence that tells why this volume and not another.
        seen: every volume of the study, by series number.
        notes: sentences about what was left out or doubtful.
        title: the path as given, without what identifies the patient.
    """

    chosen: Mapping[Role, DicomSeries]
    reasons: Mapping[Role, str]
    seen: tuple[DicomSeries, ...]
    notes: tuple[str, ...] = ()
    title: str = ""

    @property
    def main(self) -> DicomSeries:
        """The volume on whose grid results are written and which they refer to: SWI, magnitude or real part."""
        for role in ("swi", "magnitude", "real"):
            if role in self.chosen:
                return self.chosen[role]
        raise KeyError("A study without a main image is never made; see choice.py.")
