"""Writes several visits of each head as a BIDS-style data set with sessions.

The layout is that of ``docs/architecture.md`` with ``ses-01``, ``ses-02``, ... below each subject. The truth of a
visit has two columns more (``lesion``, the same number at every visit, and ``new``, 1 at the visit at which it
appears) and a file ``*_from-baseline_xfm.json`` with the rigid map from the first visit.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from microbleeds.given import paths_of, refuse_below
from microbleeds.simulate.dataset import (
    TRUTH,
    begin_data_set,
    participant_row,
    write_json,
    write_participants,
    write_scan,
    write_table,
)
from microbleeds.simulate.side_by_side import each_head
from microbleeds.simulate.subject import torch_device
from microbleeds.simulate.visits import SimulatedVisit, VisitSettings, check_settings, visits_of_head


def simulate_visits(
    out: Path,
    *,
    heads: int,
    seed: int,
    settings: VisitSettings,
    anatomies: Sequence[Path] = (),
    device: str = "auto",
    jobs: int = 1,
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the visits of ``heads`` heads; the same arguments write the same bytes, whatever ``jobs`` is.

    Args:
        out: a new or empty folder; with ``resume`` also one in which the same call was broken off.
        anatomies: label maps to draw heads from; none for the MNI152 head that pip brings.
        jobs: processes that work side by side, one head each.
        resume: whether heads that are whole in ``out`` are kept.
        progress: called with the heads done and the total.

    Raises:
        InputError: if ``out`` holds something, or a setting is unknown or can't be; nothing is written then.
    """
    out, maps = Path(out), paths_of(anatomies)
    check_settings(settings)
    refuse_below(1, number_of_subjects=heads, number_of_jobs=jobs)
    refuse_below(0, seed=seed)
    torch_device(device)
    options = {"heads": int(heads), "seed": int(seed), **vars(settings), "anatomies": [path.name for path in maps]}
    begin_data_set(out, options, resume=resume)
    rows: list[dict[str, object]] = []
    work = partial(_write_head, out, seed, settings, tuple(maps), device)
    for row in each_head(work, range(heads), jobs):
        rows.append(row)
        write_participants(out, rows)
        progress(len(rows), heads)


def _write_head(
    out: Path, seed: int, settings: VisitSettings, anatomies: tuple[Path, ...], device: str, head: int
) -> dict[str, object]:
    """Write all visits of one head, its table of sessions last, and return the participant's row."""
    subject = f"sub-{head + 1:03d}"
    if (out / subject / f"{subject}_sessions.tsv").exists():
        return _written(out, subject, head, settings.visits)
    for part in (out / subject, out / TRUTH / subject):
        shutil.rmtree(part, ignore_errors=True)
    person: dict[str, object] = {}
    sessions: list[dict[str, object]] = []
    for number, visit in enumerate(visits_of_head(head, seed, settings, anatomies, device), start=1):
        session = f"ses-{number:02d}"
        write_visit(out, subject, session, number, visit)
        row = participant_row(subject, visit.scan, head + 1)
        person = {name: row.pop(name) for name in ("participant_id", "head", "anatomy", "profile")}
        sessions.append({"session_id": session, **row, **_new_counts(visit, number)})
    write_table(
        out / subject / f"{subject}_sessions.tsv", list(sessions[0]), (list(row.values()) for row in sessions)
    )
    return {**person, "visits": len(sessions)}


def _written(out: Path, subject: str, head: int, visits: int) -> dict[str, object]:
    """Return the participant's row of a head that is whole."""
    path = out / TRUTH / subject / "ses-01" / "anat" / f"{subject}_ses-01_simulation.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    return {
        "participant_id": subject,
        "head": head + 1,
        "anatomy": facts["anatomy"],
        "profile": facts["profile"],
        "visits": visits,
    }


def _new_counts(visit: SimulatedVisit, number: int) -> dict[str, object]:
    """Count the microbleeds that appeared at this visit, and those of them that can be seen."""
    seen = [look.visible for _, look in visit.scan.microbleeds]
    new = [first == number and number > 1 for first in visit.first_visit]
    return {"new": sum(new), "new_visible": sum(a and b for a, b in zip(new, seen, strict=True))}


def write_visit(out: Path, subject: str, session: str, number: int, visit: SimulatedVisit) -> None:
    """Write the images and the truth of one visit, for instance of ``sub-001`` and ``ses-02``."""
    name = f"{subject}_{session}"
    with tempfile.TemporaryDirectory(dir=out, prefix=".partial-") as partial_folder:
        staged = Path(partial_folder)
        write_scan(staged, name, visit.scan)
        truth = staged / TRUTH / name / "anat"
        _add_columns(truth / f"{name}_microbleeds.tsv", number, visit)
        write_json(
            truth / f"{name}_from-baseline_xfm.json",
            {
                "what": "RAS mm of ses-01 to RAS mm of this visit",
                "matrix": [[round(float(value), 9) for value in row] for row in visit.visit_from_baseline],
            },
        )
        for root in (Path(), TRUTH):
            target = out / root / subject / session
            target.parent.mkdir(parents=True, exist_ok=True)
            (staged / root / name).rename(target)


def _add_columns(path: Path, number: int, visit: SimulatedVisit) -> None:
    """Add ``lesion`` and ``new`` to the table of microbleeds."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    rows = (
        [*line.split("\t"), lesion, int(first == number and number > 1)]
        for line, lesion, first in zip(lines, visit.lesion, visit.first_visit, strict=True)
    )
    write_table(path, [*header.split("\t"), "lesion", "new"], rows)
