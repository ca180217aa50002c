"""Write a file or a folder whole or not at all."""

from __future__ import annotations

import ctypes
import glob
import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microbleeds.errors import InputError

# Reading the mask means setting it, which threads must not do side by side: once, at import.
_UMASK = os.umask(0)
os.umask(_UMASK)
_OWNER = re.compile(r"-partial-([0-9a-f]{8})-(\d+)-[^-]*$")
_DAY_S = 86_400
# Of renameat2(2).
_AT_CWD, _EXCHANGE = -100, 2


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and move it into place when the block ends well.

    The temporary name keeps the suffixes (``.nii.gz``), since writers choose their format by them.

    Raises:
        InputError: if ``path`` is a folder, or its parent can't be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"The output {path} is a folder, not a file; give the name of a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix="".join(path.suffixes[-2:]), dir=path.parent)
    except OSError as error:
        raise InputError(f"The output {path} can't be written ({error.strerror}).") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that takes its place when the block ends well.

    Raises:
        InputError: if ``path`` exists and ``overwrite`` is false, or its parent can't be written.
    """
    path = Path(path)
    path = path.resolve() if path.is_symlink() else path  # what it leads to gives way, the link stays
    if path.exists() and not overwrite:
        raise InputError(f"The output folder {path} exists already; choose another or pass --overwrite.")
    if path.exists() and not path.is_dir():
        raise InputError(f"The output {path} is a file, not a folder; choose another path.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-partial-{_own()}-", dir=path.parent))
    except OSError as error:
        raise InputError(f"The output folder {path} can't be written ({error.strerror}).") from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_UMASK)
        _swap(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(path: Path) -> None:
    """Remove what runs that were killed left of a folder beside it; what a run is still writing stays."""
    for left in path.parent.glob(f".{glob.escape(path.name)}-partial-*"):
        if not _is_being_written(left):
            shutil.rmtree(left, ignore_errors=True)


def _host() -> str:
    """Return eight digits that stand for this machine in a file's name."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _own() -> str:
    """Return what tells whose a temporary folder is: machine and process."""
    return f"{_host()}-{os.getpid()}"


def _is_being_written(temporary: Path) -> bool:
    """Whether the process that made a temporary folder may live: where nobody can tell, for a day."""
    owner = _OWNER.search(temporary.name)
    if owner is None:
        return False
    host, process = owner.group(1), int(owner.group(2))
    if host != _host() or os.name != "posix":  # on Windows the question would be a signal
        try:
            return time.time() - temporary.stat().st_mtime < _DAY_S
        except OSError:
            return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's process
        return True
    return True


def _swap(new: Path, path: Path) -> None:
    """Put ``new`` in the place of ``path``; the old result is dropped only after the new one stands."""
    if not path.exists():
        new.replace(path)
        return
    if _exchange(new, path):  # ``new`` is the old result now, which the caller removes
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
    path.replace(old / path.name)
    try:
        new.replace(path)
    except OSError:
        (old / path.name).replace(path)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step, so that a kill leaves either; whether this system can."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # no Linux, or an old C library
        return False
    paths = (os.fsencode(one.absolute()), os.fsencode(other.absolute()))
    # Some file systems (NFS, say) can't; then it fails and nothing has changed.
    return bool(rename(_AT_CWD, paths[0], _AT_CWD, paths[1], _EXCHANGE) == 0)
