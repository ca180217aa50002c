"""Received images and results on disk, readable by their owner alone, within limits.

images/TOKEN/UID-HASH.dcm      results/TOKEN/...      queue.sqlite
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path

from microbleeds.errors import InputError
from microbleeds.node.config import Config

QUEUE = "queue.sqlite"
_GIGA, _MEGA = 1_000_000_000, 1_000_000


class Spool:
    """The node's folder."""

    def __init__(self, config: Config) -> None:
        """Make the folder if need be.

        Raises:
            InputError: if it can't be written.
        """
        self._config = config
        #: Held while an image comes to the disk and the queue, and while a study leaves both: half of one would be
        #: lost in the other.
        self.lock = threading.Lock()
        self.folder = Path(config.folder)
        self._images, self._results = self.folder / "images", self.folder / "results"
        try:
            for folder in (self.folder, self._images, self._results):
                folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise InputError(f"The folder {self.folder} can't be written ({error.strerror}).") from error
        self._used = _size_of(self._images) + _size_of(self._results)

    @property
    def queue(self) -> Path:
        """File of the queue."""
        return self.folder / QUEUE

    def images(self, token: str) -> Path:
        """Folder of a study's images."""
        return self._images / token

    def results(self, token: str) -> Path:
        """Folder of a study's result."""
        return self._results / token

    def refuses(self, size: int) -> str | None:
        """Return why an image of so many bytes can't be taken; ``None`` if it can."""
        config = self._config
        if size > config.most_megabytes_per_image * _MEGA:
            return f"an image of {size / _MEGA:.0f} MB is above the limit"
        if self._used + size > config.most_gigabytes * _GIGA:
            return f"the spool holds {self._used / _GIGA:.1f} GB, the limit is {config.most_gigabytes:g} GB"
        if shutil.disk_usage(self.folder).free - size < config.least_free_gigabytes * _GIGA:
            return f"less than {config.least_free_gigabytes:g} GB would be free on the disk"
        return None

    def keep(self, token: str, image_uid: str, content: bytes) -> None:
        """Write an image whole, and return when it is on the disk itself.

        Raises:
            OSError: if it can't be written.
        """
        folder = self.images(token)
        folder.mkdir(exist_ok=True)
        name = hashlib.sha256(image_uid.encode()).hexdigest()[:32]
        partial = folder.parent / f".partial-{token}-{name}"
        try:
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(folder / f"{name}.dcm")
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(folder)
        self._used += len(content)

    def clear_result(self, token: str) -> None:
        """Drop what an earlier try left."""
        self._drop(self.results(token))

    def drop(self, token: str) -> None:
        """Drop a study's images and results."""
        self._drop(self.images(token))
        self._drop(self.results(token))

    def tidy(self) -> None:
        """Drop what a killed program left half-written."""
        for partial in (*self._images.glob(".partial-*"), *self._results.glob(".*")):
            self._drop(partial)

    def measure(self) -> None:
        """Count again what the results take; they are written by others."""
        self._used = _size_of(self._images) + _size_of(self._results)

    def _drop(self, path: Path) -> None:
        if path.is_dir():
            self._used -= _size_of(path)
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; those that vanish meanwhile don't count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def _sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
