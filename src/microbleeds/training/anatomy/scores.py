"""How well an anatomy network does on painted heads that its training did not see, through all of ``segment``.

The images are drawn like those of the training, so the scores say how far the network holds on new heads, not how
well the simulation resembles real scans. Scores on simulated scans are made by ``benchmarks/anatomy.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Generator

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.evaluate.overlap import confusion, overlaps, side_accuracy
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import SPACING_MM, AnatomyNetwork
from microbleeds.scan import Scan
from microbleeds.segmentation import segment
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.training.anatomy.sample import Window, draw_painted, prepare_head

WINDOW: Window = (160, 192, 80)  # a head
FIRST_SEED = 1_000_000  # seeds of validation start here (docs/scoring.md)


@dataclass(frozen=True, eq=False)
class Example:
    """A drawn image with its truth on the network's grid.

    Args:
        scan: the image as a scan.
        regions: uint8 [X, Y, Z], region codes; IGNORED outside of the view.
    """

    scan: Scan
    regions: NDArray[np.uint8]


def draw_example(anatomy: Anatomy, seed: int, window: Window = WINDOW) -> Example:
    """Draw an example of a head; the same seed gives the same one."""
    sample = draw_painted(prepare_head(anatomy), window, Generator().manual_seed(seed))
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = [-s * (n - 1) / 2 for s, n in zip(SPACING_MM, window, strict=True)]
    grid = Grid(window, affine)
    return Example(
        Scan(kind="t2star", grid=grid, source_grid=grid, swi=sample.image[0].numpy()), sample.regions.numpy()
    )


def score_network(
    network: AnatomyNetwork, anatomies: list[Anatomy], draws: int, compute: Compute, window: Window = WINDOW
) -> dict[str, float]:
    """Return the scores over ``draws`` images of each head.

    Returns:
        ``painted_dice_<group>`` and ``painted_dice_brain`` pooled over images, ``painted_side_accuracy`` over
        voxels with a side in truth and answer, ``painted_located`` (share of images in which regions were told).
    """
    total, located = np.zeros((64, 64), dtype=np.int64), 0
    for number, anatomy in enumerate(anatomies):
        for draw in range(draws):
            example = draw_example(anatomy, FIRST_SEED + 1000 * number + draw, window)
            found = _regions(example.scan, network, compute)
            located += found is not None
            total += confusion(np.zeros_like(example.regions) if found is None else found, example.regions)
    dice = overlaps(total)
    names = ("brain", "lobar", "deep", "infratentorial")
    scores = {f"painted_dice_{name}": dice[name] for name in names}
    scores["painted_side_accuracy"] = side_accuracy(total)
    scores["painted_located"] = located / (draws * len(anatomies))
    return {name: round(value, 4) for name, value in scores.items()}


def _regions(scan: Scan, network: AnatomyNetwork, compute: Compute) -> NDArray[np.uint8] | None:
    """Segment, or return ``None`` where no brain or no position was found."""
    try:
        found = segment(scan, network, compute)
    except InputError:
        return None
    return found.regions if found.located else None
