"""The comparison page in a real Chromium: rejecting a lesion changes the numbers and what is saved."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "followup"))
from made_up import finding, visit

from microbleeds.followup import Comparison, compare_visits, write_comparison
from microbleeds.followup.registration import Registration

OLD, GONE = (20.0, 5.0, 3.0), (-18.0, 20.0, 6.0)
NEW = [(10.0, -25.0, -9.0), (-12.0, -12.0, 12.0), (0.0, 20.0, 12.0), (-20.0, 0.0, -6.0), (22.0, -8.0, 9.0)]


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A comparison of two visits in one pose: one stable, one no longer seen, five new."""
    aligned = Registration(np.eye(4), 0.2, 0.95, 0.9, None)
    monkeypatch.setattr("microbleeds.followup.compare.register", lambda *_: aligned)
    before = visit([finding(1, OLD), finding(2, GONE)], noise=1)
    after = visit([finding(n, place) for n, place in enumerate([OLD, *NEW], start=1)], noise=2)
    comparison = compare_visits(before, after)
    assert (comparison.counts["new"].total, comparison.aria_h) == (5, "moderate")
    write_comparison(comparison, before, after, tmp_path)
    return tmp_path


@pytest.fixture
def page(launched: Callable, compared: Path) -> Iterator:
    told, asked = [], []
    context = launched().new_context(viewport={"width": 1100, "height": 800}, accept_downloads=True)
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    address = (compared / "comparison.html").as_uri()
    page.goto(address)
    yield page
    context.close()
    assert told == []
    assert {url for url in asked if not url.startswith(("blob:", "data:"))} == {address}


def number(page, state: str, group: str = "total") -> str:
    places = page.locator(f'[data-state="{state}"][data-group="{group}"]').all_text_contents()
    assert len(set(places)) == 1, "the head of the page and the table agree"
    return places[0]


def test_rejecting_changes_counts_class_and_what_is_saved(page, tmp_path: Path) -> None:
    assert (number(page, "new"), number(page, "new", "lobar"), number(page, "stable")) == ("5", "5", "1")
    assert set(page.locator("[data-count=aria_h]").all_text_contents()) == {"moderate"}
    new = page.locator("tr:has-text('new') input.counts").first
    rejected = int(new.get_attribute("value"))
    new.uncheck()
    assert (number(page, "new"), number(page, "new", "lobar"), number(page, "stable")) == ("4", "4", "1")
    assert set(page.locator("[data-count=aria_h]").all_text_contents()) == {"mild"}
    assert "1 of 7 rejected" in page.text_content("#review-note")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "saved.json")
    saved = Comparison.model_validate(json.loads((tmp_path / "saved.json").read_text()))
    assert (saved.counts["new"].total, saved.aria_h) == (4, "mild")
    assert rejected not in {lesion.id for lesion in saved.lesions}
    new.check()
    assert number(page, "new") == "5"
    assert page.locator("#review-note").is_hidden()


def test_the_numbers_of_a_lesion_lead_to_its_pictures(page) -> None:
    link = page.locator("td a[href^='#lesion-']").first
    target = link.get_attribute("href")
    link.click()
    assert page.locator(target).is_visible()
    assert page.locator(f"{target} img, {target} svg").count() >= 2, "both visits are pictured"
