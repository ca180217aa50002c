"""A zip of a study, unpacked into a temporary folder that is removed again.

Conventions:
    * Only members that look like DICOM are unpacked, under running numbers: no name of a member, which may hold
      a patient's name or a path upwards, ever reaches the disk.
    * What a member or the whole zip claims to unpack to is limited before and counted while it is unpacked.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from microbleeds.errors import InputError
from microbleeds.read.dicom.headers import looks_like_dicom

# A study of 3,000 images has about 1 GiB; pixels rarely deflate by more than 5, an empty image by 1,000.
MOST_MEMBERS = 100_000
MOST_BYTES = 16 * 2**30
LARGEST_RATIO = 200
# Below this size a high ratio harms nobody: an empty mask deflates well.
RATIO_MATTERS_FROM_BYTES = 256 * 2**20
_BLOCK = 1 << 20


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Yield a folder with the DICOM files of a zip; it is removed when the block ends.

    Raises:
        InputError: if the zip is damaged or encrypted, holds links or paths that lead outside, or unpacks to more
            than a study can have.
    """
    folder = Path(tempfile.mkdtemp(prefix="microbleeds-"))
    try:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, _judged(archive), folder)
        except InputError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise InputError(f"The zip {path} is damaged ({type(error).__name__}); copy it again.") from error
        except OSError as error:
            raise InputError(f"The zip {path} can't be unpacked ({error.strerror or error}).") from error
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _judged(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members that are files when nothing about the zip is dangerous."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MOST_MEMBERS:
        raise InputError(f"The zip holds {len(members):,} files, more than a study has; unpack it by hand.")
    for member in members:
        _refuse_dangerous(member)
    claimed = sum(member.file_size for member in members)
    held = max(1, sum(member.compress_size for member in members))
    if claimed > MOST_BYTES or (claimed > RATIO_MATTERS_FROM_BYTES and claimed > LARGEST_RATIO * held):
        raise InputError(
            f"The zip claims to unpack from {held / 2**20:,.1f} to {claimed / 2**20:,.0f} MiB, which no study "
            "does; it was not opened."
        )
    return members


def _refuse_dangerous(member: zipfile.ZipInfo) -> None:
    """Refuse what a study never has; the member's name, which may be a patient's, isn't quoted."""
    parts = PurePosixPath(member.filename.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (parts.parts and ":" in parts.parts[0]):
        raise InputError("The zip holds a path that leads outside of it; it was not opened.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError("The zip holds a symbolic link; pack the files themselves.")
    if member.flag_bits & 1:
        raise InputError("The zip is encrypted; unpack it first and give the folder.")


def _unpack(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    total = 0
    for count, member in enumerate(members):
        with archive.open(member) as stream:
            start = stream.read(136)
            if not looks_like_dicom(start):
                continue
            with (folder / f"{count:06d}.dcm").open("wb") as out:
                out.write(start)
                while block := stream.read(_BLOCK):
                    total += len(block)
                    if total > MOST_BYTES:
                        raise InputError("The zip unpacks to more than any study has; it was abandoned.")
                    out.write(block)
