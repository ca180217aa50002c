"""The group's page: counts, burden, places, quality flags, outliers and all scans; self-contained, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.cohort.outliers import OUTLIER_Z
from microbleeds.cohort.table import FLAGS, Row
from microbleeds.regions import SCALES
from microbleeds.report.record import disclaimer_of
from microbleeds.report.templating import asset, templates_of

BURDEN = ("0", "1", "2-4", "5-9", ">=10")


@dataclass(frozen=True)
class Bar:
    """One bar: its length is a share of the longest."""

    label: str
    number: int
    share: float
    kind: str = "plain"
    note: str = ""


@dataclass(frozen=True)
class Summary:
    """What the page says at its top."""

    scans: int
    done: int
    failed: int
    absent: int
    subjects: int
    affected: int
    microbleeds: int
    median: float
    strictly_lobar: int
    lobar_unknown: int
    warned: int


def write_page(rows: Sequence[Row], path: Path, *, title: str, links: Mapping[str, str] | None = None) -> None:
    """Write the page.

    Args:
        rows: of :func:`microbleeds.cohort.table.table_rows`.
        path: file to write.
        title: of the data set.
        links: scan to its own page, relative to ``path``.
    """
    with atomic_file(path) as partial:
        partial.write_text(render(rows, title=title, links=links or {}), encoding="utf-8")


def render(rows: Sequence[Row], *, title: str, links: Mapping[str, str]) -> str:
    """Return the page as text; arguments as for :func:`write_page`."""
    done = [row for row in rows if row["state"] == "done"]
    return (
        templates_of("microbleeds.cohort")
        .get_template("group.html.j2")
        .render(
            title=title,
            style=asset("report.css"),
            rows=rows,
            links=links,
            summary=summarise(rows),
            burden=bars({name: sum(row["burden_class"] == name for row in done) for name in BURDEN}),
            groups=_groups(done),
            places=_places(done),
            flags=_flags(done),
            outliers=[row for row in done if row.get("outliers")],
            troubled=[row for row in rows if row["state"] != "done"],
            followed=any(row.get("new") is not None for row in rows),
            limit=OUTLIER_Z,
            disclaimer=disclaimer_of(row["disclaimer"] for row in done),
            version=__version__,
        )
    )


def summarise(rows: Sequence[Row]) -> Summary:
    """Count scans and findings."""
    states = Counter(row["state"] for row in rows)
    done = [row for row in rows if row["state"] == "done"]
    numbers = [int(row["microbleeds"]) for row in done]
    return Summary(
        scans=len(rows),
        done=states["done"],
        failed=states["failed"],
        absent=states["absent"],
        subjects=len({row["participant_id"] or row["scan"] for row in rows}),
        affected=sum(number > 0 for number in numbers),
        microbleeds=sum(numbers),
        median=median(numbers) if numbers else 0,
        strictly_lobar=sum(row["strictly_lobar"] is True for row in done),
        lobar_unknown=sum(row["strictly_lobar"] is None for row in done),
        warned=sum(int(row["warnings"]) > 0 for row in done),
    )


def bars(
    numbers: Mapping[str, int], kinds: Mapping[str, str] | None = None, notes: Mapping[str, str] | None = None
) -> list[Bar]:
    """Scale numbers to the largest."""
    largest = max(numbers.values(), default=0) or 1
    kinds, notes = kinds or {}, notes or {}
    return [
        Bar(label, number, number / largest, kinds.get(label, "plain"), notes.get(label, ""))
        for label, number in numbers.items()
    ]


def _groups(done: Sequence[Row]) -> list[Bar]:
    names = {"lobar": "lobar", "deep": "deep", "infratentorial": "infratentorial", "unplaced": "not placed"}
    kinds = {name: "none" if column == "unplaced" else column for column, name in names.items()}
    return bars(_summed(done, names), kinds, _shown_in(done, names))


def _places(done: Sequence[Row]) -> list[Bar]:
    """Count findings by row of the MARS form."""
    groups = SCALES["MARS"].groups
    names = {f"mars_{name.replace(' ', '_')}": name for name in groups}
    return bars(_summed(done, names), groups, _shown_in(done, names))


def _summed(done: Sequence[Row], names: Mapping[str, str]) -> dict[str, int]:
    """Add up each kind over scans; where the scan shows too little of the head nothing is known by place."""
    return {name: sum(row[column] or 0 for row in done) for column, name in names.items()}


def _shown_in(done: Sequence[Row], names: Mapping[str, str]) -> dict[str, str]:
    """Say in how many scans each kind was found."""
    scans = {name: sum((row[column] or 0) > 0 for row in done) for column, name in names.items()}
    return {name: f"in {number} scan{'' if number == 1 else 's'}" for name, number in scans.items()}


def _flags(done: Sequence[Row]) -> list[Bar]:
    raised = Counter(flag for row in done for flag in str(row["flags"] or "").split(";") if flag)
    return bars({FLAGS[name]: raised[name] for name in FLAGS if raised[name]})
