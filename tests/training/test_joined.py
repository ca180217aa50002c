"""Several data sets as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_training_dataset import write_subject

from microbleeds.errors import InputError
from microbleeds.prepare import PreparationSpec
from microbleeds.training.cache import cached
from microbleeds.training.joined import open_joined

SPEC = PreparationSpec()


@pytest.fixture
def sites(tmp_path: Path) -> list[Path]:
    """Two data sets of one name, each with a subject 0; the first has a subject 1 too."""
    folders = [tmp_path / "a" / "site", tmp_path / "b" / "site"]
    for folder, seeds in zip(folders, ((0, 1), (0,)), strict=True):
        for seed in seeds:
            write_subject(folder, seed)
    return folders


def test_one_is_opened_as_it_is(sites: list[Path]) -> None:
    assert [scan.name for scan in open_joined(sites[0]).scans] == ["sub-000", "sub-001"]
    assert open_joined(sites[:1]) == open_joined(sites[0])


def test_scans_of_several_are_told_apart(sites: list[Path], tmp_path: Path) -> None:
    joined = open_joined(sites)
    assert joined.name == "site and site-2"
    names = ["site/sub-000", "site/sub-001", "site-2/sub-000"]
    assert [scan.name for scan in joined.scans] == names
    assert [scan.group for scan in joined.scans] == names
    assert [scan.bleeds() for scan in joined.scans] == [2, 2, 2]
    assert [subject.name for subject in cached(joined.scans, tmp_path / "cache", SPEC)] == names
    assert len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.parametrize("described", [(), (0,), (0, 1)])
def test_simulated_if_all_are(sites: list[Path], described: tuple[int, ...]) -> None:
    for n in described:
        (sites[n] / "dataset_description.json").write_text('{"SimulationOptions": {}}')
    assert open_joined(sites).simulated == (len(described) == 2)


def test_one_given_twice(sites: list[Path]) -> None:
    with pytest.raises(InputError, match="given twice"):
        open_joined([sites[0], sites[0] / ".." / "site"])
