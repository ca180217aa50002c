"""Rows of the shift test are whole, and each can be scanned."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from microbleeds.errors import InputError
from microbleeds.simulate.protocol import draw_settings
from shift import markdown
from shift_scans import build_row, read_rows

TEST_MAPS = {"training_seg_14.nii.gz", "training_seg_15.nii.gz", "training_seg_16.nii.gz"}


def test_rows_use_test_heads_and_seeds_alone() -> None:
    rows = read_rows()

    assert all(set(row.anatomies) <= TEST_MAPS for row in rows)
    assert all(row.seed >= 2_000_000 for row in rows)
    assert all(sum(row.subjects.values()) <= 8 for row in rows)
    assert len({row.order for row in rows}) == len(rows)


@pytest.mark.parametrize("row", read_rows(), ids=lambda row: row.name)
def test_a_row_changes_what_it_says(row) -> None:
    protocol = row.scanner()
    settings = row.changed(draw_settings(protocol, np.random.default_rng(0)))

    for name, value in row.protocol_changes.items():
        found = asdict(protocol)[name]
        assert (list(found) if isinstance(found, tuple) else found) == value
    for name in row.settings_changes:
        assert hash(getattr(settings, name)) is not None  # lists became tuples
    field_of_view = np.array(protocol.matrix) * protocol.spacing_mm
    assert np.all(field_of_view >= [180, 210, 120])


def test_rows_differ_from_the_reference() -> None:
    reference, *others = read_rows()

    assert reference.name == "reference"
    assert not reference.protocol_changes
    assert not reference.settings_changes
    for row in others:
        assert row.protocol_changes or row.settings_changes or not row.anatomies


def test_an_unknown_row_and_missing_label_maps_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no-such-row"):
        read_rows(["no-such-row"])
    with pytest.raises(InputError, match="label maps"):
        build_row(read_rows(["reference"])[0], tmp_path, None)


def test_a_row_that_collapses_is_bold() -> None:
    rows = read_rows(["reference", "noise"])
    lines = markdown([_result("reference", 0.95), _result("noise", 0.5)], rows)
    table = [line for line in lines if line.startswith("| ")]

    assert "**" not in table[1]
    assert "**50.0" in table[2]


def test_rows_of_different_weights_make_no_table() -> None:
    rows = read_rows(["reference", "noise"])
    with pytest.raises(InputError, match="Rows of shipped weights are of v, w"):
        markdown([_result("reference", 0.95), {**_result("noise", 0.9), "weights": "v"}], rows)


def _result(row: str, sensitivity: float) -> dict:
    interval = {"value": sensitivity, "low": 0.1, "high": 1.0}
    radius = {
        "operating": {"sensitivity": interval, "false_positives_per_subject": interval},
        "sensitivity_at": {"2": interval},
    }
    return {
        "row": row,
        "name": "shipped weights",
        "weights": "w",
        "intervals_over": "heads",
        "scores": {"microbleeds": 40, "radii": [radius]},
    }
