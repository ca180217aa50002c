"""What `--overwrite` may replace: an earlier output of the same kind, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from microbleeds.errors import InputError


def refuse_other_folder(
    out: Path, kind: str, marks: Sequence[str], inputs: Iterable[Path] = (), holding: str = "the scan itself"
) -> None:
    """Refuse to replace a folder that is no earlier output of a kind, or that holds what is read.

    Whether ``out`` may be replaced at all is asked elsewhere (:func:`microbleeds.atomic.atomic_folder`).

    Args:
        out: folder to write; a new or empty one is fine.
        kind: of the output, in a word or two.
        marks: names of files that an earlier output holds, all of them.
        inputs: what is read.
        holding: how a sentence calls these.

    Raises:
        InputError: if it must not be replaced.
    """
    if not out.is_dir() or not any(out.iterdir()):
        return
    places = [path.resolve() for path in inputs]
    if any(out.resolve() in (path, *path.parents) for path in places):
        raise InputError(f"The output folder {out} holds {holding}; choose another.")
    if not all((out / name).exists() for name in marks):
        raise InputError(f"The folder {out} is no earlier {kind} and won't be overwritten; choose another.")
