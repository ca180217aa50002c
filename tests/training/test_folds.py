from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbleeds.errors import InputError
from microbleeds.training.folds import assign_folds, claim_folds


@given(
    burdens=st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 40), min_size=5, max_size=40),
    folds=st.integers(2, 5),
    seed=st.integers(0, 9),
)
def test_every_subject_has_one_fold_and_folds_are_alike(burdens: dict[str, int], folds: int, seed: int) -> None:
    dealt = assign_folds(burdens, folds, seed)
    assert dealt.keys() == burdens.keys()
    sizes = np.bincount(list(dealt.values()), minlength=folds + 1)[1:]
    assert sizes.max() - sizes.min() <= 1
    # Of the k heaviest subjects no two share a fold, nor of the next k.
    ordered = sorted(burdens, key=lambda name: (-burdens[name], name))
    for first in range(0, len(ordered), folds):
        block = [dealt[name] for name in ordered[first : first + folds]]
        assert len(set(block)) == len(block)
    shuffled = dict(reversed(list(burdens.items())))
    assert assign_folds(shuffled, folds, seed) == dealt


def test_the_seed_decides() -> None:
    burdens = {f"s{n:02d}": n % 4 for n in range(30)}
    assert assign_folds(burdens, 5, 0) != assign_folds(burdens, 5, 1)


@pytest.mark.parametrize(("folds", "match"), [(1, "two folds"), (4, "3 subjects can't be dealt out to 4")])
def test_impossible(folds: int, match: str) -> None:
    with pytest.raises(InputError, match=match):
        assign_folds({"a": 1, "b": 0, "c": 2}, folds, 0)


def test_claimed_once(tmp_path: Path) -> None:
    path = tmp_path / "cv" / "folds.json"
    claim_folds(path, {"a": 1, "b": 2}, {"data": "x"})
    claim_folds(path, {"a": 1, "b": 2}, {"data": "x"})
    with pytest.raises(InputError, match="other subjects"):
        claim_folds(path, {"a": 1, "b": 1}, {"data": "x"})
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(InputError, match="no cross-validation"):
        claim_folds(tmp_path / "folds.json", {"a": 1}, {})
