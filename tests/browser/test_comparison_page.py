"""The comparison page in a real Chromium: verdicts change the numbers, and what it exports can be signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from made_up import exported, finding, visit
from microbleeds.followup import compare_visits, write_comparison
from microbleeds.followup.registration import Registration
from microbleeds.followup.signed_folder import finalise_comparison

OLD, GONE = (20.0, 5.0, 3.0), (-18.0, 20.0, 6.0)
NEW = [(10.0, -25.0, -9.0), (-12.0, -12.0, 12.0), (0.0, 20.0, 12.0), (-20.0, 0.0, -6.0), (22.0, -8.0, 9.0)]


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A comparison of two visits in one pose: one stable, one no longer seen, five new."""
    aligned = Registration(np.eye(4), 0.2, 0.95, 0.9, None)
    monkeypatch.setattr("microbleeds.followup.compare.register", lambda *_: aligned)
    before = visit([finding(1, OLD), finding(2, GONE)], noise=1)
    found = [finding(n, place) for n, place in enumerate([OLD, *NEW[:-1]], start=1)]
    unsure = finding(6, NEW[-1], certainty="possible", score_spread=0.8, score_note="It changes.")
    after = visit([*found, unsure], noise=2)
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


def of_new(page) -> list[str]:
    return [page.text_content(f'[data-new="{name}"]') for name in ("definite", "possible", "unsteady")]


def number(page, state: str, group: str = "total") -> str:
    places = page.locator(f'[data-state="{state}"][data-group="{group}"]').all_text_contents()
    assert len(set(places)) == 1, "the head of the page and the table agree"
    return places[0]


def test_verdicts_change_counts_and_class_and_make_the_signed_comparison(
    page, compared: Path, tmp_path: Path
) -> None:
    assert (number(page, "new"), number(page, "new", "lobar"), number(page, "stable")) == ("5", "5", "1")
    assert set(page.locator("[data-count=aria_h]").all_text_contents()) == {"moderate"}
    page.locator("td select.verdict[data-lesion='1']").select_option("rejected")
    page.locator("article select.verdict[data-lesion='2']").select_option("stable")
    page.locator("td select.verdict[data-lesion='3']").select_option("new")
    assert page.locator("td select.verdict[data-lesion='2']").input_value() == "stable", "both say the same"
    assert (number(page, "new"), number(page, "new", "lobar"), number(page, "stable")) == ("3", "3", "2")
    assert set(page.locator("[data-count=aria_h]").all_text_contents()) == {"mild"}
    assert "3 of 7 read, 1 changed, 1 rejected" in page.text_content("#review-note")
    page.locator("input.lesion-note[data-lesion='2']").fill("there before")
    page.locator("input.lesion-note[data-lesion='4']").fill("no verdict")
    page.click("#export")
    assert "Say who reads" in page.text_content("#export-note")
    page.fill("#reader", "A. Reader")
    with page.expect_download() as download:
        page.click("#export")
    assert "4 not read" in page.text_content("#export-note")
    assert "A note without a verdict was left out: 4." in page.text_content("#export-note")
    download.value.save_as(tmp_path / "exported.json")
    signed = finalise_comparison(compared, tmp_path / "exported.json")
    assert (signed.comparison.counts["new"].total, signed.comparison.aria_h) == (3, "mild")
    assert [(one.id, one.verdict, one.note) for one in signed.review.lesions] == [
        (1, "rejected", ""),
        (2, "stable", "there before"),
        (3, "new", ""),
    ]
    page.locator("td select.verdict[data-lesion='1']").select_option("")
    assert number(page, "new") == "4"


def test_how_sure_the_new_ones_are_follows_the_reader(page, compared: Path) -> None:
    lesions = json.loads((compared / "comparison.json").read_text())["lesions"]
    unsure = next(lesion["id"] for lesion in lesions if lesion["followup"]["certainty"] == "possible")
    assert of_new(page) == ["4", "1", "1"]
    page.locator(f"td select.verdict[data-lesion='{unsure}']").select_option("rejected")
    assert of_new(page) == ["4", "0", "0"]
    page.locator(f"td select.verdict[data-lesion='{unsure}']").select_option("new")
    page.locator("td select.verdict[data-lesion='7']").select_option("new")
    assert of_new(page) == ["5", "1", "1"], "what the reader calls new is as sure as where it was seen"


def test_the_signed_page_asks_nothing(launched: Callable, compared: Path, tmp_path: Path) -> None:
    (tmp_path / "exported.json").write_text(json.dumps(exported(compared, {1: "rejected"})))
    finalise_comparison(compared, tmp_path / "exported.json")
    context = launched().new_context()
    page, told = context.new_page(), []
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto((compared / "reviewed" / "comparison.html").as_uri())
    assert "Read by A. Reader" in page.text_content(".reading")
    assert number(page, "new") == "4"
    assert page.locator("select, #export").count() == 0
    page.uncheck("#markers")
    assert "unmarked" in page.get_attribute("body", "class")
    context.close()
    assert told == []


def test_the_numbers_of_a_lesion_lead_to_its_pictures(page) -> None:
    link = page.locator("td a[href^='#lesion-']").first
    target = link.get_attribute("href")
    link.click()
    assert page.locator(target).is_visible()
    assert page.locator(f"{target} img, {target} svg").count() >= 2, "both visits are pictured"


def test_paper_says_what_the_reader_chose(page) -> None:
    page.locator("td select.verdict[data-lesion='1']").select_option("rejected")
    page.locator("input.lesion-note[data-lesion='1']").fill("a vein")
    page.emulate_media(media="print")
    assert page.locator("select:visible, input:visible, button:visible").count() == 0
    cells = page.locator("tr[data-id] td:last-child").all()
    assert [cell.inner_text() for cell in cells[:2]] == ["no microbleed", "not read"]
    said = page.locator("#lesion-1 .said").inner_text().split()
    assert said == ["Reader", "no", "microbleed", "Note", "a", "vein"]
    assert page.locator("#lesion-2 .said").inner_text().split() == ["Reader", "not", "read"]
    page.locator("td select.verdict[data-lesion='1']").evaluate(
        "(field) => { field.value = ''; field.dispatchEvent(new Event('change')); }"
    )
    assert cells[0].inner_text() == "not read"


def test_on_paper_nothing_runs_into_the_pictures(page) -> None:
    """A4 with margins of 10 mm is 718 pixels wide."""
    page.set_viewport_size({"width": 718, "height": 1000})
    page.emulate_media(media="print")
    for card in page.locator("article.card").all():
        values, pictures = (card.locator(part).bounding_box() for part in (".values", ".pairs"))
        column = card.locator("header").bounding_box()
        assert column["x"] + column["width"] <= pictures["x"]
        assert values["width"] <= column["width"], "the table stays in its column"
    assert page.locator("h2").first.evaluate("(head) => getComputedStyle(head).breakAfter") == "avoid"


def test_the_numbers_of_new_lesions_are_drawn_last(page) -> None:
    for view in page.locator("svg[role=group]").all():
        drawn = view.locator("a .dot").evaluate_all("(dots) => dots.map((dot) => dot.classList.contains('new'))")
        assert drawn == sorted(drawn), "what comes later lies on top"
        assert drawn.count(True) == len(NEW)
