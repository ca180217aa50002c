"""A reader's verdicts on a comparison become a signed comparison, with the pictures of the page that was read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from made_up import AT, exported, finding, record, visit
from microbleeds.cli.app import app
from microbleeds.errors import InputError
from microbleeds.followup import compare_visits, read_comparison, write_comparison
from microbleeds.followup.drawn import draw, read_drawn
from microbleeds.followup.registration import Registration
from microbleeds.followup.rule import Rule
from microbleeds.followup.signed_folder import finalise_comparison
from microbleeds.followup.verdicts import read_comparison_verdicts
from microbleeds.report.record import write_record
from microbleeds.report.review.signed_folder import holds_reading
from microbleeds.report.review.verdicts import read_verdicts
from microbleeds.report.run_record import sha256_of

OLD, GONE, FAINT = (20.0, 5.0, 3.0), (-18.0, 20.0, 6.0), (-12.0, -12.0, 12.0)
NEW = [(10.0, -25.0, -9.0), (0.0, 20.0, 12.0), (-20.0, 0.0, -6.0), (22.0, -8.0, 9.0)]


@pytest.fixture(scope="module")
def visits():
    after = [finding(n, place) for n, place in enumerate([OLD, *NEW], start=1)]
    return (
        visit([finding(1, OLD), finding(2, GONE, group="deep")], noise=1),
        visit([*after, finding(9, FAINT, 0.16, "score")], noise=2),
    )


@pytest.fixture(scope="module")
def made(visits, tmp_path_factory) -> Path:
    """Five new lesions (ids 1 to 5, the last found by comparing), one stable (6), one no longer seen (7)."""
    folder = tmp_path_factory.mktemp("compared")
    aligned = Registration(np.eye(4), 0.2, 0.95, 0.9, None)
    comparison = compare_visits(*visits, Rule(new_cut=0.15), aligned)
    write_comparison(comparison, *visits, folder)
    assert [lesion.state for lesion in comparison.lesions] == [*["new"] * 5, "stable", "no-longer-seen"]
    assert (comparison.aria_h, comparison.new_by_comparing) == ("moderate", 1)
    assert comparison.lesions[4].found_by_comparing
    return folder


def written(path: Path, made: Path, said: dict[int, str], **more) -> Path:
    file = path / "comparison-verdicts.json"
    file.write_text(json.dumps(exported(made, said, **more)), encoding="utf-8")
    return file


class TestSigned:
    def test_counts_and_class_are_the_readers(self, made, tmp_path):
        said = {1: "new", 2: "rejected", 3: "stable", 5: "stable", 7: "no-longer-seen"}
        signed = finalise_comparison(made, written(tmp_path, made, said), tmp_path / "signed")
        comparison = read_comparison(tmp_path / "signed" / "comparison.json")
        assert comparison == signed.comparison
        assert {state: n.total for state, n in comparison.counts.items()} == {
            "new": 2, "stable": 3, "no-longer-seen": 1, "outside-field-of-view": 0,
        }  # fmt: skip
        assert (comparison.aria_h, comparison.new_by_comparing) == ("mild", 0)
        assert [lesion.id for lesion in comparison.lesions] == [1, 4, 3, 5, 6, 7]
        assert comparison.lesions[2].note.startswith("The reader decided; the program had said new.")
        assert comparison.warnings[0] == signed.review.sentence
        assert signed.review.sentence == (
            "Read by A. Reader on 2026-11-30: 2 confirmed, 2 changed, 1 rejected; 2 counted without a verdict."
        )

    def test_the_record_says_who_decided_what(self, made, tmp_path):
        verdicts = written(tmp_path, made, {2: "rejected"})
        finalise_comparison(made, verdicts, tmp_path / "signed")
        review = json.loads((tmp_path / "signed" / "review.json").read_text())
        assert review["lesions"] == [{"id": 2, "verdict": "rejected", "proposed": "new", "at": AT, "note": ""}]
        assert (review["proposed_aria_h"], review["unreviewed"]) == ("moderate", [1, 3, 4, 5, 6, 7])
        assert review["comparison_sha256"] == sha256_of(made / "comparison.json")
        assert review["verdicts_sha256"] == sha256_of(verdicts)
        assert (tmp_path / "signed" / "comparison-verdicts.json").read_bytes() == verdicts.read_bytes()
        assert holds_reading(tmp_path)

    def test_the_page_shows_what_is_left_and_asks_nothing(self, made, tmp_path):
        finalise_comparison(made, written(tmp_path, made, {2: "rejected", 3: "stable"}), tmp_path / "signed")
        before, after = (folder / "comparison.html" for folder in (made, tmp_path / "signed"))
        text, read = before.read_text(encoding="utf-8"), after.read_text(encoding="utf-8")
        assert "Read by A. Reader on 2026-11-30" in read
        assert "No reader has confirmed" not in read
        assert "<select" in text
        assert "<select" not in read
        assert 'id="export"' not in read
        assert set(re.findall(r'id="lesion-(\d+)"', read)) == {"1", "3", "4", "5", "6", "7"}
        pictures = dict(re.findall(r'<img data-picture="([^"]+)" src="([^"]+)"', text))
        kept = dict(re.findall(r'<img data-picture="([^"]+)" src="([^"]+)"', read))
        assert kept == {name: source for name, source in pictures.items() if not name.startswith("2-")}
        assert len(kept) == 6 * 8 + 3 + 3

    def test_pictures_are_read_back_as_they_were_drawn(self, made, visits):
        comparison = read_comparison(made / "comparison.json")
        assert read_drawn(made / "comparison.html", sha256_of(made / "comparison.json")) == draw(
            comparison, *visits
        )


class TestRefusals:
    def test_another_comparison(self, made, tmp_path):
        verdicts = written(tmp_path, made, {1: "new"}, comparison_sha256="ab" * 32)
        with pytest.raises(InputError, match="belong to another comparison"):
            finalise_comparison(made, verdicts, tmp_path / "signed")
        assert not (tmp_path / "signed").exists()

    def test_a_folder_of_something_else(self, made, tmp_path):
        with pytest.raises(InputError, match="holds no comparison"):
            finalise_comparison(tmp_path, written(tmp_path, made, {1: "new"}))

    def test_a_lesion_that_is_not_there(self, made, tmp_path):
        with pytest.raises(InputError, match="name lesion 8"):
            finalise_comparison(made, written(tmp_path, made, {8: "new"}), tmp_path / "signed")

    def test_a_page_of_another_comparison(self, made, tmp_path):
        folder = tmp_path / "compared"
        folder.mkdir()
        for name in ("comparison.json", "comparison.html"):
            (folder / name).write_bytes((made / name).read_bytes())
        page = folder / "comparison.html"
        page.write_text(page.read_text().replace(sha256_of(made / "comparison.json"), "cd" * 32))
        with pytest.raises(InputError, match="shows another comparison"):
            finalise_comparison(folder, written(tmp_path, made, {1: "new"}))
        page.unlink()
        with pytest.raises(InputError, match="can't be read"):
            finalise_comparison(folder, written(tmp_path, made, {1: "new"}))
        assert not (folder / "reviewed").exists()

    def test_visits_that_could_not_be_aligned(self, visits, tmp_path):
        failed = Registration(np.eye(4), 0.2, 0.95, 0.1, "The scans are not alike.")
        write_comparison(compare_visits(*visits, registration=failed), *visits, str(tmp_path))
        with pytest.raises(InputError, match="could not be aligned"):
            finalise_comparison(tmp_path, written(tmp_path, tmp_path, {}))

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (
                {"verdicts": [{"lesion": 1, "verdict": v, "at": AT} for v in ("new", "stable")]},
                "two verdicts",
            ),
            ({"verdicts": [{"lesion": 1, "verdict": "gone", "at": AT}]}, "verdicts.0.verdict"),
            ({"exported": "2026-11-30T08:00:00Z"}, "before the start"),
            ({"reader": " "}, "reader"),
        ],
    )
    def test_what_is_no_export(self, made, tmp_path, more, words):
        with pytest.raises(InputError, match=words):
            read_comparison_verdicts(written(tmp_path, made, {}, **more))

    def test_verdicts_on_one_result_and_on_two_visits_are_told_apart(self, made, tmp_path):
        verdicts = written(tmp_path, made, {1: "new"})
        with pytest.raises(InputError, match="those on a comparison of two visits"):
            read_verdicts(verdicts)
        content = json.loads(verdicts.read_text())
        content["findings_sha256"] = content.pop("comparison_sha256")
        verdicts.write_text(json.dumps(content))
        with pytest.raises(InputError, match="those on one result"):
            read_comparison_verdicts(verdicts)

    def test_a_signed_one_is_not_signed_again_nor_lost(self, made, tmp_path):
        verdicts = written(tmp_path, made, {1: "new"})
        signed = tmp_path / "signed"
        finalise_comparison(made, verdicts, signed)
        with pytest.raises(InputError, match="signed already"):
            finalise_comparison(signed, verdicts)
        with pytest.raises(InputError, match="exists"):
            finalise_comparison(made, verdicts, signed)
        finalise_comparison(made, verdicts, signed, overwrite=True)
        (signed / "review.json").unlink()
        with pytest.raises(InputError, match="no earlier signed comparison"):
            finalise_comparison(made, verdicts, signed, overwrite=True)


class TestCommand:
    def test_says_what_is_signed(self, made, tmp_path):
        verdicts = written(tmp_path, made, {n: "rejected" if n < 3 else "new" for n in range(1, 6)})
        done = CliRunner().invoke(app, ["finalize", str(made), str(verdicts), "--out", str(tmp_path / "signed")])
        assert done.exit_code == 0, done.output
        assert "3 confirmed, 0 changed, 2 rejected" in done.output
        assert "2 lesion(s) without a verdict count as the program proposed: 6, 7." in done.output
        assert "mild" in done.output

    def test_dicom_is_of_results_alone(self, made, tmp_path):
        verdicts = written(tmp_path, made, {1: "new"})
        done = CliRunner().invoke(app, ["finalize", str(made), str(verdicts), "--organization", "Ward"])
        assert done.exit_code != 0
        assert "a comparison has no DICOM" in str(done.exception) + done.output

    def test_findings_in_place_of_verdicts(self, made, tmp_path):
        write_record(record([]), tmp_path / "findings.json")
        done = CliRunner().invoke(app, ["finalize", str(made), str(tmp_path / "findings.json")])
        assert done.exit_code != 0
        assert "comparison.html" in str(done.exception) + done.output
