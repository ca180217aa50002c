"""Scanners on which no weights learned, and a clinic that labels ten scans of one.

Scanner B is a 1.5 T machine with thick two-dimensional slices and an echo time twice that of the simulator's
own 2D protocol. Scanner C is the 3 T machine of cohorts/shift with slices of 4 mm, on which detector-0.4 gives
scores that are far too low (docs/results.md, other scanners). The phase of both comes unfiltered, in
milliradians, with veins dark. The clinic marks the microbleeds that it sees, and nothing else: no brain mask,
no mimics, none that drown.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from microbleeds.simulate.dataset import (
    TRUTH,
    participant_row,
    write_description,
    write_participants,
    write_scan,
    write_text,
)
from microbleeds.simulate.fine_signal import render
from microbleeds.simulate.head import draw_head
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.simulate.protocol import Protocol, ScanSettings, draw_settings
from microbleeds.simulate.subject import BodySettings, SimulatedScan, draw_bodies, scan_bodies, torch_device
from shift_scans import read_rows

SCANNER_B = Protocol(
    "scanner-b-1.5t-2d-1x1x5",
    1.5,
    50.0,
    800.0,
    20.0,
    (208, 240, 28),
    (1.0, 1.0, 5.0),
    (1, 1, 8),
    (12, 22),
    two_dimensional=True,
    slice_gap_mm=1.0,
)
SCANNER_C = replace(read_rows(["slices-4mm"])[0].scanner(), name="scanner-c-3t-0.5x0.5x4")
SCANNERS = {"b": SCANNER_B, "c": SCANNER_C}


@dataclass(frozen=True)
class Part:
    """A data set of a scanner.

    Args:
        name: of its folder.
        anatomies: label maps, by turns.
        with_bleeds: subjects with 3 to 18 microbleeds each.
        without: subjects without any, after those.
        seed: of the first subject; each has a head and a seed of its own.
    """

    name: str
    anatomies: tuple[str, ...]
    with_bleeds: int
    without: int
    seed: int


def label_maps(first: int, last: int) -> tuple[str, ...]:
    """File names of the public label maps by their numbers."""
    return tuple(f"training_seg_{number:02d}.nii.gz" for number in range(first, last + 1))


# docs/scoring.md: heads 01 to 10 train, 11 to 13 validate; validation seeds start at 1,000,000.
LABELLED = Part("labelled", label_maps(1, 10), with_bleeds=8, without=2, seed=30_000)
UNSEEN = Part("unseen", label_maps(11, 13), with_bleeds=8, without=2, seed=1_030_000)


def write_part(part: Part, scanner: Protocol, anatomy: Path, out: Path, subjects: int | None = None) -> None:
    """Simulate a part into ``out``; what is there already is kept.

    Args:
        part: which.
        scanner: of :data:`SCANNERS`.
        anatomy: folder of the label maps.
        out: data set folder.
        subjects: only the first so many, for a trial.
    """
    burdens = ["rich"] * part.with_bleeds + ["none"] * part.without
    write_description(out, {"protocol": scanner.name, "seed": part.seed, "subjects": len(burdens)})
    rows = []
    for number, burden in list(enumerate(burdens))[:subjects]:
        name = f"sub-{number + 1:03d}"
        source = anatomy / part.anatomies[number % len(part.anatomies)]
        row = out / TRUTH / name / "row.tsv"
        if not row.exists():
            scan = scanned(scanner, source, part.seed + number, burden)
            write_scan(out, name, scan)
            written = participant_row(name, scan, number + 1)
            write_text(row, "\t".join(written) + "\n" + "\t".join(map(str, written.values())) + "\n")
            print(f"{part.name}: {name}", flush=True)
        with row.open(encoding="utf-8", newline="") as file:
            rows += list(csv.DictReader(file, delimiter="\t"))
    write_participants(out, rows)


def scanned(scanner: Protocol, source: Path, seed: int, burden: str) -> SimulatedScan:
    """One subject on a scanner."""
    shape, signal, bodies, choice, noise = np.random.SeedSequence(seed).spawn(5)
    rng = np.random.default_rng(choice)
    device = torch_device("cpu")
    head = draw_head(load_label_map(source), shape, device)
    fine = render(head, scanner, _settings(scanner, rng), signal, device)
    inside = draw_bodies(head, BodySettings("natural", burden), bodies)
    return scan_bodies(fine, inside, "natural", int(np.random.default_rng(noise).integers(2**31)))


def _settings(scanner: Protocol, rng: np.random.Generator) -> ScanSettings:
    """What varies from scan to scan on any scanner, and what is always the same on these."""
    return replace(
        draw_settings(scanner, rng),
        vendor="GE",
        phase_unit="milliradians",
        phase_filtered=False,
        paramagnetic_bright=False,
        mask_kind="tanh",
        mask_power=5.0,
        homodyne_window=28.0,
        phase_resolution=0.65,
        taper=0.4,
    )


def forget(out: Path) -> None:
    """Take away from a part what the clinic would not know: masks, mimics, microbleeds that nobody sees."""
    for path in sorted((out / TRUTH).glob("sub-*/anat/*")):
        if path.name.endswith(("_desc-brain_mask.nii.gz", "_mimics.tsv", "_dseg.nii.gz", "_dseg.tsv")):
            path.unlink()
        elif path.name.endswith("_microbleeds.tsv"):
            head, *rows = path.read_text(encoding="utf-8").splitlines()
            column = head.split("\t").index("visible")
            write_text(path, "\n".join([head, *_seen(rows, column)]) + "\n")


def forget_masks(out: Path) -> None:
    """Take away the true brain masks: a search has none."""
    for path in (out / TRUTH).glob("sub-*/anat/*_desc-brain_mask.nii.gz"):
        path.unlink()


def _seen(rows: Sequence[str], column: int) -> list[str]:
    return [row for row in rows if row.split("\t")[column] == "1"]
