"""The page: self-contained, escaped, complete."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from little_head import BLEEDS_MM, PLACES, SCORES, Head, model, segmented

from microbleeds import localise
from microbleeds.regions import MARGIN_LIMIT_MM
from microbleeds.report.assemble import assemble
from microbleeds.report.html import MAX_PICTURED, render_html, write_html
from microbleeds.report.record import DISCLAIMER, Record
from microbleeds.scan import Candidate, SourceImages

VOID = {"meta", "img", "br", "input", "link"}


class Page(HTMLParser):
    """Collects tags and checks that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        # SVG shapes close themselves; HTMLParser reports both ends of these.
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def page(head: Head) -> str:
    return render_html(head.record, head.scan, head.brain)


@pytest.fixture(scope="module")
def part_of_a_head(head: Head) -> Record:
    """Nothing is found, on a scan that shows too little of the head."""
    return assemble(head.scan, [], [], model(), segmentation=replace(segmented(head), located=False))


class TestPage:
    def test_well_formed_with_unique_ids(self, page: str):
        parsed = Page(page)
        assert parsed.open == []
        ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        links = {attributes["href"] for tag, attributes in parsed.tags if tag == "a"}
        assert len(links) > 1
        assert {link.removeprefix("#") for link in links} <= set(ids)

    def test_needs_nothing_from_elsewhere(self, page: str):
        for tag, attributes in Page(page).tags:
            for name in ("src", "href", "data", "action"):
                value = attributes.get(name) or ""
                assert value.startswith(("data:", "#")) or not value, (tag, value[:60])
        assert not re.search(r"https?://|@import|url\(", page.replace("http-equiv", ""))

    def test_nothing_is_said_by_place_where_regions_are_unknown(self, head: Head, part_of_a_head: Record):
        assert part_of_a_head.counts.strictly_lobar is None
        page = render_html(part_of_a_head, head.scan, head.brain)
        assert page.count("<dd>not assessable</dd>") == 2
        assert "no form can be filled in" in page
        assert "data-form-group=" not in page
        assert 'class="shape' not in page
        assert 'data-count="lobar"' not in page
        assert Page(page).open == []

    def test_a_silhouette_never_grows_beyond_its_letters(self, page: str):
        for width, most in re.findall(r'<figure style="flex:([\d.]+);max-width:(\d+)px">\n<svg viewBox="-8', page):
            assert float(most) <= 3.3 * float(width)

    def test_a_reading_is_kept_on_the_review_page_alone(self, head: Head, page: str):
        assert 'id="save"' not in page
        assert "judge in <code>review.html</code>" in page
        assert "review.html" not in render_html(head.record, head.scan, head.brain, reading="Read by somebody.")

    def test_size(self, page: str):
        assert len(page) < 1_000_000

    def test_pictures_have_words(self, page: str):
        images = [attributes for tag, attributes in Page(page).tags if tag == "img"]
        assert len(images) == 3 + 4 * 10  # three kept and one removed by its place, each nine and a slice
        assert all(len(image["alt"]) > 10 for image in images)

    def test_says_what_it_must(self, page: str):
        for words in (
            DISCLAIMER,
            "MARS form",
            "paramagnetic dark",
            "veins are dark",
            "values run from 0 to 4095",
            "The phase sign is uncertain.",
            "It lies in cerebrospinal fluid.",
            "below the cut 0.5",
            "No reader has confirmed",
            "Strictly lobar",
            "left frontal white matter",
            "BOMBS form",
            "Groups by each scale",
            "Definite: score 0.97",
            "roundness from 0.4",
        ):
            assert words in page, words
        assert page.count(DISCLAIMER) >= 2

    def test_ruled_out_are_those_that_would_count(self, head: Head):
        """The list behind the fold has all of them."""
        (out,) = (finding for finding in head.record.findings if finding.removed_by == "anatomy")
        faint = out.model_copy(update={"id": 99, "score": 0.1})
        more = head.record.model_copy(update={"findings": [*head.record.findings, faint]})
        text = render_html(more, head.scan, head.brain)
        assert "Ruled out by place</dt><dd>1</dd>" in text
        assert "Removed candidates: 2 by place" in text

    def test_files_and_headers_cannot_bring_html(self, page: str):
        assert "<script>alert(1)" not in page
        assert "<MR>" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert page.count("<script") == 2

    def test_record_travels_inside(self, head: Head, page: str):
        embedded = re.search(r'<script type="application/json" id="record">(.*?)</script>', page, re.DOTALL)
        assert embedded is not None
        assert Record.model_validate(json.loads(embedded.group(1))) == head.record

    def test_regions_are_shown_where_they_are_known(self, head: Head, page: str):
        segmentation = segmented(head)
        with_regions = render_html(head.record, head.scan, head.brain, segmentation.regions)
        overlaid = [a for tag, a in Page(with_regions).tags if tag == "img" and a.get("class") == "regions"]
        assert len(overlaid) == 11
        assert all(image["src"].startswith("data:image/png") for image in overlaid)
        assert "Show regions" in with_regions
        for text in (page, render_html(head.record, head.scan, head.brain, segmentation.regions * 0)):
            assert "Show regions" not in text

    def test_a_doubtful_segmentation_is_said_everywhere(self, head: Head, page: str):
        doubtful = replace(segmented(head), confident=False)
        candidates = [Candidate(p, s, 2.5) for p, s in zip(BLEEDS_MM, SCORES, strict=True)]
        record = assemble(head.scan, candidates, PLACES, model(), (), doubtful)
        text = render_html(record, head.scan, head.brain, doubtful.regions)
        assert Page(text).open == []
        assert "The automatic segmentation looks wrong on this scan." in text
        assert text.count('<span class="badge doubt">uncertain</span>') >= 3 + 4 + 3, "numbers, forms, cards"
        assert re.search(r'data-count="strictly_lobar">unknown', text)
        assert text.count("hollow") > page.count("hollow") + 8, "three marks on three views"
        assert "looks wrong" not in page

    def test_where_in_the_files(self, head: Head, page: str):
        assert page.count("19 of 34") == 2, "list and card"
        assert "Voxel, from 0</dt><dd>74, 34, 18<" in page
        assert ">DICOM<" not in page
        scan = replace(head.scan, images=SourceImages(8, tuple(range(1, 35)), frames=False))
        record = assemble(scan, [Candidate(BLEEDS_MM[0], 0.9, 2.5)], PLACES[:1], model())
        assert render_html(record, scan, head.brain).count("series 8, image 19") == 2

    def test_a_projection_was_not_searched(self, head: Head):
        hashes = {"swi": "ab" * 32, "phase": "cd" * 32, "mip": "ef" * 32}
        origin = SimpleNamespace(time="2026-01-02 03:04 UTC", inputs_sha256=hashes)
        text = render_html(head.record, head.scan, head.brain, origin=origin)
        assert "sha256 abababababab" in text
        assert "sha256 cdcdcdcdcdcd" in text
        assert "efefefef" not in text

    def test_the_phase_says_how_it_is_drawn_where_it_is_drawn(self, page: str):
        heads = re.findall(r'<span class="head side">(.*?)</span>', page)
        assert {re.sub(r"<[^>]*>|&shy;", " ", head) for head in heads if head.startswith("phase")} == {
            "phase para magnetic bright "
        }
        assert "Sign in the file" in page

    def test_a_border_says_how_near(self, head: Head):
        place = replace(PLACES[0], margin_mm=1.44)
        record = assemble(head.scan, [Candidate(BLEEDS_MM[0], 0.9, 2.5)], [place], model())
        text = render_html(record, head.scan, head.brain)
        assert "On a border: 1.4 mm from another group." in text
        assert "border 1.4 mm" in text

    def test_a_margin_beyond_the_search_is_no_measurement(self, head: Head):
        assert localise.MARGIN_LIMIT_MM == MARGIN_LIMIT_MM
        places = [replace(PLACES[0], margin_mm=12.0), replace(PLACES[1], margin_mm=11.94)]
        candidates = [Candidate(p, 0.9, 2.5) for p in BLEEDS_MM[:2]]
        text = render_html(assemble(head.scan, candidates, places, model()), head.scan, head.brain)
        assert re.findall(r"To other group</dt><dd>([^<]*)<", text) == ["12 mm or more", "11.9 mm"]

    def test_an_unsteady_score_is_said(self, head: Head, page: str):
        candidates = [
            Candidate(BLEEDS_MM[0], 0.9, 2.5, (0.42, 0.91)),
            Candidate(BLEEDS_MM[1], 0.8, 2.5, (0.75, 0.8)),
        ]
        record = assemble(head.scan, candidates, PLACES[:2], model())
        text = render_html(record, head.scan, head.brain)
        assert Page(text).open == []
        assert text.count("Its score changes between 0.42 and 0.91 when the image is flipped") == 3, (
            "list, card, JSON"
        )
        assert text.count(">unsteady</small>") == 1
        assert '<td data-value="0.49">0.49<br>' in text
        assert '<td data-value="0.05">0.05</td>' in text
        assert "unsteady" not in page
        assert "Score spread" not in page, "not measured"

    def test_what_may_be_mineral_is_said(self, head: Head, page: str):
        note = "Near the pallidum, whose mineralisation looks the same."
        first = head.record.kept[0]
        findings = [
            one.model_copy(update={"mineralisation_note": note}) if one.id == first.id else one
            for one in head.record.findings
        ]
        text = render_html(head.record.model_copy(update={"findings": findings}), head.scan, head.brain)
        assert text.count(">mineral?</small>") == 1
        assert f'<p class="reason">{note}</p>' in text
        assert "mineral?" not in page

    def test_marks_differ_in_shape(self, page: str):
        outline = page[page.index('class="outlines"') : page.index("Projections of the scan")]
        for shape in ("<circle r=", "<rect x=", "<path d="):
            assert outline.count(shape) >= 3

    def test_scan_without_findings_or_phase(self, head: Head):
        scan = replace(head.scan, phase_rad=None, phase_facts=None, kind="t2star", warnings=())
        text = render_html(assemble(scan, [], [], model()), scan, head.brain)
        assert "No microbleed was found" in text
        assert "No phase was given" in text
        assert Page(text).open == []

    def test_an_swi_made_here_is_not_the_scanners(self, head: Head, page: str):
        scan = replace(head.scan, files={"magnitude": "mag.nii.gz", "phase": "phase.nii.gz"})
        text = render_html(assemble(scan, [], [], model()), scan, head.brain)
        assert "<dd>SWI made here from magnitude and phase</dd>" in text
        assert "a susceptibility-weighted image made here from magnitude and phase (voxels" in text
        assert "made here" not in page

    def test_many_findings_stay_small(self, head: Head, tmp_path):
        candidates = [Candidate((x * 0.5, 0.0, 0.0), 0.9) for x in range(MAX_PICTURED + 15)]
        record = assemble(head.scan, candidates, [PLACES[0]] * len(candidates), model())
        write_html(record, head.scan, head.brain, tmp_path / "report.html")
        assert (tmp_path / "report.html").stat().st_size < 10_000_000
        text = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert "15 findings with the lowest scores" in text
        tags = Page(text).tags
        ids = {attributes["id"] for _, attributes in tags if "id" in attributes}
        links = {attributes["href"][1:] for tag, attributes in tags if tag == "a" and "href" in attributes}
        assert len(links) == MAX_PICTURED
        assert links <= ids, "no link leads nowhere"
