"""Simulates a cohort: heads, scans of each head, and the data set that holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from microbleeds.errors import InputError
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.dataset import participant_row, write_description, write_participants, write_scan
from microbleeds.simulate.default_anatomy import default_anatomy
from microbleeds.simulate.fine_signal import FineSignal, render
from microbleeds.simulate.head import draw_head
from microbleeds.simulate.label_maps import label_map_paths, load_label_map
from microbleeds.simulate.microbleeds import BodyLaw, Profile
from microbleeds.simulate.mimics import MimicSettings
from microbleeds.simulate.protocol import draw_settings, named_protocol
from microbleeds.simulate.subject import (
    BodySettings,
    SimulatedScan,
    draw_bodies,
    redrawn_settings,
    scan_bodies,
    torch_device,
    with_settings,
)

PROFILES: tuple[Profile, ...] = ("natural", "lobar-posterior", "deep")
SHARE_WITHOUT = 1 / 3


@dataclass(frozen=True)
class CohortSettings:
    """What a cohort is made of.

    Args:
        protocol: a name of :data:`microbleeds.simulate.protocol.PROTOCOLS`, or ``mixed``.
        profile: a clinical profile, or ``mixed`` for a random one per scan.
        burden: ``natural`` (a third without any, the rest by the counts of real scans), ``rich`` (for training),
            ``some`` (every scan by the counts of positive scans) or ``none``.
        scans_per_head: scans of one head with other bodies, noise and settings; far cheaper than new heads.
    """

    protocol: str
    profile: str = "mixed"
    burden: str = "natural"
    scans_per_head: int = 1


def simulate_cohort(
    out: Path,
    *,
    subjects: int,
    seed: int,
    settings: CohortSettings,
    anatomies: list[Path] | None = None,
    device: str = "auto",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write a data set of simulated scans; the same arguments write the same bytes.

    Args:
        out: a new or empty folder.
        anatomies: label maps to draw heads from; ``None`` for the MNI152 head that pip brings.
        progress: called with the scans done and the total.

    Raises:
        InputError: if ``out`` holds something or a name is unknown.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"The output folder {out} is not empty; choose another.")
    if subjects < 1:
        raise InputError(f"The number of subjects must be at least 1, got {subjects}.")
    named_protocol(settings.protocol, np.random.default_rng(0))
    if settings.profile not in (*PROFILES, "mixed"):
        raise InputError(
            f"There is no profile called {settings.profile!r}; choose one of {', '.join(PROFILES)}, mixed."
        )
    out.mkdir(parents=True, exist_ok=True)
    write_description(out, {"subjects": subjects, "seed": seed, **vars(settings)})
    rows = []
    for index, scan in enumerate(draw_scans(subjects, seed, settings, anatomies, device)):
        name = f"sub-{index + 1:03d}"
        write_scan(out, name, scan)
        rows.append(participant_row(name, scan, index // settings.scans_per_head + 1))
        write_participants(out, rows)
        progress(index + 1, subjects)


def draw_scans(
    subjects: int,
    seed: int,
    settings: CohortSettings,
    anatomies: list[Path] | None = None,
    device: str = "auto",
) -> Iterator[SimulatedScan]:
    """Yield simulated scans one by one; scan ``i`` depends on ``seed`` and ``i`` alone."""
    where = torch_device(device)
    sources: list[Path | None] = list(anatomies) if anatomies else [None]
    fine: FineSignal | None = None
    for index in range(subjects):
        head_index, redraw = divmod(index, settings.scans_per_head)
        root = np.random.SeedSequence([seed, head_index])
        shape_seed, render_seed, protocol_seed = root.spawn(3)
        if redraw == 0:
            fine = None  # frees the old head before the new one is drawn
            choice = np.random.default_rng(protocol_seed)
            protocol = named_protocol(settings.protocol, choice)
            source = sources[int(choice.integers(len(sources)))]
            head = draw_head(_load(source), shape_seed, where)
            fine = render(head, protocol, draw_settings(protocol, choice), render_seed, where)
        assert fine is not None  # noqa: S101 - for the type checker
        yield _scan(fine, settings, np.random.SeedSequence([seed, head_index, 1 + redraw]))


def _scan(fine: FineSignal, settings: CohortSettings, seed: np.random.SeedSequence) -> SimulatedScan:
    body_seed, choice_seed = seed.spawn(2)
    rng = np.random.default_rng(choice_seed)
    profile: Profile = (
        PROFILES[rng.choice(3, p=[0.5, 0.25, 0.25])]
        if settings.profile == "mixed"
        else next(p for p in PROFILES if p == settings.profile)
    )
    burden = settings.burden
    if burden in ("natural", "rich"):
        burden = "none" if rng.random() < SHARE_WITHOUT else burden
    elif burden == "some":
        burden = "natural"
    rich = settings.burden == "rich"
    law = BodyLaw(radius_sigma=0.5) if rich else BodyLaw()
    mimics = MimicSettings().rich() if rich else MimicSettings()
    bodies = draw_bodies(fine.head, BodySettings(profile, burden, law, mimics), body_seed)
    varied = with_settings(fine, redrawn_settings(fine.settings, fine.protocol, rng))
    return scan_bodies(varied, bodies, profile, int(rng.integers(2**31)))


def _load(source: Path | None) -> Anatomy:
    return default_anatomy() if source is None else load_label_map(source)


def anatomies_in(folder: Path) -> list[Path]:
    """Label maps of a folder, sorted by name."""
    return label_map_paths(folder)


def without_bodies(settings: CohortSettings) -> CohortSettings:
    """The same cohort without any microbleed."""
    return replace(settings, burden="none")
