"""All files of a folder, those behind links too; what can't be reached is told of, never passed over."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from microbleeds.errors import InputError

# A folder with more files than this is a home directory, not a data set.
MOST_FILES = 200_000


@dataclass(frozen=True)
class Walk:
    """What lies in a folder, hidden files and folders aside.

    Args:
        files: all, sorted.
        dead: links to nothing, and what there is no right to reach, sorted.
        closed: folders that can't be read.
    """

    files: tuple[Path, ...]
    dead: tuple[Path, ...]
    closed: tuple[Path, ...]

    def refuse_closed(self) -> None:
        """Refuse folders that can't be read: what lies in them would pass for absent.

        Raises:
            InputError: that names the first.
        """
        if self.closed:
            raise InputError(f"The folder {self.closed[0]} can't be read; change its permissions or move it away.")


def walked(folder: Path, most_files: int = MOST_FILES) -> Walk:
    """Go through a folder and through links in it; each real folder counts once, under its own name if it can.

    Raises:
        InputError: if it holds more than ``most_files``.
    """
    files: list[Path] = []
    dead: list[Path] = []
    closed: list[Path] = []
    seen = {*Path(os.path.realpath(folder)).parents}  # a link upwards leads out of the data
    waiting = [Path(folder)]
    while waiting:
        for place, folders, names in os.walk(
            waiting.pop(0), onerror=lambda error: closed.append(Path(str(error.filename)))
        ):
            real = Path(os.path.realpath(place))
            folders[:] = [name for name in folders if not name.startswith(".") and real not in seen]
            # Links are followed last, so that a folder inside the data keeps its own name.
            waiting += [link for name in sorted(folders) if (link := Path(place, name)).is_symlink()]
            for path in (Path(place, name) for name in names if real not in seen and not name.startswith(".")):
                there = _is_file(path)
                if there is not False:
                    (files if there else dead).append(path)
            seen.add(real)
            if len(files) > most_files:
                raise InputError(f"{folder} holds more than {most_files} files; give the folder of one data set.")
    return Walk(tuple(sorted(files)), tuple(sorted(dead)), tuple(sorted(closed)))


def _is_file(path: Path) -> bool | None:
    """Whether a path is a file; ``None`` if there is nothing, or nothing that may be reached."""
    try:
        return path.is_file() if path.exists() else None
    except PermissionError:
        return None
