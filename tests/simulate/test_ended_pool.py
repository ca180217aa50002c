"""Simulating side by side that is ended, by a signal say, doesn't go on with what was not begun."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from microbleeds.simulate.side_by_side import each_head

HEADS = 12


def slow(folder: Path, head: int) -> dict[str, object]:
    time.sleep(0.2)
    (folder / str(head)).touch()
    return {"head": head}


@pytest.mark.slow
def test_the_rest_is_not_waited_for(tmp_path: Path) -> None:
    heads = each_head(partial(slow, tmp_path), range(HEADS), 2)
    next(heads)
    heads.close()
    assert 1 <= len(list(tmp_path.iterdir())) < HEADS - 3
