"""The day of an acquisition, and that nothing but the time between two visits comes of it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbleeds.read.day import first_day

DAY = date(2024, 11, 30)


@pytest.mark.parametrize(
    "stated",
    [
        "20241130", 20241130, "2024-11-30", "2024.11.30", "20241130101500.000000+0100", "2024113010",
        "2024-11-30T10:15:00.0", " 20241130 ",
    ],
)  # fmt: skip
def test_as_it_is_written(stated):
    assert first_day([stated]) == DAY


@pytest.mark.parametrize(
    "stated",
    ["", None, True, 1.5, [], "202411", "20241330", "00000000", "202411301", "born 20241130", "x" * 99],
)
def test_what_is_no_day(stated):
    assert first_day([stated]) is None


def test_the_first_that_is_one():
    assert first_day([None, "?", "20241130", "20200101"]) == DAY


@given(st.lists(st.one_of(st.none(), st.text(), st.integers(), st.booleans())))
def test_nothing_ends_in_an_error(stated):
    first_day(stated)
