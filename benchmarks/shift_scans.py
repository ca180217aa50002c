"""Cohorts of the shift test: the same heads and bodies in every row, seen by another scanner.

A row is `cohorts/shift/ROW.json`: a protocol of the simulator and what is changed in it, and what is changed in
the settings drawn for each scan. Heads and bodies depend on the seed alone, which all rows share, so that rows
differ by the scanner and not by luck.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cohort import HERE
from microbleeds.errors import InputError
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.dataset import (
    participant_row,
    read_participants,
    write_description,
    write_participants,
    write_scan,
)
from microbleeds.simulate.default_anatomy import default_anatomy
from microbleeds.simulate.fine_signal import FineSignal, render
from microbleeds.simulate.head import draw_head
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.simulate.protocol import PROTOCOLS, Protocol, ScanSettings, draw_settings
from microbleeds.simulate.subject import (
    BodySettings,
    SimulatedScan,
    draw_bodies,
    redrawn_settings,
    scan_bodies,
    torch_device,
    with_settings,
)

FOLDER = HERE / "cohorts" / "shift"
BURDENS = {"with": "rich", "without": "none"}  # 3 to 18 microbleeds: rows of few subjects need many


@dataclass(frozen=True)
class ShiftRow:
    """One row.

    Args:
        name: of the row.
        about: what differs, in words.
        in_training_mix: whether the shipped weights learned from scans of this kind among others.
        anatomies: label maps of test heads; none for nilearn's.
        protocol: that the row changes.
        protocol_changes: fields of :class:`Protocol`.
        settings_changes: fields of :class:`ScanSettings`.
        subjects: part (``with``, ``without``) to number of scans.
        scans_per_head: scans of a head with other bodies.
        seed: of heads, bodies and noise.
        order: in the table.
    """

    name: str
    about: str
    in_training_mix: bool
    anatomies: list[str]
    protocol: str
    protocol_changes: dict[str, Any]
    settings_changes: dict[str, Any]
    subjects: dict[str, int]
    scans_per_head: int
    seed: int
    order: int

    def scanner(self) -> Protocol:
        """Return the protocol of this row."""
        return replace(PROTOCOLS[self.protocol], name=f"shift-{self.name}", **_tuples(self.protocol_changes))

    def changed(self, settings: ScanSettings) -> ScanSettings:
        """Return settings with what the row changes."""
        return replace(settings, **_tuples(self.settings_changes))


def read_rows(names: Sequence[str] = ()) -> list[ShiftRow]:
    """Read all rows in their order, or those named.

    Raises:
        InputError: if one is not there.
    """
    rows = [ShiftRow(**json.loads(path.read_text(encoding="utf-8"))) for path in FOLDER.glob("*.json")]
    rows.sort(key=lambda row: row.order)
    unknown = [name for name in names if name not in {row.name for row in rows}]
    if unknown:
        known = ", ".join(row.name for row in rows)
        raise InputError(f"There is no row {unknown[0]!r} in cohorts/shift; there are {known}.")
    return [row for row in rows if not names or row.name in names]


def build_row(row: ShiftRow, data: Path, anatomy: Path | None, most: int | None = None) -> None:
    """Simulate a row; a part that was broken off is made anew, one that is whole is kept.

    Args:
        row: what to simulate.
        data: folder of all rows.
        anatomy: folder of label maps.
        most: at most so many scans of each part, for a quick look.

    Raises:
        InputError: if label maps are missing.
    """
    maps = [] if not row.anatomies else _label_maps(row, anatomy)
    for place, (part, count) in enumerate(row.subjects.items()):
        out = data / row.name / part
        wanted = min(count, most or count)
        if len(read_participants(out)) >= wanted:
            continue
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        write_description(out, {"row": row.name, "part": part, "seed": row.seed})
        written = []
        for number in range(wanted):
            head, turn = divmod(number, row.scans_per_head)
            if turn == 0:
                fine = _rendered(row, maps, [row.seed, place, head])
            scan = _scanned(row, fine, BURDENS[part], [row.seed, place, head, 1 + turn])
            name = f"sub-{number + 1:03d}"
            write_scan(out, name, scan)
            written.append(participant_row(name, scan, head + 1))
        write_participants(out, written)


def _label_maps(row: ShiftRow, anatomy: Path | None) -> list[Path]:
    if anatomy is None:
        raise InputError(f"The row {row.name} needs a folder of label maps (--anatomy).")
    paths = [anatomy / name for name in row.anatomies]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise InputError(f"The folder {anatomy} lacks {', '.join(missing)}.")
    return paths


def _rendered(row: ShiftRow, maps: Sequence[Path], seed: list[int]) -> FineSignal:
    """Draw a head by the seed alone and see it with the row's scanner."""
    shape, signal, choice = np.random.SeedSequence(seed).spawn(3)
    rng = np.random.default_rng(choice)
    chosen = int(rng.integers(max(1, len(maps))))
    source: Anatomy = load_label_map(maps[chosen]) if maps else default_anatomy()
    device = torch_device()
    protocol = row.scanner()
    settings = row.changed(draw_settings(protocol, rng))
    return render(draw_head(source, shape, device), protocol, settings, signal, device)


def _scanned(row: ShiftRow, fine: FineSignal, burden: str, seed: list[int]) -> SimulatedScan:
    """Draw bodies by the seed alone and scan them."""
    bodies_seed, choice = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(choice)
    bodies = draw_bodies(fine.head, BodySettings("natural", burden), bodies_seed)
    settings = row.changed(redrawn_settings(fine.settings, fine.protocol, rng))
    return scan_bodies(with_settings(fine, settings), bodies, "natural", int(rng.integers(2**31)))


def _tuples(changes: dict[str, Any]) -> dict[str, Any]:
    """Lists of JSON become tuples, at any depth."""

    def fixed(value: Any) -> Any:
        return tuple(fixed(v) for v in value) if isinstance(value, list) else value

    return {name: fixed(value) for name, value in changes.items()}
