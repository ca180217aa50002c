"""The time between two visits, by the dates of their scans; the dates themselves are kept nowhere."""

from __future__ import annotations

from datetime import date

MOST_DAYS = 18_263  # fifty years; MR imaging is not much older


def interval_days(baseline: date | None, followup: date | None) -> int | None:
    """Return the days from baseline to follow-up; ``None`` where a date is lacking, or one alone shifted.

    Dates shifted as BIDS asks lie before 1925: none of a scan lies a lifetime from one that was not.
    """
    if baseline is None or followup is None:
        return None
    days = (followup - baseline).days
    return days if abs(days) <= MOST_DAYS else None


def describe_interval(days: int | None) -> str:
    """Return the time in words."""
    if days is None:
        return "not stated"
    if days < 0:
        return f"{_days(-days)} backwards"
    return "same day" if days == 0 else _days(days)


def wrong_order(days: int | None) -> str | None:
    """Return a warning where the follow-up was acquired before the baseline."""
    if days is None or days >= 0:
        return None
    return (
        f"By the dates of the scans the follow-up was acquired {_days(-days)} before the baseline: the visits are "
        "in the wrong order."
    )


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
