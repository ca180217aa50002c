"""Pages of the report as pictures, for archives whose viewers show neither SR nor SEG.

Light on dark, as a reading room is dark. A page names nobody: no name, no number, no path; the archive shows
them from the header. The first page holds counts, overview and the MARS form, the following ones the findings.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from microbleeds.report.dicom.identifiers import tracking_id
from microbleeds.report.dicom.reading import Reading
from microbleeds.report.dicom.statements import notice, review_status, statements
from microbleeds.report.overview import brain_box, overviews
from microbleeds.report.palette import ON_DARK
from microbleeds.report.planes import PLANES
from microbleeds.report.record import Finding, Record
from microbleeds.report.thumbnails import FIELD_MM, Canvas, Picture, close_ups
from microbleeds.report.words import describe_place, describe_row, describe_slice, describe_trust

WIDTH, HEIGHT, MARGIN = 1240, 1754, 56
#: As in the HTML report; the findings beyond are in the SR and the SEG.
MAX_PICTURED = 60
PER_PAGE = 6
_BLACK, _PANEL, _LINE = (14, 17, 22), (26, 31, 39), (60, 68, 80)
_WHITE, _GREY, _AMBER = (236, 239, 244), (158, 168, 182), (255, 190, 70)
# Zeros of the form stand back and can still be read: contrast 5.7 (WCAG asks for 4.5).
_FAINT = (132, 142, 156)
# Over pictures, letters need an edge on white tissue as on black air.
_OUTLINE: dict[bool, dict[str, Any]] = {False: {}, True: {"stroke_width": 2, "stroke_fill": _BLACK}}
_GROUPS = ("infratentorial", "deep", "lobar")
_COLUMNS = ("definite_right", "definite_left", "possible_right", "possible_left")


@dataclass(eq=False)
class Page:
    """A picture that is being drawn, and the words on it."""

    image: Image.Image = field(default_factory=lambda: Image.new("RGB", (WIDTH, HEIGHT), _BLACK))
    words: list[str] = field(default_factory=list)

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        """The pen."""
        return ImageDraw.Draw(self.image)

    def text(
        self,
        at: tuple[float, float],
        text: str,
        size: int = 22,
        colour: tuple[int, int, int] = _WHITE,
        anchor: str = "la",
        *,
        outlined: bool = False,
    ) -> None:
        """Write one line and remember it."""
        self.words.append(text)
        self.draw.text(at, text, fill=colour, font=_font(size), anchor=anchor, **_OUTLINE[outlined])

    def paragraph(self, at: tuple[float, float], text: str, width: int, size: int = 20) -> float:
        """Write a text in lines of at most ``width`` pixels and return where it ends."""
        x, y = at
        for line in _lines(text, width, size):
            self.text((x, y), line, size, _GREY)
            y += size * 1.35
        return y

    def paste(self, picture: Picture, at: tuple[int, int], size: tuple[int, int]) -> None:
        """Draw a picture of the report in a box."""
        data = base64.b64decode(picture.source.split(",", 1)[1])
        drawn = Image.open(io.BytesIO(data)).convert("RGB")
        if drawn.size != size:
            drawn = drawn.resize(size, Image.Resampling.BICUBIC)
        self.image.paste(drawn, at)


def draw_pages(
    record: Record, reading: Reading, canvas: Canvas | None, images: Mapping[int, str] | None = None
) -> list[Page]:
    """Draw the report.

    Args:
        record: what was found.
        reading: the reader's verdicts.
        canvas: the scan with its windows; without it the pages have numbers and no pictures.
        images: id of a finding to what an archive calls the image that shows it, empty where it has no name.
    """
    pictured = record.kept[:MAX_PICTURED]
    parts = [pictured[n : n + PER_PAGE] for n in range(0, len(pictured), PER_PAGE)]
    pages = [_first_page(record, reading, canvas)]
    pages += [_finding_page(record, reading, canvas, part, images or {}) for part in parts]
    for number, page in enumerate(pages, start=1):
        _frame(page, number, len(pages), record)
    return pages


def _first_page(record: Record, reading: Reading, canvas: Canvas | None) -> Page:
    page = Page()
    y = _summary(page, record, reading)
    if canvas is not None:
        y = _overview(page, record, canvas, y + 10)
    y = _form(page, record, y + 24) if not record.places_unknown else y + 24
    y += 22
    for sentence in statements(record, reading)[2:]:
        y = page.paragraph((MARGIN, y), sentence, WIDTH - 2 * MARGIN, 19) + 6
        if y > HEIGHT - 150:
            break
    return page


def _frame(page: Page, number: int, pages: int, record: Record) -> None:
    """Draw what stands on every page."""
    page.text((MARGIN, 44), "Cerebral microbleeds", 42)
    _notice(page, notice(record))
    page.draw.line((MARGIN, 106, WIDTH - MARGIN, 106), fill=_LINE, width=2)
    page.draw.line((MARGIN, HEIGHT - 76, WIDTH - MARGIN, HEIGHT - 76), fill=_LINE, width=2)
    model = f"microbleeds {record.program_version}, weights {record.model.name} {record.model.sha256[:12]}"
    page.text((MARGIN, HEIGHT - 60), model, 18, _GREY)
    page.text((WIDTH - MARGIN, HEIGHT - 60), f"Page {number} of {pages}", 18, _GREY, "ra")


def _notice(page: Page, text: str) -> None:
    """Write the whole notice at the right of the head, in letters as large as its length allows."""
    width = WIDTH - 2 * MARGIN - 440
    size = next((size for size in (25, 22, 19, 16, 13) if len(_lines(text, width, size)) * size * 1.2 < 66), 11)
    lines = _lines(text, width, size)
    top = 68 - len(lines) * size * 0.6
    for n, line in enumerate(lines):
        page.text((WIDTH - MARGIN, top + n * size * 1.2), line, size, _AMBER, "ra")


def _summary(page: Page, record: Record, reading: Reading) -> float:
    """Draw the counts and return where they end."""
    counts = record.counts
    page.paragraph((MARGIN, 122), review_status(record, reading), WIDTH - 2 * MARGIN, 22)
    boxes: list[tuple[str, int, tuple[int, int, int]]] = [("total", counts.total, _WHITE)]
    if not record.places_unknown:
        boxes += [(name, getattr(counts, name), ON_DARK[name]) for name in reversed(_GROUPS)]
    if counts.unplaced:
        boxes.append(("not placed", counts.unplaced, ON_DARK["none"]))
    width = (WIDTH - 2 * MARGIN - 16 * (len(boxes) - 1)) // len(boxes)
    for n, (name, value, colour) in enumerate(boxes):
        left = MARGIN + n * (width + 16)
        page.draw.rounded_rectangle((left, 178, left + width, 308), 10, fill=_PANEL)
        page.text((left + 20, 192), str(value), 64, colour)
        page.text((left + 20, 268), name, 22, _GREY)
    lobar = {True: "yes", False: "no", None: "unknown"}[counts.strictly_lobar]
    burden: str = counts.burden_class
    if record.regions_unknown:
        burden = "not assessable, since the scan shows too little of the head"
    if record.places_unknown:
        lobar = "not assessable"
    facts = (
        f"Definite {counts.definite}, possible {counts.possible}.   "
        f"Burden class {burden}.   Strictly lobar (Boston v2.0): {lobar}."
    )
    page.text((MARGIN, 326), facts, 22)
    return 362


def _overview(page: Page, record: Record, canvas: Canvas, top: float) -> float:
    """Draw the three projections with the findings on them, and return where they end."""
    part = brain_box(canvas)
    pictures = overviews(canvas, part)
    gap = 18
    scale = (WIDTH - 2 * MARGIN - 2 * gap) / sum(picture.width for picture in pictures)
    scale = min(scale, 360 / max(picture.height for picture in pictures))
    left, height = MARGIN, 0
    for plane, picture in zip(PLANES, pictures, strict=True):
        size = (round(picture.width * scale), round(picture.height * scale))
        page.paste(picture, (left, int(top)), size)
        for finding in reversed(record.kept):
            across, down = part.place(plane, finding.position_ras_mm)
            _dot(page, left + across * size[0], top + down * size[1], finding)
        letters = plane.letters
        page.text((left + 6, top + size[1] / 2), letters[0], 18, _WHITE, "lm", outlined=True)
        page.text((left + size[0] - 6, top + size[1] / 2), letters[1], 18, _WHITE, "rm", outlined=True)
        left, height = left + size[0] + gap, max(height, size[1])
    return top + height


def _dot(page: Page, x: float, y: float, finding: Finding) -> None:
    """Draw a ring and the finding's number beside it."""
    colour = ON_DARK[finding.group]
    page.draw.ellipse((x - 7, y - 7, x + 7, y + 7), outline=colour, width=3)
    page.text((x + 10, y), str(finding.id), 18, _WHITE, "lm", outlined=True)


