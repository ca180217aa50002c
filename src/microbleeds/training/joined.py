"""Several data sets as one: each scan keeps its own, and its name says which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from microbleeds.given import paths_of
from microbleeds.prepare import PreparationSpec
from microbleeds.study import SignChoice
from microbleeds.training.apart import refuse_shared
from microbleeds.training.cache import Preparable
from microbleeds.training.collection import Collection, open_collection
from microbleeds.training.subjects import TrainingSubject


@dataclass(frozen=True)
class ScanOfSet:
    """A scan of one of several data sets; a :class:`~microbleeds.training.cache.Preparable`.

    Args:
        scan: as its data set knows it.
        of: the data set's name among the others.
    """

    scan: Preparable
    of: str

    @property
    def name(self) -> str:
        """Unique over the data sets."""
        return f"{self.of}/{self.scan.name}"

    @property
    def group(self) -> str:
        """Subject or head; those of two data sets count as two, whatever they are called."""
        return f"{self.of}/{self.scan.group}"

    def read(self, spec: PreparationSpec) -> TrainingSubject:
        """Read and prepare it."""
        return replace(self.scan.read(spec), name=self.name)

    def key(self, spec: PreparationSpec) -> str:
        """Hash of all that :meth:`read` depends on."""
        return self.scan.key(spec)

    def content(self) -> list[object]:
        """Labels and images' sizes of the scan."""
        return self.scan.content()

    def bleeds(self) -> int:
        """Number of microbleeds that count."""
        return self.scan.bleeds()


def open_joined(
    data: Path | Sequence[Path], converted: Path | None = None, phase_sign: SignChoice = "auto"
) -> Collection:
    """Find the labelled scans of one or several folders; see :func:`open_collection`.

    Args:
        data: a folder, which is opened as it is, or several.
        converted: where images that are no NIfTI files are converted to, a folder for each of several.
        phase_sign: how veins look in all phase files; ``auto`` derives it from each scan.

    Raises:
        InputError: if a folder can't be used, is given twice or lies in another.
    """
    folders = paths_of(data)
    if len(folders) == 1:
        return open_collection(folders[0], converted, phase_sign)
    refuse_shared([("data set", folder) for folder in folders])
    scans: list[Preparable] = []
    simulated, names = True, _names(folders)
    for folder, name in zip(folders, names, strict=True):
        opened = open_collection(folder, None if converted is None else converted / name, phase_sign)
        scans += [ScanOfSet(scan, name) for scan in opened.scans]
        simulated &= opened.simulated
    return Collection(" and ".join(names), simulated, tuple(scans))


def _names(folders: Sequence[Path]) -> list[str]:
    """Name of each data set, numbered where folders share one."""
    names: list[str] = []
    for folder in folders:
        name, number = folder.resolve().name, 1
        while name in names:
            number += 1
            name = f"{folder.resolve().name}-{number}"
        names.append(name)
    return names
