"""The report as Chromium prints it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from oblique_head import BLEEDS_MM, PLACES, Head

from microbleeds.report.assemble import assemble
from microbleeds.report.html import write_html
from microbleeds.scan import Candidate

pytestmark = pytest.mark.slow


@pytest.fixture
def printed(launched: Callable, oblique: Head, tmp_path: Path):
    """A report of eight findings, in the medium of print at the width of a letter's text."""
    record = oblique.record
    model = record.model.model_copy(update={"scores": {f"a_measure_with_a_long_key_{n}": 0.5 for n in range(24)}})
    candidates = [Candidate(BLEEDS_MM[n % 4], 0.9 - n / 100, 2.5) for n in range(8)]
    made = assemble(replace(oblique.scan, warnings=()), candidates, [PLACES[n % 3] for n in range(8)], model)
    write_html(made, oblique.scan, oblique.brain, tmp_path / "report.html", oblique.regions)
    page = launched().new_context(viewport={"width": 725, "height": 965}).new_page()
    page.goto((tmp_path / "report.html").as_uri())
    page.emulate_media(media="print")
    yield page
    page.context.close()


def height(page, selector: str) -> float:
    return page.locator(selector).first.bounding_box()["height"]


class TestPrint:
    def test_takes_few_pages(self, printed):
        """It took a page a finding, and three for keys of scores."""
        paper = printed.pdf(format="Letter", prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) <= 6
        assert height(printed, ".card") < 965 / 3
        assert not printed.locator(".scores").is_visible()

    def test_forms_and_cards_are_not_cut(self, printed):
        for selector in (".form", ".card", "#regions"):
            style = printed.locator(selector).first.evaluate("element => getComputedStyle(element).breakInside")
            assert style == "avoid", selector

    def test_the_notice_is_on_every_page(self, printed):
        """A footer of a table is repeated wherever the table breaks, if it may not break itself."""
        style = "element => [getComputedStyle(element).display, getComputedStyle(element).breakInside]"
        assert printed.locator("body > footer").evaluate(style) == ["table-footer-group", "avoid"]
        assert printed.locator("body").evaluate("element => getComputedStyle(element).display") == "table"
        assert "Research use" in printed.locator("body > footer").inner_text()
