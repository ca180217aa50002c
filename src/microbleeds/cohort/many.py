"""Many scans without BIDS names: a result folder each, and a table and a page of all.

```
OUT/scans.tsv (.json)  OUT/scans.html
OUT/NAME/                       the result as `microbleeds detect` writes it
OUT/logs/settings.json  OUT/logs/scans/NAME.json
```
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from microbleeds.cohort.gather import Gathered, gather
from microbleeds.cohort.page import write_page
from microbleeds.cohort.pool import PoolSettings, open_pool
from microbleeds.cohort.run import run_all
from microbleeds.cohort.search import search
from microbleeds.cohort.settle import settled, with_weights
from microbleeds.cohort.table import entry_of, table_rows, write_table
from microbleeds.cohort.task import Outcome, ScanOrigin, ScanTask, SearchOptions, outcome_of, write_outcome
from microbleeds.errors import InputError

_OWN_NAMES = ("logs", "scans")


def search_many(
    place: Path,
    out: Path,
    options: SearchOptions,
    pool: PoolSettings,
    announce: Callable[[str, int, int, Outcome | None], None] = lambda what, done, total, latest: None,
    work: Callable[[ScanTask], Outcome] = search,
) -> list[Outcome]:
    """Search all scans of a folder or a list.

    Args:
        place: folder or list, see :mod:`microbleeds.cohort.gather`.
        out: folder of the results.
        options: how to search.
        pool: where to work.
        announce: called with each scan that is finished.
        work: what a worker does with a scan.

    Raises:
        InputError: if no scan is found, or the output folder, the weights or the workers can't be used.
    """
    place, out = Path(place).absolute(), Path(out).absolute()
    if place.is_dir() and out.is_relative_to(place):
        raise InputError(f"The output folder {out} lies in the folder of the scans; choose another.")
    options = with_weights(options)
    tasks, outcomes = _tasks(gather(place, reserved=_OWN_NAMES), out, options)
    total = len(tasks)
    if tasks:
        with open_pool(pool, total) as client:
            fixed = settled(options, client, out / "logs" / "settings.json")
            done: list[Outcome] = []

            def finished(outcome: Outcome) -> None:
                done.append(outcome)
                announce("scans", len(done), total, outcome)

            outcomes += run_all(
                [replace(task, options=fixed) for task in tasks],
                work,
                client,
                finished,
                abreast=pool.abreast(total),
            )
    _write_all(outcomes, out, place.name)
    return outcomes


def _tasks(found: Sequence[Gathered], out: Path, options: SearchOptions) -> tuple[list[ScanTask], list[Outcome]]:
    """Return a task for each scan, and an outcome for each that was refused."""
    tasks, refused = [], []
    for one in found:
        note = out / "logs" / "scans" / f"{one.name}.json"
        task = ScanTask(one.name, one.inputs, out / one.name, note, options, ScanOrigin(notes=one.notes))
        if one.refused is None:
            tasks.append(task)
        else:
            refused.append(outcome_of(task, "absent" if one.absent else "failed", sentence=one.refused))
            write_outcome(refused[-1], note)
    return tasks, refused


def _write_all(outcomes: Sequence[Outcome], out: Path, title: str) -> None:
    """Write the table and the page."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.name)
    entries = [entry_of(outcome, out / outcome.name) for outcome in ordered]
    rows = table_rows(entries)
    write_table(rows, out / "scans.tsv")
    links = {o.name: f"{o.name}/report.html" for o in outcomes if o.succeeded}
    write_page(rows, out / "scans.html", title=title, links=links)
