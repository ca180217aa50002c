"""What every command refuses, and what it says where the file system refuses."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import typer

from microbleeds.errors import InputError

BAD_INPUT, UNEXPECTED = 2, 1
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an argument that is empty: as a path it would pass for the current folder.

    Raises:
        InputError: if there is one.
    """
    if "" in arguments:
        raise InputError(
            "An argument is empty (an unset variable of the shell makes such); give it or leave it out."
        )


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


def leave(error: Exception, *, debug: bool, again: str) -> NoReturn:
    """Say what went wrong and leave: 2 where the user can mend the input, else 1.

    Args:
        error: that reached the command line.
        debug: whether the traceback of an unexpected one is shown.
        again: how to see it, as ``as `microbleeds --debug ...```.
    """
    if isinstance(error, InputError):
        said: tuple[str, int] | None = str(error), BAD_INPUT
    else:
        said = said_of(error) if isinstance(error, OSError) else None
    if said is None:
        if debug:
            traceback.print_exception(error)
        said = (
            f"an unexpected error, {type(error).__name__}: {error}\n"
            f"Run it again {again} and report the traceback.",
            UNEXPECTED,
        )
    sentence, code = said
    typer.echo(f"microbleeds: {sentence}", err=True)
    sys.exit(code)
