"""Several data sets as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_training_dataset import describe_simulated, write_subject

from microbleeds.errors import InputError
from microbleeds.prepare import PreparationSpec
from microbleeds.training.anatomy.release import train_anatomy
from microbleeds.training.apart import refuse_overlap
from microbleeds.training.cache import cached
from microbleeds.training.cross_validation import CrossValidation, cross_validate
from microbleeds.training.finetune import finetune
from microbleeds.training.joined import open_joined
from microbleeds.training.plan import Mix
from microbleeds.training.run import train

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
        describe_simulated(sites[n])
    assert open_joined(sites).simulated == (len(described) == 2)


def test_one_given_twice(sites: list[Path]) -> None:
    with pytest.raises(InputError, match="given twice"):
        open_joined([sites[0], sites[0] / ".." / "site"])


def test_one_inside_another(sites: list[Path]) -> None:
    with pytest.raises(InputError, match="count double"):
        open_joined([sites[0] / "sub-000", sites[0]])


class TestOverlap:
    """Folders of a run that hold one another."""

    def test_apart(self, tmp_path: Path) -> None:
        run = tmp_path / "run"
        refuse_overlap(run, run / "cache", [tmp_path / "data"], [tmp_path / "data-2"], tmp_path / "heads")

    @pytest.mark.parametrize("out", ["data", "data/run", "link/run"])
    def test_a_run_in_the_data(self, tmp_path: Path, out: str) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "data")
        with pytest.raises(InputError, match=r"run folder .* lies in the data set"):
            refuse_overlap(tmp_path / out, tmp_path / "cache", [tmp_path / "data"])

    def test_a_cache_around_the_data(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"cache .* holds the simulated data set"):
            refuse_overlap(
                tmp_path / "run", tmp_path / "c", [tmp_path / "data"], simulated=tmp_path / "c" / "scans"
            )

    @pytest.mark.parametrize("other", ["data", "data/sub-1", ".", "link"])
    def test_data_to_validate_on_or_to_mix_in(self, tmp_path: Path, other: str) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "data")
        for given in ({"validation": [tmp_path / other]}, {"simulated": tmp_path / other}):
            with pytest.raises(InputError, match="count double"):
                refuse_overlap(tmp_path / "run", tmp_path / "run" / "cache", [tmp_path / "data"], **given)  # type: ignore[arg-type]

    def test_each_verb_refuses(self, sites: list[Path]) -> None:
        data = sites[0]
        with pytest.raises(InputError, match="lies in the data set"):
            train(data, "default", data / "run")
        with pytest.raises(InputError, match="lies in the data set"):
            finetune(data, data / "run")
        with pytest.raises(InputError, match="lies in the data set"):
            cross_validate(CrossValidation(data, data / "run"))
        with pytest.raises(InputError, match="as validation data set too"):
            finetune(data, data.parent / "run", validation_data=[data])


class TestWhatIsGivenInShort:
    """Each stops at the folder that isn't there: a text was taken for its letters, or had no parts of a path."""

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def test_texts_serve_as_paths(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="data set data is no folder"):
            finetune("data", "out", validation_data="more", cache="kept")
        with pytest.raises(InputError, match="data set data is no folder"):
            train("data", "default", "out", validation_data="more", cache="kept", mix=Mix("simulated"))
        with pytest.raises(InputError, match="data set data is no folder"):
            cross_validate(CrossValidation("data", "out"))
        with pytest.raises(InputError, match="folder maps holds 0 label maps"):
            train_anatomy("maps", "out", data="scans")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"seed": -1}, "seed"),
            ({"workers": -1}, "workers"),
            ({"validation_subjects": -1}, "validation subjects"),
        ],
    )
    def test_numbers_that_can_not_be(self, wrong: dict[str, int], words: str) -> None:
        words = f"The {words} must be a whole number of at least 0, got -1"
        with pytest.raises(InputError, match=words):
            finetune("data", "out", **wrong)
        with pytest.raises(InputError, match=words):
            train("data", "default", "out", **wrong)
        with pytest.raises(InputError, match=words):
            CrossValidation("data", "out", **wrong)
