"""Pages of the report as secondary captures: what stands on them and what must not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import dicom_series
import numpy as np
import pytest
from dicom_result import Written
from dicom_series import NAME, PATIENT_ID
from highdicom.color import CIELabColor
from little_head import model, segmented
from reader_verdicts import HASH, content, verdict

from microbleeds.report.assemble import assemble
from microbleeds.report.dicom import Reading, reading_of, source_of
from microbleeds.report.dicom.pages import _BLACK, _FAINT, HEIGHT, MAX_PICTURED, PER_PAGE, WIDTH, Page, draw_pages
from microbleeds.report.palette import ON_DARK
from microbleeds.report.record import DISCLAIMER, RESEARCH_USE, Record
from microbleeds.report.review.signed import sign
from microbleeds.report.review.verdicts import read_verdicts
from microbleeds.report.templating import asset


def words(pages: list[Page]) -> str:
    return " | ".join(word for page in pages for word in page.words)


@pytest.fixture(scope="module")
def pages(written: Written) -> list[Page]:
    return draw_pages(written.head.record, Reading(), written.volumes.canvas)


def contrast(ink: tuple[int, int, int], ground: tuple[int, int, int]) -> float:
    """By WCAG 2."""
    share = np.array([ink, ground]) / 255
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    light = sorted(linear @ (0.2126, 0.7152, 0.0722))
    return (light[1] + 0.05) / (light[0] + 0.05)


class TestColours:
    def test_one_palette_for_pages_of_all_kinds(self):
        sheets = [
            asset("report.css").split("prefers-color-scheme:dark")[1].split("}}")[0],
            asset("review.css", "microbleeds.report.review", "assets"),
        ]
        for group, colour in ON_DARK.items():
            assert all(f"--{group}:#{bytes(colour).hex()}" in sheet for sheet in sheets), group

    def test_the_segments_have_it_too(self, written: Written):
        shown = {
            segment.SegmentLabel: CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb()
            for segment in written.read("seg.dcm").SegmentSequence
        }
        for finding in written.head.record.kept:
            assert np.abs(np.subtract(shown[f"Microbleed {finding.id}"], ON_DARK[finding.group])).max() <= 1


class TestContent:
    def test_counts_form_and_findings(self, pages: list[Page], written: Written):
        said = words(pages)
        assert "Research use. Not a medical device." in said
        assert "Not reviewed" in said
        assert "MARS form" in said
        for row in written.head.record.form:
            assert row.row[1:] in said
        for finding in written.head.record.kept:
            assert f"Microbleed {finding.id}" in said
        assert "L 30.0, A 20.0, S 6.0 mm; slice 19 of 34" in said
        assert "phase: paramagnetic bright" in said
        assert len(pages) == 2

    def test_nothing_is_said_by_place_where_regions_are_unknown(self, written: Written):
        head = written.head
        part = assemble(head.scan, [], [], model(), segmentation=replace(segmented(head), located=False))
        said = words(draw_pages(part, Reading(), written.volumes.canvas))
        assert "not assessable" in said
        assert not [word for word in ("MARS form", "lobar |", "Frontal") if word in said]

    def test_the_pictures_are_there(self, pages: list[Page], written: Written):
        bare = draw_pages(written.head.record, Reading(), None)
        for drawn, without in zip(pages, bare, strict=True):
            changed = np.asarray(drawn.image) != np.asarray(without.image)
            assert changed.any(axis=2).mean() > 0.02

    def test_every_word_lies_on_the_page(self, pages: list[Page]):
        for page in pages:
            picture = np.asarray(page.image)
            assert picture.shape == (HEIGHT, WIDTH, 3)
            border = np.concatenate(
                [picture[:30].reshape(-1, 3), picture[:, :30].reshape(-1, 3), picture[:, -30:].reshape(-1, 3)]
            )
            assert (border == border[0]).all()

    def test_what_the_reader_said(self, written: Written):
        reading = Reading({1: "accepted", 2: "uncertain", 3: "added"}, "Ader^Rea")
        said = words(draw_pages(written.head.record, reading, None))
        assert "1 accepted, 0 rejected, 1 uncertain, 1 added" in said
        assert "Reader: uncertain" in said
        assert "No score" in said

    def test_the_place_names_the_image(self, written: Written):
        source = written.source
        images = {finding.id: source.image_at(finding.position_lps_mm) for finding in written.head.record.kept}
        assert images[1] == "series 7, image 19"
        said = words(draw_pages(written.head.record, Reading(), None, images))
        assert "L 30.0, A 20.0, S 6.0 mm; slice 19 of 34; series 7, image 19" in said

    def test_the_image_of_a_multi_frame_file_or_without_numbers(self, written: Written):
        grid, position = written.head.scan.source_grid, written.head.record.kept[0].position_lps_mm
        assert source_of([dicom_series.multi_frame(grid)]).image_at(position) == "series 7, frame 19"
        headers = dicom_series.series(grid)
        for header in headers:
            del header.InstanceNumber
        assert source_of(headers).image_at(position) == ""

    @pytest.mark.parametrize("training", [DISCLAIMER, f"{RESEARCH_USE} {'Its weights learned from scans. ' * 9}"])
    def test_the_whole_notice_stands_on_every_page(self, written: Written, training: str):
        record = written.head.record.model_copy(update={"disclaimer": training.strip()})
        for page in draw_pages(record, Reading(), None):
            assert training.strip() in " ".join(page.words)
            picture = np.asarray(page.image)
            assert (picture[:34] == picture[0, 0]).all()
            assert len(np.unique(picture[106], axis=0)) == 2, "no letter on the line below"

    def test_zeros_of_the_form_can_be_read(self):
        assert contrast(_FAINT, _BLACK) >= 4.5

    def test_many_findings_fill_a_few_pages(self, written: Written):
        record = written.head.record
        first = record.kept[0]
        many = [first.model_copy(update={"id": n}) for n in range(1, MAX_PICTURED + 20)]
        drawn = draw_pages(record.model_copy(update={"findings": many}), Reading(), None)
        assert len(drawn) == 1 + MAX_PICTURED // PER_PAGE


class TestIdentity:
    def test_no_name_number_or_path_on_a_page(self, written: Written):
        record = written.head.record
        path = f"/archive/{NAME}/{PATIENT_ID}/swi.nii.gz"
        scan = record.scan.model_copy(update={"files": {"swi": path}})
        named: Record = record.model_copy(
            update={"scan": scan, "warnings": [f"The file {path} in /archive/{NAME}/{PATIENT_ID} is odd."]}
        )
        said = words(draw_pages(named, Reading(), written.volumes.canvas))
        assert NAME not in said
        assert PATIENT_ID not in said
        assert "/archive" not in said

    def test_nor_the_name_of_the_reader(self, written: Written, tmp_path: Path):
        verdicts = content([verdict(1, "accepted")], reader="Dr Ottilie Zylberstein")
        (tmp_path / "verdicts.json").write_text(json.dumps(verdicts))
        signed = sign(
            written.head.record,
            read_verdicts(tmp_path / "verdicts.json"),
            written.head.scan.source_grid,
            findings_sha256=HASH,
            verdicts_sha256=HASH,
        )
        assert "Zylberstein" in signed.record.warnings[0]
        said = words(draw_pages(signed.record, reading_of(signed.review), written.volumes.canvas))
        assert "Reviewed by a reader" in said
        assert "Zylberstein" not in said

    def test_header(self, written: Written):
        page = written.read("report.dcm")
        assert page.BurnedInAnnotation == "NO"
        assert (str(page.PatientName), page.PatientID, page.StudyInstanceUID) == (NAME, PATIENT_ID, "1.2.3.4")
        assert page.pixel_array.shape == (HEIGHT, WIDTH, 3)
        assert page.ImageComments == DISCLAIMER
        assert len(page.SourceImageSequence) == len(written.source.headers)
        assert written.read("report-2.dcm").InstanceNumber == 2
