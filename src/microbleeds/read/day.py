"""The day of an acquisition, as DICOM headers and sidecars write it.

Two days give the time between two visits; a day by itself is a person's own, so no text, record or picture holds
it. Anonymised scans often lack it, or have it shifted, each person's by the same number of days.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

# 20241130, 20241130101500.0 (DICOM), 2024.11.30 (old DICOM), 2024-11-30T10:15:00.0 (dcm2niix, BIDS).
#: What stands where a date was taken out: no interval follows from it.
_FIRST_YEAR = 1980
_DAY = re.compile(r"(\d{4})[-.]?(\d{2})[-.]?(\d{2})(?=\D|\d\d|$)")
#: Where headers and sidecars have the day, the surest first: a series may be sent later, a study begin before.
KEYWORDS = ("AcquisitionDateTime", "AcquisitionDate", "SeriesDate", "StudyDate")


def first_day(stated: Iterable[object], *, shifted: bool = False) -> date | None:
    """Return the first of several statements that is a day; ``None`` if none is.

    What is damaged is passed over without a word, since a sentence would quote it.

    Args:
        stated: what headers and sidecars hold.
        shifted: whether days may have been shifted to long ago, as BIDS asks. A New Year's Day long ago still is
            what stands where a date was taken out.
    """
    return next((day for one in stated if (day := _day(one, shifted)) is not None), None)


def _day(stated: object, shifted: bool) -> date | None:
    found = _DAY.match(str(stated).strip()) if isinstance(stated, str | int) else None
    try:
        day = None if found is None else date(*(int(part) for part in found.groups()))
    except ValueError:
        return None
    if day is None or day.year >= _FIRST_YEAR:
        return day
    return day if shifted and (day.month, day.day) != (1, 1) else None
