"""The review page in a real Chromium: read, judge, add, export, finalise.

Every test also fails on any logged error and on any request to a network.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from oblique_head import BLEEDS_MM, MINERAL, MISSED_MM, UNSTEADY, head, result
from PIL import Image

from microbleeds.localise import localise
from microbleeds.report.planes import AXIAL, PLANES, core_of, darkest_slab
from microbleeds.report.record import read_record
from microbleeds.report.review.signed_folder import finalise
from microbleeds.report.templating import asset
from microbleeds.scan import Candidate
from microbleeds.segmentation import Segmentation

pytestmark = pytest.mark.slow


def begin(page, reader: str = "Dr A. Reader", how: str = "aided") -> None:
    page.fill("#start-reader", reader)
    page.click(f"#start button[value={how}]")


def begin_close_up(page) -> None:
    """Begin, go to the first finding and enlarge it."""
    begin(page)
    page.keyboard.press("n")
    for _ in range(6):
        page.keyboard.press("+")


def move_to(page, goal_mm: tuple[float, float, float]) -> None:
    """As a reader moves: slice by slice and voxel by voxel."""
    page.focus("#canvas")
    for _ in range(90):
        away = np.asarray(goal_mm) - position(page)
        steps = [("PageUp", "PageDown", 2, 3.0), ("Shift+ArrowLeft", "Shift+ArrowRight", 0, 1.1)]
        steps.append(("Shift+ArrowUp", "Shift+ArrowDown", 1, 1.1))
        keys = [up if away[axis] > 0 else down for up, down, axis, mm in steps if abs(away[axis]) > 0.6 * mm]
        if not keys or np.linalg.norm(away) < 2.4:
            break
        page.keyboard.press(keys[0])
    assert np.linalg.norm(np.asarray(goal_mm) - position(page)) < 2.4


def position(page) -> np.ndarray:
    return np.array([float(value) for value in page.get_attribute("#position", "data-mm").split(",")])


def number(page, name: str) -> str:
    return page.text_content(f"[data-count={name}]")


def cell(page, row: str, column: str) -> str:
    return page.text_content(f'td[data-row="{row}"][data-column="{column}"]')


def exported(page, folder: Path) -> Path:
    with page.expect_download() as download:
        page.keyboard.press("e")
    path = folder / "verdicts.json"
    download.value.save_as(path)
    return path


def exported_by_button(page, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click("#export")
    path = folder / "verdicts.json"
    download.value.save_as(path)
    return path


def shown(page) -> np.ndarray:
    """Return the canvas as drawn, [rows, columns]."""
    picture = Image.open(io.BytesIO(page.locator("#canvas").screenshot()))
    return np.asarray(picture.convert("L")).astype(float)


def tile_centre(picture: np.ndarray, row: int, column: int) -> float:
    """Return the grey in the middle of a tile of the 3 x 3 layout."""
    y, x = (int((n + 0.5) * size / 3) for n, size in zip((row, column), picture.shape, strict=True))
    return float(picture[y - 1 : y + 2, x - 1 : x + 2].mean())


def likeness(picture: np.ndarray, expected: np.ndarray) -> float:
    """Return the correlation of two pictures of one thing on black, each cut to it and brought to one size."""
    cut = []
    for image in (picture, expected):
        rows, columns = np.nonzero(image > 0.15 * image.max())
        part = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        cut.append(np.asarray(Image.fromarray(part.astype(np.float32)).resize((120, 150)), dtype=float).ravel())
    return float(np.corrcoef(*cut)[0, 1])


def within(box: dict[str, float], other: dict[str, float]) -> bool:
    return all(
        other[start] - 0.5 <= box[start] and box[start] + box[size] <= other[start] + other[size] + 0.5
        for start, size in (("x", "width"), ("y", "height"))
    )


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "width"), ("y", "height"))
    )


class TestReading:
    def test_from_the_first_look_to_the_signed_result(self, opened, finished: Path, tmp_path: Path):
        page = opened()
        assert page.get_attribute("body", "data-images") == "shown"
        assert page.locator("#findings li").count() == 0, "nothing is shown before the reader chose how to read"
        begin(page)
        assert page.locator("#findings li").count() == 2
        assert (number(page, "total"), number(page, "strictly_lobar")) == ("2", "no")

        page.click("#findings li:nth-child(2) .jump")
        assert np.abs(position(page) - BLEEDS_MM[1]).max() < 0.02
        page.click("#findings li:nth-child(1) .jump")
        assert np.abs(position(page) - BLEEDS_MM[0]).max() < 0.02
        assert "left frontal white matter" in page.text_content("#position .where")
        k = read_record(finished / "findings.json").findings[0].position_ijk[2]
        assert page.text_content("#position .slice") == f"slice {k + 1} of 30"

        page.keyboard.press("n")
        page.keyboard.press("r")
        assert (number(page, "total"), number(page, "deep"), number(page, "strictly_lobar")) == ("1", "0", "yes")
        assert cell(page, "thalamus", "possible_right") == "·"
        page.keyboard.press("z")
        assert number(page, "deep") == "1"
        page.click("#findings li:nth-child(2) button.rejected")
        page.keyboard.press("p")
        page.keyboard.press("u")
        assert cell(page, "frontal", "possible_left") == "1"
        page.fill("#note", "Beside a vein")
        page.keyboard.press("Tab")

        self.add_missed(page)
        assert (number(page, "total"), number(page, "lobar"), number(page, "definite")) == ("2", "2", "1")
        self.check_signed(finished, exported(page, tmp_path), tmp_path / "signed")

    def add_missed(self, page) -> None:
        page.focus("#canvas")
        page.keyboard.press("n")
        move_to(page, MISSED_MM)
        page.keyboard.press("m")
        assert page.input_value("#adding-region") == "frontal_white", "the place comes from the region image"
        assert page.input_value("#adding-side") == "right"
        page.fill("#adding-diameter", "3.5")
        page.keyboard.press("Enter")
        assert page.locator("#findings li").count() == 3
        assert cell(page, "frontal", "definite_right") == "1"
        page.keyboard.press("m")
        assert not page.is_visible("#adding"), "what was added is not added again"
        assert "lies just here" in page.text_content("#say")

    def test_strictly_lobar_does_not_hang_on_a_border(self, opened, tmp_path: Path):
        """The second of the two is deep: one that is surely so decides, one near another group does not."""
        for border, strictly in ((1, "no"), (2, "unknown")):
            page = opened(folder=result(tmp_path / str(border), border=border))
            begin(page)
            assert number(page, "strictly_lobar") == strictly
            page.click("#findings li:nth-child(2) button.rejected")
            assert number(page, "strictly_lobar") == ("unknown" if border == 1 else "yes")

    def test_a_reader_overrules_a_doubtful_segmentation(self, opened, tmp_path: Path):
        page = opened(folder=result(tmp_path / "doubtful", doubtful=True))
        begin(page)
        assert number(page, "strictly_lobar") == "unknown"
        page.click("#findings li:nth-child(2) .jump")
        page.keyboard.press("l")
        assert number(page, "strictly_lobar") == "no", "one is deep by the reader's word"
        page.click("#findings li:nth-child(2) button.rejected")
        assert number(page, "strictly_lobar") == "unknown"
        page.click("#findings li:nth-child(1) .jump")
        page.keyboard.press("l")
        assert number(page, "strictly_lobar") == "yes"
        page.click("#findings li:nth-child(1) button.rejected")
        assert number(page, "strictly_lobar") == "unknown", "nothing counts, but who knows"

    def test_an_unsteady_score_is_said(self, opened, tmp_path: Path):
        page = opened(folder=result(tmp_path / "unsteady", unsteady=1))
        begin(page)
        assert page.locator("#findings .doubt").count() == 1
        assert not page.is_visible("#doubts")
        page.keyboard.press("n")
        assert page.text_content("#doubts") == UNSTEADY
        page.keyboard.press("n")
        assert not page.is_visible("#doubts")

    def test_what_may_be_mineral_is_said_beside_it(self, opened, tmp_path: Path):
        page = opened(folder=result(tmp_path / "both", unsteady=1, mineral=1))
        begin(page)
        assert page.locator("#findings .doubt").all_text_contents() == ["unsteady", "mineral?"]
        page.keyboard.press("n")
        assert page.text_content("#doubts") == f"{UNSTEADY} {MINERAL}"

    @pytest.mark.parametrize("width", [800, 1000])
    def test_the_whole_bar_is_in_reach_on_a_small_screen(self, opened, width: int):
        page = opened()
        begin(page, how="unaided")
        page.set_viewport_size({"width": width, "height": 600})
        for button in ("#undo", "#panel", "#help", "#anew", "#export", "#reveal"):
            box = page.locator(button).bounding_box()
            assert box["x"] + box["width"] <= width, button
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_a_place_is_found_by_the_programs_vote(self, opened):
        """From the second finding around the middle, where four lobes meet, voxel by voxel."""
        page, made = opened(), head()
        begin(page)
        page.focus("#canvas")
        page.keyboard.press("n")
        page.keyboard.press("n")
        given, points = [], []
        leftwards, back, forwards = 16 * ["ArrowRight"], 16 * ["ArrowLeft"], ["ArrowUp"]
        for key in 6 * forwards + leftwards + 2 * forwards + back + forwards + leftwards:
            page.keyboard.press(f"Shift+{key}")
            points.append(position(page))
            given.append(page.text_content("#position .where"))
        seen = Segmentation(made.scan.grid, made.brain, made.regions, None, located=True, confident=True)
        placed = localise([Candidate(tuple(mm), 0.9, None) for mm in points], seen)
        assert given == [f"{one.side} {one.region.replace('_', ' ')} matter" for one in placed]
        assert len(set(given)) >= 3

    def test_a_place_is_confirmed_and_corrected(self, opened, tmp_path: Path):
        folder = result(tmp_path / "near", border=2)
        page = opened(folder=folder)
        begin(page)
        assert number(page, "strictly_lobar") == "unknown"
        assert "border" in page.text_content("#findings li:nth-child(2) .jump .small")
        assert not page.is_visible("#placing")
        page.click("#findings li:nth-child(2) .jump")
        assert page.input_value("#placing-region") == "thalamus"
        page.keyboard.press("l")
        assert number(page, "strictly_lobar") == "no"
        assert "placed by you" in page.text_content("#findings li:nth-child(2) .jump .small")
        page.click("#placing-button")
        assert number(page, "strictly_lobar") == "unknown", "the model's place again"
        page.select_option("#placing-region", "occipital_white")
        assert (number(page, "deep"), number(page, "lobar"), number(page, "strictly_lobar")) == ("0", "2", "yes")
        assert cell(page, "occipital", "possible_right") == "1"
        page.focus("#canvas")
        page.keyboard.press("z")
        assert number(page, "deep") == "1"
        page.select_option("#placing-side", "left")
        page.reload()
        page.wait_for_selector("body[data-images]")
        assert cell(page, "thalamus", "possible_left") == "1", "it is kept"
        signed = finalise(folder, exported(page, tmp_path), tmp_path / "signed")
        assert "places: 0 confirmed, 1 corrected" in signed.review.sentence
        assert next(f for f in signed.record.findings if f.id == 2).side == "left"
        report = (tmp_path / "signed" / "report.html").read_text(encoding="utf-8")
        assert "Placed by the reader." in report

    def check_signed(self, result: Path, verdicts: Path, out: Path) -> None:
        signed = finalise(result, verdicts, out)
        record = read_record(out / "findings.json")
        assert record.counts.total == 2
        assert (record.counts.definite, record.counts.possible, record.counts.strictly_lobar) == (1, 1, True)
        assert next(f for f in record.findings if f.id == 2).removed_by == "reader"
        added = next(f for f in record.kept if f.id == 4)
        assert (added.region, added.side, added.diameter_mm) == ("frontal_white", "right", 3.5)
        assert np.linalg.norm(np.asarray(added.position_ras_mm) - MISSED_MM) < 2.4
        assert (signed.review.reader, signed.review.added, signed.review.unreviewed) == ("Dr A. Reader", 1, [])
        assert signed.review.findings[0].note == "Beside a vein"
        report = (out / "report.html").read_text(encoding="utf-8")
        assert "Read by Dr A. Reader" in report
        assert "No reader has confirmed" not in report

    def test_pictures_show_the_finding_in_the_middle(self, opened):
        page = opened()
        begin_close_up(page)
        picture = shown(page)
        for column in range(3):
            assert tile_centre(picture, 0, column) < 60, "the bleed is dark on SWI"
            assert tile_centre(picture, 1, column) > 200, "and bright on phase"
            assert tile_centre(picture, 2, column) < 60, "and dark on the mIP"
        box = page.locator("#canvas").bounding_box()
        before = position(page)
        page.mouse.click(box["x"] + box["width"] / 6 + 30, box["y"] + box["height"] / 6)
        moved = position(page) - before
        assert moved[0] < -3, "the picture's right is the patient's left"
        page.mouse.move(box["x"] + box["width"] / 6, box["y"] + box["height"] / 6)
        page.mouse.wheel(0, 100)
        assert abs((position(page) - before - moved)[2]) > 2, "the wheel changes the slice"

    def test_the_projection_shows_what_lies_slices_away(self, opened):
        page = opened()
        begin_close_up(page)
        for _ in range(2):
            page.keyboard.press("PageUp")
        away = shown(page)
        assert tile_centre(away, 0, 0) > 60, "the slice of the SWI is past the bleed"
        assert tile_centre(away, 2, 0) < 60, "the slab of the mIP still holds it"
        for _ in range(8):
            page.keyboard.press("[")
        assert float(page.text_content("#slab-out").split()[0]) < 4
        thin = shown(page)
        assert tile_centre(thin, 2, 0) > 60, "a thin slab does not"

    def test_the_projection_is_that_of_the_report(self, opened, tmp_path: Path):
        """Near the top, where the brain has another outline on each slice and dark edges would be rings."""
        page = opened(folder=result(tmp_path / "edged", edged=True))
        page.set_viewport_size({"width": 1200, "height": 900})
        begin(page)
        for key in ("2", "h", "x", *7 * ["PageUp"]):
            page.keyboard.press(key)
        page.evaluate("document.getElementById('labels').hidden = true")
        picture, width = shown(page), page.evaluate("document.getElementById('canvas').clientWidth")
        mip = picture[len(picture) // 2 :, int(0.58 * width) :]
        made = head(edged=True)
        n = int(np.rint(made.scan.grid.to_ijk(position(page)))[2])
        core = core_of(made.brain)
        compared = {}
        for name, inner in {"core": core, "brain": made.brain}.items():
            slab = darkest_slab(made.scan.swi, made.brain, inner, AXIAL, n, 14.0, 3.0)
            compared[name] = likeness(mip, slab)
        assert compared["core"] > 0.95
        assert compared["brain"] < compared["core"] - 0.05, "else the rings would not show"

    def test_the_core_of_a_brain_is_that_of_the_report(self, launched):
        brain = np.random.default_rng(3).random((23, 31, 9)) < 0.98
        script = asset("volumes.js", "microbleeds.report.review", "assets")
        flat = brain.ravel(order="F").astype(int).tolist()
        page = launched().new_page()
        found = page.evaluate(
            f"() => {{ {script}\nreturn [...coreOf(Uint8Array.from({flat}), {list(brain.shape)})]; }}"
        )
        page.close()
        expected = core_of(brain)
        assert 0 < expected.sum() < brain.sum()
        np.testing.assert_array_equal(np.reshape(found, brain.shape, order="F"), expected)

    def test_every_picture_says_where_it_lies(self, opened):
        page = opened()
        begin(page)
        for width in (1366, 860):
            page.set_viewport_size({"width": width, "height": 700})
            letters = page.locator("#labels b").all_text_contents()
            assert letters == [letter for _ in range(3) for plane in PLANES for letter in plane.letters]
            stage = page.locator("#stage").bounding_box()
            boxes = [one.bounding_box() for one in page.locator("#labels b").all()]
            assert all(within(box, stage) for box in boxes)
            captions = [one.bounding_box() for one in page.locator("#labels span").all()]
            assert not any(overlap(one, other) for one in boxes for other in captions), width

    def test_close_up_and_back(self, opened):
        page = opened()
        begin(page)
        page.focus("#canvas")
        page.keyboard.press("g")
        assert "Choose a finding first" in page.text_content("#say")
        page.keyboard.press("n")
        page.keyboard.press("Shift+ArrowUp")
        page.keyboard.press("g")
        assert page.get_attribute("#closer", "aria-pressed") == "true"
        assert np.abs(position(page) - BLEEDS_MM[0]).max() < 0.02, "it goes there"
        close = page.text_content("#zoom-out")
        assert float(close[:-1]) > 2
        page.keyboard.press("n")
        assert (page.text_content("#zoom-out"), page.get_attribute("#closer", "aria-pressed")) == (close, "true")
        picture = shown(page)
        assert all(tile_centre(picture, 0, column) < 100 for column in range(3)), "the next one is in the middle"
        page.click("#closer")
        assert (page.text_content("#zoom-out"), page.get_attribute("#closer", "aria-pressed")) == ("1×", "false")
        page.keyboard.press("g")
        page.keyboard.press("-")
        assert page.get_attribute("#closer", "aria-pressed") == "false", "the reader chose another zoom"

    def test_window_slab_and_layouts(self, opened):
        page = opened()
        begin(page)
        page.keyboard.press("n")
        plain = shown(page)
        page.keyboard.press("x")
        page.keyboard.press("h")
        bare = shown(page)
        assert 0 < np.mean(np.abs(plain - bare) > 20) < 0.1, "rings and crosshair are lines"
        box = page.locator("#canvas").bounding_box()
        page.mouse.move(box["x"] + 50, box["y"] + 50)
        page.mouse.down(button="right")
        page.mouse.move(box["x"] + 50, box["y"] - 30)
        page.mouse.up(button="right")
        assert shown(page).mean() > bare.mean() + 5, "a lower level is brighter"
        page.keyboard.press("[")
        assert page.text_content("#slab-out") == "12 mm"
        page.keyboard.press("3")
        assert page.get_attribute("[data-layout=swi]", "aria-pressed") == "true"
        assert page.locator("#labels span").count() == 3

    def test_unaided_first(self, opened, tmp_path: Path):
        page = opened()
        begin(page, how="unaided")
        assert page.locator("#findings li").count() == 0
        assert number(page, "total") == "0"
        assert page.evaluate("document.body.innerText").count("Left frontal white matter") == 0
        page.keyboard.press("m")
        page.select_option("#adding-certainty", "possible")
        page.click("#adding button[value=add]")
        assert number(page, "total") == "1"
        page.keyboard.press("e")
        assert "still hidden" in page.text_content("#say")
        page.click("#reveal")
        # The first place was the middle of the head, far from any finding: it stays the reader's own.
        assert (number(page, "total"), page.locator("#findings li").count()) == ("3", 3)
        page.keyboard.press("n")
        page.keyboard.press("a")
        content = json.loads(exported(page, tmp_path).read_text(encoding="utf-8"))
        assert content["unaided"]["ended"] > content["unaided"]["started"]
        assert [one["unaided"] for one in content["added"]] == [True]
        assert [one["unaided"] for one in content["verdicts"]] == [False]

    def test_the_place_of_an_unaided_mark_stays_the_readers(self, opened, tmp_path: Path):
        folder = result(tmp_path / "read")
        page = opened(folder=folder)
        begin(page, how="unaided")
        for mm, region in ((BLEEDS_MM[1], "occipital_white"), (BLEEDS_MM[0], "frontal_white")):
            move_to(page, mm)
            page.keyboard.press("m")
            page.select_option("#adding-region", region)
            page.click("#adding button[value=add]")
        page.click("#reveal")
        assert "2 of your marks are findings of the model" in page.text_content("#say")
        assert (number(page, "lobar"), number(page, "deep"), number(page, "strictly_lobar")) == ("2", "0", "yes")
        assert cell(page, "occipital", "definite_right") == "1"
        path = exported(page, tmp_path)
        content = json.loads(path.read_text(encoding="utf-8"))
        assert [(one["finding"], one["region"], one["side"]) for one in content["places"]] == [
            (2, "occipital_white", "right")
        ], "the other mark is where the model has it"
        assert content["places"][0]["at"] == next(v["at"] for v in content["verdicts"] if v["finding"] == 2)
        signed = finalise(folder, path, tmp_path / "signed")
        assert next(f.region for f in signed.record.findings if f.id == 2) == "occipital_white"

    def test_work_is_kept(self, opened):
        page = opened()
        begin(page)
        page.keyboard.press("n")
        page.keyboard.press("r")
        page.reload()
        page.wait_for_selector("body[data-images]")
        assert not page.is_visible("#start")
        assert number(page, "total") == "1"
        assert page.input_value("#reader") == "Dr A. Reader"

    def test_the_next_reader_begins_anew(self, opened, tmp_path: Path):
        page = opened()
        begin(page)
        page.keyboard.press("n")
        page.keyboard.press("r")
        exported(page, tmp_path)
        page.reload()
        page.wait_for_selector("body[data-images]")
        assert "a reading by Dr A. Reader" in page.text_content("#earlier")
        page.click("#resume button[value=on]")
        assert number(page, "total") == "1"
        page.keyboard.press("n")
        page.keyboard.press("c")
        page.click("#anew")
        assert "not exported" in page.text_content("#earlier")
        page.click("#resume button[value=on]")
        page.keyboard.press("z")
        page.click("#anew")
        assert "not exported" not in page.text_content("#earlier"), "it is again what was exported"
        page.click("#resume button[value=anew]")
        assert page.is_visible("#start")
        assert page.locator("#findings li").count() == 0
        begin(page, reader="Dr B. Reader", how="unaided")
        assert number(page, "total") == "0"
        page.click("#reveal")
        page.keyboard.press("n")
        page.keyboard.press("a")
        content = json.loads(exported(page, tmp_path).read_text(encoding="utf-8"))
        assert content["reader"] == "Dr B. Reader"
        assert [one["verdict"] for one in content["verdicts"]] == ["accepted"]

    def test_a_click_that_ends_a_note_counts(self, opened, tmp_path: Path):
        page = opened()
        begin(page)
        page.keyboard.press("n")
        page.click("#note")
        page.keyboard.type("Beside a vein")
        page.click("#findings li:nth-child(1) button.rejected")
        page.click("#findings li:nth-child(2) .jump")
        page.fill("#note", "Look at FLAIR")
        content = json.loads(exported_by_button(page, tmp_path).read_text(encoding="utf-8"))
        assert [(one["verdict"], one["note"]) for one in content["verdicts"]] == [("rejected", "Beside a vein")]
        said = page.text_content("#say")
        assert "1 finding has no verdict and counts as the model proposed. 1 note is not in it" in said
        page.click("#undo")
        page.click("#findings li:nth-child(2) .jump")
        assert page.input_value("#note") == ""

    def test_bringing_back_what_was_not_counted(self, opened):
        page = opened()
        begin(page)
        page.check("#removed")
        assert page.locator("#findings li").count() == 3
        page.click("#findings li:nth-child(3) button.accepted")
        assert number(page, "total") == "3"


class TestAccess:
    def test_letters_act_where_a_list_or_slider_has_the_focus(self, opened):
        page = opened()
        begin(page)
        page.keyboard.press("n")
        page.select_option("#placing-region", "temporal_white")
        page.focus("#placing-region")
        for key in ("p", "n", "l", "u"):
            page.keyboard.press(key)
        page.focus("#placing-side")
        before = page.input_value("#placing-side")
        page.keyboard.press("r")
        page.focus("#slab")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("a")
        assert page.input_value("#placing-region") == "temporal_white"
        assert page.input_value("#placing-side") == before
        assert page.text_content("#slab-out") == "15 mm"
        assert page.get_attribute("#findings li:nth-child(1) button.accepted", "aria-pressed") == "true"

    def test_escape_leaves_the_first_question_open(self, opened):
        page = opened()
        for _ in range(3):
            page.keyboard.press("Escape")
        page.wait_for_selector("#start", state="visible")
        begin(page)
        assert page.locator("#findings li").count() == 2

    def test_everything_has_a_name(self, opened):
        page = opened()
        begin(page)
        page.keyboard.press("n")
        nameless = page.evaluate(
            """[...document.querySelectorAll("button, input, select, canvas")].filter((e) =>
                !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")?.textContent.trim()))
                .map((e) => e.outerHTML)"""
        )
        assert nameless == []

    def test_by_tab_alone(self, opened):
        page = opened()
        page.keyboard.type("B")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        reached = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        assert {"reader", "export", "add", "jump", "accepted", "rejected", "slab", "zoom", "canvas"} <= reached

    def test_the_policy_forbids_connections(self, launched, finished: Path):
        page = launched().new_page()
        page.goto((finished / "review.html").as_uri())
        assert page.evaluate("fetch('data:,x').then(() => 'came', () => 'refused')") == "refused"
        assert page.evaluate("import('data:text/javascript,1').then(() => 'came', () => 'refused')") == "refused"


def test_without_webgl_the_list_still_works(opened):
    page = opened(webgl=False)
    assert page.get_attribute("body", "data-images") == "none"
    assert "WebGL 2" in page.text_content("#wait")
    begin(page)
    page.keyboard.press("n")
    assert page.locator("#stills img").count() == 5
    page.keyboard.press("r")
    assert number(page, "total") == "1"
    page.keyboard.press("m")
    assert "needs a place" in page.text_content("#say")
