"""The one exception that a user is meant to read."""

from __future__ import annotations


class InputError(ValueError):
    """What the user gave can't be used; the message is one sentence that says what was found and what to do.

    The command line prints the message alone and exits with code 2; callers of the API may catch it.
    """
