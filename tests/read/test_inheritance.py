"""BIDS's inheritance: files above an image speak of it too, the nearer outranks, and strangers do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from microbleeds.cohort.fingerprint import path_sha256
from microbleeds.read.inheritance import sidecar_path, sidecars
from microbleeds.read.sidecar import read_sidecar


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "set/sub-01/ses-1/anat/sub-01_ses-1_acq-epi_part-phase_GRE.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"voxels")
    written(tmp_path / "set/dataset_description.json", {"Name": "x"})
    return path


def written(path, content):
    path.write_text(json.dumps(content))
    return path


def test_where_the_own_one_lies():
    assert sidecar_path(Path("x/sub-001_swi.nii.gz")) == Path("x/sub-001_swi.json")
    assert sidecar_path(Path("x/a.b.nii")) == Path("x/a.b.json")


def test_of_the_whole_data_set(image, tmp_path):
    written(tmp_path / "set/part-phase_GRE.json", {"Units": "rad", "EchoTime": 0.02, "MagneticFieldStrength": 3})
    got = read_sidecar(image)
    assert got.phase_units == "rad"
    assert got.facts.echo_time_ms == pytest.approx(20)
    assert got.facts.field_strength_t == 3
    assert got.warnings == ()


@pytest.mark.parametrize("name", ["part-mag_GRE", "swi", "acq-epi_GREE", "sub-02_GRE", "GRE.old", "task-x_GRE"])
def test_of_other_images(image, tmp_path, name):
    written(tmp_path / f"set/{name}.json", {"EchoTime": 0.02})
    assert sidecars(image) == ()
    assert read_sidecar(image).facts.echo_time_ms is None


def test_the_nearer_and_the_more_particular_outranks(image, tmp_path):
    order = [
        written(tmp_path / "set/GRE.json", {"EchoTime": 0.01, "FlipAngle": 11, "MagneticFieldStrength": 1.5}),
        written(tmp_path / "set/acq-epi_GRE.json", {"EchoTime": 0.02, "FlipAngle": 12}),
        written(tmp_path / "set/sub-01/sub-01_GRE.json", {"EchoTime": 0.03}),
        written(image.parent / "sub-01_ses-1_GRE.json", {"EchoTime": 0.04}),
        written(sidecar_path(image), {"EchoTime": 0.05}),
    ]
    assert list(sidecars(image)) == order
    facts = read_sidecar(image).facts
    assert facts.echo_time_ms == pytest.approx(50)
    assert facts.flip_angle_deg == 12
    assert facts.field_strength_t == 1.5


def test_not_from_above_the_data_set_nor_without_one(image, tmp_path):
    written(tmp_path / "GRE.json", {"EchoTime": 0.02})
    assert sidecars(image) == ()
    written(tmp_path / "set/GRE.json", {"EchoTime": 0.02})
    (tmp_path / "set/dataset_description.json").unlink()
    assert sidecars(image) == ()


def test_relative_paths(image, tmp_path, monkeypatch):
    written(tmp_path / "set/GRE.json", {"EchoTime": 0.02})
    own = written(sidecar_path(image), {"FlipAngle": 15})
    monkeypatch.chdir(image.parent)
    assert [path.resolve() for path in sidecars(Path(image.name))] == [tmp_path / "set/GRE.json", own]


def test_a_wrong_value_names_the_files_it_may_be_in(image, tmp_path):
    written(tmp_path / "set/GRE.json", {"EchoTime": "long"})
    assert "GRE.json gives EchoTime" in " ".join(read_sidecar(image).warnings)


def test_a_broken_one_does_not_silence_the_others(image, tmp_path):
    written(tmp_path / "set/GRE.json", {"EchoTime": 0.02})
    sidecar_path(image).write_text("{")
    got = read_sidecar(image)
    assert got.facts.echo_time_ms == pytest.approx(20)
    assert len(got.warnings) == 1


def test_a_change_above_makes_a_scan_new(image, tmp_path):
    before = path_sha256(image)
    above = written(tmp_path / "set/GRE.json", {"EchoTime": 0.02})
    with_it = path_sha256(image)
    written(above, {"EchoTime": 0.03})
    assert len({before, with_it, path_sha256(image)}) == 3