def _form(page: Page, record: Record, top: float) -> float:
    """Draw the rating form and return where it ends."""
    right = WIDTH - MARGIN
    columns = [right - 470, right - 370, right - 270, right - 170, right - 50]
    page.text((MARGIN, top), f"{record.scale} form", 26)
    for x, title in zip((columns[0] + 50, columns[2] + 50), ("definite", "possible"), strict=True):
        page.text((x, top), title, 20, _GREY, "ma")
    y = top + 32
    for x, title in zip(columns, ("right", "left", "right", "left", "total"), strict=True):
        page.text((x, y), title, 20, _GREY, "ma")
    y += 30
    for group in _GROUPS:
        rows = [row for row in record.form if row.group == group]
        page.draw.rectangle((MARGIN, y - 2, right, y + 28), fill=_PANEL)
        page.text((MARGIN + 12, y), group.capitalize(), 22, ON_DARK[group])
        page.text((columns[-1], y), str(sum(row.total for row in rows)), 22, ON_DARK[group], "ma")
        y += 34
        for row in rows:
            page.text((MARGIN + 32, y), describe_row(row.row), 21)
            values = [*(getattr(row, column) for column in _COLUMNS), row.total]
            for x, value in zip(columns, values, strict=True):
                page.text((x, y), str(value), 21, _WHITE if value else _FAINT, "ma")
            y += 29
    return y


