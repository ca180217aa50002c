"""What the file system refuses becomes a sentence."""

from __future__ import annotations

import errno

import pytest

from microbleeds.cli.refusals import BAD_INPUT, UNEXPECTED, said_of


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.ENOSPC, UNEXPECTED, "Make room"),
        (errno.EACCES, BAD_INPUT, "/data/x can't be opened; change its permissions"),
        (errno.EROFS, BAD_INPUT, "/data/x can't be opened"),
        (errno.ENAMETOOLONG, BAD_INPUT, "give a shorter one"),
    ],
)
def test_what_a_user_can_mend(number: int, code: int, words: str) -> None:
    said = said_of(OSError(number, "Reason", "/data/x"))
    assert said is not None
    assert said[1] == code
    assert said[0].startswith("Reason")
    assert words in said[0]


def test_other_errors_are_unexpected() -> None:
    assert said_of(OSError(errno.EIO, "Input/output error", "/data/x")) is None
    assert said_of(OSError("no number")) is None
