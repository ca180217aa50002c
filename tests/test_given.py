"""What callers give in short or in error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from microbleeds.errors import InputError
from microbleeds.given import make_paths, path_of, paths_of, refuse_below, texts_of


@dataclass(frozen=True)
class Asked:
    out: Path
    weights: Path | None = None

    def __post_init__(self) -> None:
        make_paths(self, "out", "weights")


@pytest.mark.parametrize("given", ["data", Path("data"), ["data"], (Path("data"),)])
def test_one_path_is_one_item(given) -> None:
    assert paths_of(given) == [Path("data")]


def test_none_and_several_paths() -> None:
    assert paths_of(None) == []
    assert paths_of(["a", Path("b")]) == [Path("a"), Path("b")]


def test_a_text_is_one_item_and_not_its_letters() -> None:
    assert texts_of("phase=none") == ("phase=none",)
    assert texts_of(["5", "phase=none"]) == ("5", "phase=none")


def test_fields_become_paths() -> None:
    assert Asked("x") == Asked(Path("x"))  # type: ignore[arg-type]
    assert Asked(Path("x"), "y").weights == Path("y")  # type: ignore[arg-type]


def test_numbers_that_can_not_be() -> None:
    refuse_below(0, seed=0, subjects=np.int64(3))
    for wrong in (-1, 0.5, "3", None):
        with pytest.raises(InputError, match=f"scans per head must be a whole number .* 0, got {wrong!r}"):
            refuse_below(0, scans_per_head=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["", Path("data\0"), None, 5])
def test_what_is_no_path_is_refused(given) -> None:
    with pytest.raises(InputError, match=r"[Pp]ath"):
        path_of(given)
