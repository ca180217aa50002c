"""Generated parts of the documentation: text between two comments of a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cohort import HERE
from microbleeds.atomic import atomic_file

RESULTS_PAGE = HERE.parent / "docs" / "results.md"
SHIPPED = "shipped weights"  # how tables call them; they come first
IMAGES = HERE.parent / "docs" / "images"


def write_part(name: str, lines: Sequence[str], page: Path = RESULTS_PAGE) -> None:
    """Replace what stands between ``<!-- name: start -->`` and ``<!-- name: end -->``, or append both."""
    start, end = f"<!-- {name}: start -->", f"<!-- {name}: end -->"
    part = "\n".join([start, *lines, end])
    text = page.read_text(encoding="utf-8") if page.exists() else "# Results\n"
    if start in text and end in text:
        before, rest = text.split(start, 1)
        text = before + part + rest.split(end, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{part}\n"
    with atomic_file(page) as partial:
        partial.write_text(text, encoding="utf-8")
