"""Simulates a cohort: heads, scans of each head, and the data set that holds them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from microbleeds.errors import InputError
from microbleeds.given import paths_of, refuse_below
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.dataset import (
    TRUTH,
    begin_data_set,
    participant_row,
    read_participants,
    write_participants,
    write_scan,
)
from microbleeds.simulate.default_anatomy import default_anatomy
from microbleeds.simulate.fine_signal import FineSignal, render
from microbleeds.simulate.head import draw_head
from microbleeds.simulate.label_maps import label_map_paths, load_label_map
from microbleeds.simulate.microbleeds import BodyLaw, Profile
from microbleeds.simulate.mimics import MimicSettings
from microbleeds.simulate.protocol import draw_settings, named_protocol
from microbleeds.simulate.side_by_side import each_head
from microbleeds.simulate.subject import (
    BodySettings,
    SimulatedScan,
    draw_bodies,
    redrawn_settings,
    scan_bodies,
    torch_device,
    with_settings,
)

PROFILES: tuple[Profile, ...] = ("natural", "lobar-posterior", "deep", "strictly-lobar")
MIXED_PROFILES: dict[Profile, float] = {"natural": 0.5, "lobar-posterior": 0.25, "deep": 0.25}
BURDENS = ("natural", "rich", "dense", "some", "none")
# Burdens with more mimics and sizes that vary more.
FOR_TRAINING = {"rich": MimicSettings().rich(), "dense": MimicSettings().dense()}
SHARE_WITHOUT = 1 / 3


@dataclass(frozen=True)
class CohortSettings:
    """What a cohort is made of.

    Args:
        protocol: a name of :data:`microbleeds.simulate.protocol.PROTOCOLS`, or ``mixed``.
        profile: a clinical profile, or ``mixed`` for a random one per scan.
        burden: ``natural`` (a third without any, the rest by the counts of real scans), ``rich`` (for training),
            ``dense`` (for a second stage to learn from; more than people have), ``some`` (every scan by the counts
            of positive scans) or ``none``.
        scans_per_head: scans of one head with other bodies, noise and settings; far cheaper than new heads.

    Raises:
        InputError: if ``scans_per_head`` is below 1.
    """

    protocol: str
    profile: str = "mixed"
    burden: str = "natural"
    scans_per_head: int = 1

    def __post_init__(self) -> None:
        refuse_below(1, scans_per_head=self.scans_per_head)


def simulate_cohort(
    out: Path,
    *,
    subjects: int,
    seed: int,
    settings: CohortSettings,
    anatomies: Sequence[Path] = (),
    device: str = "auto",
    jobs: int = 1,
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write a data set of simulated scans; the same arguments write the same bytes, whatever ``jobs`` is.

    ``participants.tsv`` alone says whose head a scan shows. It is written anew after each head that is whole.

    Args:
        out: a new or empty folder; with ``resume`` also one in which the same call was broken off.
        anatomies: label maps to draw heads from; none for the MNI152 head that pip brings.
        jobs: processes that work side by side, one head each.
        resume: whether heads that are whole in ``out`` are kept.
        progress: called with the scans done and the total.

    Raises:
        InputError: if ``out`` holds something, or a name is unknown or a number can't be; nothing is written then.
    """
    out, maps = Path(out), tuple(paths_of(anatomies))
    _refuse_impossible(settings)
    refuse_below(1, number_of_subjects=subjects, number_of_jobs=jobs)
    refuse_below(0, seed=seed)
    torch_device(device)
    options = {
        "subjects": int(subjects),
        "seed": int(seed),
        **vars(settings),
        "anatomies": [path.name for path in maps],
    }
    begun_here = not out.is_dir() or not any(out.iterdir())
    begin_data_set(out, options, resume=resume)
    rows, heads = _whole_heads(out, subjects, settings)
    work = partial(_write_head, out, subjects, seed, settings, maps, device)
    try:
        for written in each_head(work, heads, jobs):
            rows += written
            write_participants(out, rows)
            progress(len(rows), subjects)
    except InputError:  # a label map that can't be used: what was begun would be in the way of the next try
        if begun_here and not rows:
            for left in out.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        raise


