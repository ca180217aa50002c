"""Sidecars help, and never stand in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbleeds.read.sidecar import Sidecar, merged, read_sidecar
from microbleeds.scan import SequenceFacts


def sidecar(folder, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "a.json").write_text(text)
    return read_sidecar(folder / "a.nii.gz")


def test_none():
    assert read_sidecar(Path("nowhere/a.nii.gz")) == Sidecar()


def test_facts(tmp_path):
    got = sidecar(
        tmp_path,
        {
            "EchoTime": 0.02,
            "RepetitionTime": 0.027,
            "FlipAngle": 15,
            "MagneticFieldStrength": 3,
            "Manufacturer": "Siemens",
            "Units": "rad",
        },
    )
    assert got.facts.echo_time_ms == pytest.approx(20)
    assert got.facts.repetition_time_ms == pytest.approx(27)
    assert got.facts.flip_angle_deg == 15
    assert got.facts.field_strength_t == 3
    assert got.facts.manufacturer == "Siemens"
    assert got.phase_units == "rad"
    assert got.warnings == ()


@pytest.mark.parametrize("text", ["{", "", "[1, 2]", "3", "null", '{"EchoTime": }', "[" * 100_000])
def test_bad_json_is_a_warning(tmp_path, text):
    got = sidecar(tmp_path, text)
    assert got.facts == SequenceFacts()
    assert len(got.warnings) == 1
    assert "a.json" in got.warnings[0]


def test_not_utf8(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"Manufacturer": "\xff\xfe"}')
    assert read_sidecar(tmp_path / "a.nii").warnings


@pytest.mark.parametrize("value", [20, -0.02, "20 ms", True, [0.02], float("nan"), 0])
def test_impossible_echo_time_is_ignored_with_a_warning(tmp_path, value):
    got = sidecar(tmp_path, {"EchoTime": value, "FlipAngle": 15})
    assert got.facts.echo_time_ms is None
    assert got.facts.flip_angle_deg == 15
    assert "EchoTime" in got.warnings[0]


def test_merged_prefers_the_first():
    first, second = SequenceFacts(echo_time_ms=20), SequenceFacts(echo_time_ms=30, flip_angle_deg=15)
    assert merged(first, second) == SequenceFacts(echo_time_ms=20, flip_angle_deg=15)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
KEYS = st.sampled_from(["EchoTime", "MagneticFieldStrength", "FlipAngle", "Manufacturer", "Units", "other"])


@settings(max_examples=60, deadline=None)
@given(content=st.dictionaries(KEYS, JSON))
def test_never_crashes(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    assert isinstance(sidecar(folder, content), Sidecar)