def _finding_page(
    record: Record,
    reading: Reading,
    canvas: Canvas | None,
    findings: Sequence[Finding],
    images: Mapping[int, str],
) -> Page:
    """Draw some findings, one below the other."""
    page = Page()
    page.text((MARGIN, 120), "Findings, surest first", 26)
    phase = "; phase: paramagnetic bright" if record.scan.phase else ""
    side = f"{FIELD_MM:g} mm close-ups{phase}; radiological view (patient's right on the left)"
    page.text((WIDTH - MARGIN, 124), side, 20, _GREY, "ra")
    height = (HEIGHT - 170 - 90) // PER_PAGE
    for n, finding in enumerate(findings):
        top = 162 + n * height
        _finding(page, reading, canvas, finding, top)
        page.text((MARGIN + 250, top + 206), _place(record, finding, images.get(finding.id, "")), 17, _GREY)
    return page


def _finding(page: Page, reading: Reading, canvas: Canvas | None, finding: Finding, top: int) -> None:
    """Draw one finding: what is known of it, and its pictures."""
    page.draw.rounded_rectangle((MARGIN, top, WIDTH - MARGIN, top + 234), 10, fill=_PANEL)
    page.text((MARGIN + 16, top + 12), tracking_id(finding), 26, ON_DARK[finding.group])
    y = float(top + 50)
    for line in _facts(finding, reading):
        y = page.paragraph((MARGIN + 16, y), line, 220, 18) + 1
    if canvas is None:
        return
    left = MARGIN + 250
    for name, plane, picture in _chosen(close_ups(canvas, finding.position_ras_mm)):
        page.paste(picture, (left, top + 34), (162, 162))
        page.text((left + 81, top + 10), f"{name}, {plane}", 16, _GREY, "ma")
        page.text((left + 4, top + 115), picture.plane.letters[0], 16, _WHITE, "lm", outlined=True)
        page.text((left + 158, top + 115), picture.plane.letters[1], 16, _WHITE, "rm", outlined=True)
        left += 170


def _facts(finding: Finding, reading: Reading) -> list[str]:
    """Return the lines beside a finding."""
    size = "not measurable" if finding.diameter_mm is None else f"{finding.diameter_mm:.1f} mm"
    verdict = reading.verdicts.get(finding.id)
    return [
        describe_place(finding),
        f"{finding.group if finding.group != 'none' else 'unknown'}, {finding.certainty}",
        *([describe_trust(finding)] if describe_trust(finding) else []),
        "No score" if reading.added(finding) else f"Score {finding.score:.2f}",
        f"Diameter {size}",
        f"Reader: {verdict}" if verdict else "Not reviewed",
    ]


def _place(record: Record, finding: Finding, image: str) -> str:
    """Return where a finding lies: the letters of the directions that a reader expects, its slice, its image."""
    directions = zip("RAS", "LPI", finding.position_ras_mm, strict=True)
    place = ", ".join(f"{plus if v >= 0 else minus} {abs(v):.1f}" for plus, minus, v in directions)
    return "; ".join(
        part for part in (f"{place} mm", f"slice {describe_slice(finding, record.scan)}", image) if part
    )


def _chosen(views: dict[str, list[Picture]]) -> Iterator[tuple[str, str, Picture]]:
    """Choose five pictures: SWI in three planes, phase and mIP in the axial one."""
    for picture in views["SWI"]:
        yield "SWI", picture.plane.name, picture
    for name in ("phase", "mIP"):
        for picture in views.get(name, [])[:1]:
            yield name, picture.plane.name, picture


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, so that a page looks alike on every machine."""
    return ImageFont.load_default(size)


def _lines(text: str, width: int, size: int) -> list[str]:
    """Break a text at spaces."""
    font, lines = _font(size), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
