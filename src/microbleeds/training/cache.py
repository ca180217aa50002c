"""Prepared subjects, kept on disk so that each scan is read and prepared once."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.prepare import PreparationSpec
from microbleeds.training.subjects import TrainingSubject, load_subject, save_subject

log = logging.getLogger(__name__)
END_BYTES = 65_536


class Preparable(Protocol):
    """A scan with labels on disk; picklable, since processes of their own prepare it."""

    @property
    def name(self) -> str:
        """Unique in its data set."""
        ...

    @property
    def group(self) -> str:
        """Subject or head: scans that share it are learned from, or judged on, together."""
        ...

    def read(self, spec: PreparationSpec) -> TrainingSubject:
        """Read and prepare it."""
        ...

    def key(self, spec: PreparationSpec) -> str:
        """Hash of all that :meth:`read` depends on."""
        ...

    def content(self) -> list[object]:
        """What :func:`content_of` says of its labels and images."""
        ...

    def bleeds(self) -> int:
        """Number of microbleeds that count."""
        ...


def content_of(points_mm: Sequence[NDArray[np.float64]], images: Sequence[Path | None]) -> list[object]:
    """Positions of a scan's labels, to a hundredth of a millimetre, and a hash of both ends of each image's file.

    A copy of the data elsewhere has the same, so that a run goes on with it (in a folder of the same name, which
    runs note too); corrected labels have not.

    Args:
        points_mm: [N, 3] RAS mm of each kind of label.
        images: in a fixed order, ``None`` where there is none.
    """
    places = [(np.round(points, 2) + 0.0).tolist() for points in points_mm]  # + 0.0: there is no -0.0
    return [places, [None if image is None else _ends_sha256(image) for image in images]]


def _ends_sha256(path: Path) -> str:
    """Return the sha256 of a file's size and ends: cheap, and the end of a compressed image holds its checksum."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(END_BYTES))
        file.seek(max(0, size - END_BYTES))
        digest.update(file.read(END_BYTES))
    return digest.hexdigest()


def scans_sha256(sets: Iterable[Sequence[Preparable]]) -> str:
    """Return the sha256 of name, labels and images of each scan of some sets, see :func:`content_of`."""
    facts = [[[scan.name, scan.group, scan.content()] for scan in scans] for scans in sets]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def cached(
    scans: Sequence[Preparable], cache: Path, spec: PreparationSpec, workers: int = 1
) -> list[TrainingSubject]:
    """Prepare each scan once and open all of them.

    Args:
        scans: to open.
        cache: folder for prepared arrays; entries made from other files or by another specification are
            made again.
        spec: how to prepare.
        workers: processes.

    Raises:
        InputError: if a scan can't be prepared, or another run replaces what was prepared.
    """
    keys = {scan.name: scan.key(spec) for scan in scans}
    missing = [scan for scan in scans if not _fresh(cache / _folder(scan), keys[scan.name])]
    prepare_one = partial(_prepare_into, cache, spec)
    if workers > 1 and missing:
        # Spawned: a process forked after torch has used its threads can hang.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(prepare_one, missing))
    else:
        for scan in missing:
            prepare_one(scan)
    return [_opened(cache / _folder(scan), keys[scan.name]) for scan in scans]


def _opened(folder: Path, key: str) -> TrainingSubject:
    """Open a prepared subject.

    Raises:
        InputError: if it is not what was asked for: another run that shares the cache has replaced it meanwhile.
    """
    if not _fresh(folder, key):
        raise InputError(
            f"{folder} was prepared anew by another run, from other files or in another way; give each its own"
            " --cache."
        )
    return load_subject(folder)


def _folder(scan: Preparable) -> str:
    """Name of a scan's folder: people's file names may hold what a path can't, and two may then look alike."""
    plain = re.sub(r"[^\w.+-]", "_", scan.name).lstrip(".")
    if plain and plain == scan.name:
        return plain
    return f"{plain}-{hashlib.sha256(scan.name.encode()).hexdigest()[:8]}"


def _fresh(folder: Path, key: str) -> bool:
    """Whether a prepared subject is there, is described and was made from the same."""
    facts = folder / "subject.json"
    if not facts.exists():
        return False
    try:
        return bool(json.loads(facts.read_text(encoding="utf-8"))["key"] == key)
    except (ValueError, KeyError, TypeError):  # damaged, as by a full disk: it is prepared again
        return False


def _prepare_into(cache: Path, spec: PreparationSpec, scan: Preparable) -> None:
    """Prepare a scan into its folder of the cache."""
    log.info("Preparing %s", scan.name)
    folder, key = cache / _folder(scan), scan.key(spec)
    try:
        save_subject(scan.read(spec), folder, key)
    except OSError:
        # Another process may have put the same there meanwhile; a folder can't be moved onto it then.
        if not _fresh(folder, key):
            raise
