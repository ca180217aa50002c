"""How well an anatomy network does on heads that its training did not see, through the whole of ``segment``.

The images are drawn like those of the training, so the scores say how far the network holds on new heads, not how
well the simulation resembles real scans.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import SPACING_MM, AnatomyClass, AnatomyNetwork
from microbleeds.regions import REGIONS
from microbleeds.regions import mirrored as mirrored_regions
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation, segment
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.tissues import Tissue
from microbleeds.training.anatomy.sample import codes_at, draw_positions, draw_sample, prepare_head
from microbleeds.training.anatomy.view import IGNORED

WINDOW = (64, 80, 64)
GROUPS = ("lobar", "deep", "infratentorial")


@dataclass(frozen=True, eq=False)
class Example:
    """A drawn image with its truth on the 3 mm grid.

    Args:
        scan: the image as a scan.
        brain: bool [X, Y, Z], seen parenchyma and ventricles.
        regions: uint8 [X, Y, Z], codes of :mod:`microbleeds.regions` where seen, else 0.
        seen: bool [X, Y, Z], inside the field of view.
    """

    scan: Scan
    brain: NDArray[np.bool_]
    regions: NDArray[np.uint8]
    seen: NDArray[np.bool_]


def draw_example(anatomy: Anatomy, seed: int) -> Example:
    """Draw an example of a head; the same seed gives the same one."""
    head = prepare_head(anatomy)
    sample = draw_sample(head, WINDOW, Generator().manual_seed(seed))
    positions, mirror = draw_positions(head, WINDOW, Generator().manual_seed(seed))
    regions = codes_at(replace(head, codes=torch.from_numpy(anatomy.regions)), positions).numpy()
    target = sample.target.numpy()
    seen = target != IGNORED
    brain = seen & (target >= AnatomyClass.VENTRICLE)
    if mirror:
        regions = mirrored_regions()[regions]
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = [-SPACING_MM * (n - 1) / 2 for n in WINDOW]
    grid = Grid(WINDOW, affine)
    scan = Scan(kind="t2star", grid=grid, source_grid=grid, swi=sample.image[0].numpy())
    return Example(scan, brain, np.where(brain, regions, 0).astype(np.uint8), seen)


def score_network(
    network: AnatomyNetwork, anatomies: list[Anatomy], draws: int, compute: Compute
) -> dict[str, float]:
    """Return the scores over ``draws`` images of each head.

    Returns:
        ``brain_dice`` (mean), ``brain_dice_worst_tenth`` (10th percentile), ``dice_<group>`` pooled over images,
        ``side_accuracy`` over voxels with a side in truth and answer, ``located`` (share of images).
    """
    counts = {group: np.zeros(2) for group in GROUPS}
    sides = np.zeros(2)
    brains: list[float] = []
    located = 0
    for number, anatomy in enumerate(anatomies):
        for draw in range(draws):
            example = draw_example(anatomy, seed=1_000_000 + 1000 * number + draw)
            found = _try_segment(example.scan, network, compute)
            located += found is not None
            tissues = np.zeros_like(example.regions) if found is None else found.tissues
            regions = np.zeros_like(example.regions) if found is None else found.regions
            brains.append(dice((tissues > Tissue.CSF) & example.seen, example.brain))
            for group in GROUPS:
                counts[group] += _overlap(
                    _of_group(regions, group) & example.seen, _of_group(example.regions, group)
                )
            sides += _side_hits(regions, example.regions)
    scores = {"brain_dice": float(np.mean(brains)), "brain_dice_worst_tenth": float(np.percentile(brains, 10))}
    scores |= {f"dice_{group}": float(both / size) for group, (both, size) in counts.items()}
    scores |= {"side_accuracy": float(sides[0] / max(sides[1], 1)), "located": located / len(brains)}
    return {name: round(value, 4) for name, value in scores.items()}


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the Dice overlap of two masks; 1 when both are empty."""
    both, size = _overlap(one, other)
    return float(both / size) if size else 1.0


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return twice the intersection and the sum of the sizes, [2]."""
    return np.array([2.0 * (one & other).sum(), float(one.sum() + other.sum())])


def _try_segment(scan: Scan, network: AnatomyNetwork, compute: Compute) -> Segmentation | None:
    """Segment, or return ``None`` where no brain or no position was found."""
    try:
        found = segment(scan, network, compute)
    except InputError:
        return None
    return found if found.located else None


def _of_group(regions: NDArray[np.uint8], group: str) -> NDArray[np.bool_]:
    """Return where a region of ``group`` is."""
    return np.isin(regions, [region.code for region in REGIONS.values() if region.group == group])


def _side_hits(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the number of voxels with the right side, and of those with a side in both, [2]."""
    side = np.zeros(256, dtype=np.int8)
    for region in REGIONS.values():
        side[region.code] = {"left": -1, "right": 1, "none": 0}[region.side]
    product = side[found] * side[truth]
    return np.array([float((product > 0).sum()), float((product != 0).sum())])