def _whole_heads(out: Path, subjects: int, settings: CohortSettings) -> tuple[list[dict[str, object]], list[int]]:
    """Return the rows of heads that are whole, and which heads are not; what is there of these is removed."""
    rows = {row["participant_id"]: row for row in read_participants(out)}
    missing = []
    for head in range(-(-subjects // settings.scans_per_head)):
        names = _names_of(head, subjects, settings)
        if not rows.keys() >= {*names}:
            missing.append(head)
            for name in names:
                rows.pop(name, None)
                for part in (out / name, out / TRUTH / name):
                    shutil.rmtree(part, ignore_errors=True)
    return list(rows.values()), missing


def _names_of(head: int, subjects: int, settings: CohortSettings) -> list[str]:
    """Names of the scans of a head."""
    first = head * settings.scans_per_head
    return [f"sub-{number + 1:03d}" for number in range(first, min(first + settings.scans_per_head, subjects))]


def _refuse_impossible(settings: CohortSettings) -> None:
    named_protocol(settings.protocol, np.random.default_rng(0))
    if settings.burden not in BURDENS:
        raise InputError(f"There is no burden called {settings.burden!r}; choose one of {', '.join(BURDENS)}.")
    if settings.profile not in (*PROFILES, "mixed"):
        known = ", ".join([*PROFILES, "mixed"])
        raise InputError(f"There is no profile called {settings.profile!r}; choose one of {known}.")


def _write_head(
    out: Path,
    subjects: int,
    seed: int,
    settings: CohortSettings,
    anatomies: tuple[Path, ...],
    device: str,
    head: int,
) -> list[dict[str, object]]:
    rows = []
    names = _names_of(head, subjects, settings)
    scans = scans_of_head(head, len(names), seed, settings, anatomies, device)
    for name, scan in zip(names, scans, strict=True):
        write_scan(out, name, scan)
        rows.append(participant_row(name, scan, head + 1))
    return rows


def scans_of_head(
    head_index: int,
    count: int,
    seed: int,
    settings: CohortSettings,
    anatomies: Sequence[Path] = (),
    device: str = "auto",
) -> Iterator[SimulatedScan]:
    """Yield the first ``count`` scans of one head."""
    fine = rendered_head(head_index, seed, settings, anatomies, device)
    for number in range(count):
        yield scan_of_head(fine, head_index, number, seed, settings)


def rendered_head(
    head_index: int, seed: int, settings: CohortSettings, anatomies: Sequence[Path] = (), device: str = "auto"
) -> FineSignal:
    """Draw head number ``head_index`` of a cohort and render it; it depends on the arguments alone."""
    where = torch_device(device)
    shape_seed, render_seed, choice_seed = np.random.SeedSequence([seed, head_index]).spawn(3)
    choice = np.random.default_rng(choice_seed)
    protocol = named_protocol(settings.protocol, choice)
    source = anatomies[int(choice.integers(len(anatomies)))] if anatomies else None
    head = draw_head(_load(source), shape_seed, where)
    return render(head, protocol, draw_settings(protocol, choice), render_seed, where)


def scan_of_head(
    fine: FineSignal, head_index: int, number: int, seed: int, settings: CohortSettings
) -> SimulatedScan:
    """Draw scan ``number`` of a rendered head: other bodies, noise, motion, filters and file formats."""
    body_seed, choice_seed = np.random.SeedSequence([seed, head_index, 1 + number]).spawn(2)
    rng = np.random.default_rng(choice_seed)
    profile = drawn_profile(settings.profile, rng)
    burden = drawn_burden(settings.burden, rng)
    law = BodyLaw(radius_sigma=0.5) if settings.burden in FOR_TRAINING else BodyLaw()
    mimics = FOR_TRAINING.get(settings.burden, MimicSettings())
    bodies = draw_bodies(fine.head, BodySettings(profile, burden, law, mimics), body_seed)
    varied = with_settings(fine, redrawn_settings(fine.settings, fine.protocol, rng))
    return scan_bodies(varied, bodies, profile, int(rng.integers(2**31)))


def drawn_burden(name: str, generator: np.random.Generator) -> str:
    """Return the burden of one scan: ``natural`` and ``rich`` leave a third without any, ``some`` leaves none."""
    if name in ("natural", "rich") and generator.random() < SHARE_WITHOUT:
        return "none"
    return "natural" if name == "some" else name


def drawn_profile(name: str, generator: np.random.Generator) -> Profile:
    """Return the clinical profile of a name; ``mixed`` draws one by :data:`MIXED_PROFILES`."""
    if name == "mixed":
        return list(MIXED_PROFILES)[generator.choice(len(MIXED_PROFILES), p=list(MIXED_PROFILES.values()))]
    return next(profile for profile in PROFILES if profile == name)


@lru_cache(maxsize=16)
def _load(source: Path | None) -> Anatomy:
    return default_anatomy() if source is None else load_label_map(source)


def anatomies_in(folder: Path) -> list[Path]:
    """Label maps of a folder, sorted by name."""
    return label_map_paths(folder)
