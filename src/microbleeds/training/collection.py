"""Any folder of labelled scans as training sees it: scans in groups that are never split."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from microbleeds.annotations import labelled_scans
from microbleeds.annotations.simulated import is_simulated_layout
from microbleeds.errors import InputError
from microbleeds.study import SignChoice
from microbleeds.training.cache import Preparable
from microbleeds.training.dataset import LayoutScan, heads_of, is_simulated, subject_names
from microbleeds.training.labelled import UserScan

log = logging.getLogger(__name__)

LARGEST_SHARE_HELD_OUT = 5  # one in five


@dataclass(frozen=True)
class Collection:
    """The labelled scans of a folder.

    Args:
        name: of the folder.
        simulated: whether ``microbleeds simulate`` wrote it.
        scans: sorted by name.
    """

    name: str
    simulated: bool
    scans: tuple[Preparable, ...]


def open_collection(data: Path, converted: Path | None = None, phase_sign: SignChoice = "auto") -> Collection:
    """Find the labelled scans of a folder, in this program's layout or any other form (docs/your-data.md).

    Args:
        data: the folder.
        converted: where images that are no NIfTI files are converted to.
        phase_sign: how veins look in all phase files; ``auto`` derives it from each scan.

    Raises:
        InputError: if there is none, a label can't be understood, or two scans have one name.
    """
    data = Path(data)
    if not data.is_dir():
        raise InputError(f"The data set {data} is no folder; check the path.")
    folder = data.name or data.resolve().name
    if is_simulated_layout(data):
        heads = heads_of(data, subject_names(data))
        layout = tuple(LayoutScan(data, name, head, phase_sign) for name, head in heads.items())
        return Collection(folder, is_simulated(data), layout)
    found = labelled_scans(data, converted)
    for scan in found:
        for sentence in scan.warnings:
            log.warning("%s: %s", scan.name, sentence)
    twice = [name for name, count in Counter(scan.name for scan in found).items() if count > 1]
    if twice:
        raise InputError(f"Two scans of {data} are called {twice[0]}; give each a name of its own.")
    found = sorted(found, key=lambda scan: scan.name)
    return Collection(folder, False, tuple(UserScan(scan, phase_sign) for scan in found))


def groups_of(scans: Sequence[Preparable]) -> dict[str, list[Preparable]]:
    """Scans by the subject or head that they share."""
    groups: dict[str, list[Preparable]] = {}
    for scan in scans:
        groups.setdefault(scan.group, []).append(scan)
    return groups


def hold_out(
    scans: Sequence[Preparable], most: int, *, by_burden: bool = False
) -> tuple[list[Preparable], list[Preparable]]:
    """Split scans into those to train on and at most ``most`` of at most a fifth of the groups.

    A subject or head is trained on or held out with all its scans: a network that knows a head finds its bleeds
    more easily.

    Args:
        scans: all.
        most: scans held out; more scans of their groups are left out altogether.
        by_burden: spread the groups held out over the numbers of microbleeds instead of the names; two subjects
            held out of ten may have none otherwise.
    """
    groups = groups_of(scans)
    wanted = -(-most * len(groups) // max(1, len(scans)))  # groups that hold so many scans
    wanted = min(wanted, len(groups) // LARGEST_SHARE_HELD_OUT)
    chosen = _from_each_part(burdens(groups), wanted) if by_burden else spread(list(groups), wanted)
    # By turns, so that each group is seen even if few of the scans are used.
    by_turns = [scan for turn in zip_longest(*(groups[group] for group in chosen)) for scan in turn if scan]
    held = sorted(by_turns[:most], key=lambda scan: scan.name)
    return [scan for scan in scans if scan.group not in chosen], held


def burdens(groups: Mapping[str, Sequence[Preparable]]) -> dict[str, int]:
    """Microbleeds of each group, the most first; equal ones by name."""
    counts = {name: sum(scan.bleeds() for scan in scans) for name, scans in groups.items()}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _from_each_part(names: Iterable[str], wanted: int) -> list[str]:
    """The middle one of each of ``wanted`` equal parts."""
    ordered = list(names)
    return [ordered[int((n + 0.5) * len(ordered) / wanted)] for n in range(wanted)]


def spread(items: Sequence, most: int) -> list:
    """At most ``most`` items, evenly spread (neighbours often share a head or a protocol)."""
    if most <= 0:
        return []
    return list(items[:: max(1, -(-len(items) // most))][:most])
