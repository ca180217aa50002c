"""A scan that was repeated under one name: which of its images belong together.

Conventions:
    * No run holds two images of one role and echo.
    * The numbers of the series tell runs apart, as dcm2niix puts them last (``Mag_9``, ``SWI_12``, ``Mag_17``,
      ``SWI_20``); without numbers the n-th of each role make the n-th run, if there are equally many of each.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from microbleeds.annotations.images import file_stem
from microbleeds.bids.dataset import Image

# After the number dcm2niix marks echo, phase and coil, and tells equal names apart by a letter.
_SERIES = re.compile(r"(?<![A-Za-z\d])(\d+)(?:_(?:e\d+|c\d+|ph))*[a-z]?$")


def runs_of(images: Sequence[Image]) -> list[list[Image]]:
    """Cut images of one name into runs, the earliest first.

    Args:
        images: in natural order, of the same entities but echo and part, and on one grid.

    Returns:
        The runs. Where nothing tells which images belong together, each of several is alone.
    """
    slots: dict[tuple[str, int | None], list[Image]] = defaultdict(list)
    for image in images:
        slots[image.role, image.echo].append(image)
    numbers = {len(several) for several in slots.values()}
    if max(numbers) == 1:
        return [list(images)]
    cut = _cut(images)
    if len(cut) == max(numbers):
        return cut
    if len(numbers) == 1:
        return [list(run) for run in zip(*slots.values(), strict=True)]
    together = [several[0] for several in slots.values() if len(several) == 1]
    alone = [[image] for several in slots.values() if len(several) > 1 for image in several]
    return [together, *alone] if together else alone


def series_of(path: Path) -> int | None:
    """Return the number of the series with which a file's name ends, if it does."""
    found = _SERIES.search(file_stem(path))
    return None if found is None else int(found.group(1))


def _cut(images: Sequence[Image]) -> list[list[Image]]:
    """Cut by the numbers of the series: into as few runs as can be, with numbers as near as can be in each."""
    numbered = [(number, image) for image in images if (number := series_of(image.path)) is not None]
    if len(numbered) < len(images):
        return []
    numbered.sort(key=lambda one: one[0])
    best: list[tuple[int, int, list[list[Image]]]] = [(0, 0, [])]
    for end in range(1, len(numbered) + 1):
        options = []
        for start in range(end):
            run = [image for _, image in numbered[start:end]]
            if len({(image.role, image.echo) for image in run}) == len(run):
                runs, width, before = best[start]
                apart = numbered[end - 1][0] - numbered[start][0]
                options.append((runs + 1, width + apart, [*before, run]))
        best.append(min(options, key=lambda one: one[:2]))
    return best[-1][2]
