"""The one exception that a user is meant to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class InputError(ValueError):
    """What the user gave can't be used; the message is one sentence that says what was found and what to do.

    The command line prints the message alone and exits with code 2; callers of the API may catch it.
    """


def first_fault(error: ValidationError, whole: str = "the file") -> str:
    """Return where a model was not followed first, and how: ``findings.0.score: Input should be ...``.

    Args:
        error: of a file or of settings.
        whole: what to name where no field of it is at fault.
    """
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or whole}: {first['msg']}"
