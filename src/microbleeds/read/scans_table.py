"""The day of an acquisition by BIDS: `acq_time` of the table of scans beside the folder of an image.

Many data sets keep no date in sidecars but one here, shifted by a number of days of each person's own, into the
years before 1925 as BIDS asks. Days between visits stay what they were.
"""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from microbleeds.read.day import first_day

_MOST_BYTES = 10_000_000  # a person's scans are a few lines


def day_in_scans_table(image: Path) -> date | None:
    """Return the day that `*_scans.tsv` in the folder above an image's says of it; ``None`` if nothing does.

    What can't be read is passed over without a word: the day is a help, and a sentence would quote it.
    """
    folder = image.absolute().parent
    name = f"{folder.name}/{image.name}"
    for table in sorted(folder.parent.glob("*_scans.tsv")):
        try:
            if table.stat().st_size > _MOST_BYTES:
                continue
            lines = table.read_text(encoding="utf-8-sig").splitlines()
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        except (OSError, UnicodeDecodeError, csv.Error):
            continue
        said = [row.get("acq_time") for row in rows if row.get("filename") == name]
        if said:
            return first_day(said, shifted=True)
    return None
