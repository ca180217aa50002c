"""Which images of a session belong together.

Images of one *acquisition* share all entities but ``echo`` and ``part``, lie on one grid and are of one run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microbleeds.annotations.scan_files import header_grid
from microbleeds.bids.dataset import Image
from microbleeds.bids.runs import runs_of
from microbleeds.geometry import Grid

_WITHIN = frozenset(["sub", "ses", "echo", "part"])


@dataclass(frozen=True, eq=False)
class Acquisition:
    """Images of one acquisition.

    Args:
        entities: that its names share.
        roles: role to images.
        label: what a sentence calls it.
        grid: of its main image; ``None`` if that can't be read.
        damaged: the first image whose header can't be read.
    """

    entities: Mapping[str, str]
    roles: Mapping[str, Sequence[Image]]
    label: str
    grid: Grid | None
    damaged: Path | None

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel of its main image; infinite if that can't be read."""
        return np.inf if self.grid is None else float(np.prod(self.grid.spacing_mm))

    @property
    def images(self) -> list[Image]:
        """All images."""
        return [image for members in self.roles.values() for image in members]


def main_image(roles: Mapping[str, Sequence[Image]]) -> Image:
    """Return the first SWI, or what there is in its stead."""
    return next(roles[role][0] for role in ("swi", "magnitude", "phase") if role in roles)


def acquisitions(images: Sequence[Image]) -> list[Acquisition]:
    """Group the images of a session, which are in natural order."""
    grids = {image.path: header_grid(image.path) for image in images}
    groups: dict[tuple[tuple[str, str], ...], list[Image]] = defaultdict(list)
    for image in images:
        groups[tuple((n, v) for n, v in sorted(image.entities.items()) if n not in _WITHIN)].append(image)
    made = []
    for entities, members in sorted(groups.items()):
        parts = [run for part in _by_grid(members, grids) for run in runs_of(part)]
        made += [_acquisition(dict(entities), part, grids, several=len(parts) > 1) for part in parts]
    return made


def _by_grid(images: Sequence[Image], grids: Mapping[Path, Grid | None]) -> list[list[Image]]:
    """Put images on one grid together; those that can't be read stay with the first."""
    found: list[Grid] = []
    homes = []
    for image in images:
        grid = grids[image.path]
        known = [n for n, one in enumerate(found) if grid is None or one.same_as(grid)]
        homes.append(known[0] if known else len(found))
        if grid is not None and not known:
            found.append(grid)
    pairs = list(zip(images, homes, strict=True))
    return [[image for image, home in pairs if home == n] for n in sorted(set(homes))]


def _acquisition(
    entities: dict[str, str], images: Sequence[Image], grids: Mapping[Path, Grid | None], *, several: bool
) -> Acquisition:
    """Describe one; ``several`` says that its entities don't tell it from others."""
    roles: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        roles[image.role].append(image)
    main = main_image(roles).path
    words = " ".join(f"{name}-{value}" for name, value in entities.items())
    return Acquisition(
        entities=entities,
        roles=dict(roles),
        label=main.name if several else words or "the one without further entities",
        grid=grids[main],
        damaged=next((image.path for image in images if grids[image.path] is None), None),
    )
