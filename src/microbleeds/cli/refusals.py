"""What every command refuses, and what it says where the file system refuses."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

import typer

BAD_INPUT, UNEXPECTED = 2, 1
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def refuse_empty(arguments: Sequence[str]) -> None:
    """Leave with a sentence if an argument is empty: as a path it would pass for the current folder."""
    if "" in arguments:
        typer.echo(
            "microbleeds: An argument is empty (an unset variable of the shell makes such); give it or leave it "
            "out.",
            err=True,
        )
        sys.exit(BAD_INPUT)


def said_of(error: OSError) -> tuple[str, int] | None:
    """Return the sentence and the exit code for what a user can mend, ``None`` for any other error."""
    name = "" if error.filename is None else f" {str(error.filename)[:200]}"
    if error.errno in _NO_ROOM:
        return (
            f"{error.strerror} while writing; what was there before is untouched. Make room and run it again.",
            UNEXPECTED,
        )
    if error.errno in _CLOSED:
        return f"{error.strerror}:{name or ' a file'} can't be opened; change its permissions.", BAD_INPUT
    if error.errno == errno.ENAMETOOLONG:
        return f"{error.strerror}:{name}; give a shorter one.", BAD_INPUT
    return None
