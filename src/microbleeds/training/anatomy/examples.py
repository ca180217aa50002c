"""The stream of training examples: painted heads and simulated scans, each drawn by the number of its step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator
from torch.utils.data import DataLoader, Dataset

from microbleeds.errors import InputError
from microbleeds.simulate.deform import deform
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.training.anatomy.sample import Head, Sample, Window, draw_painted, prepare_head, with_coordinates
from microbleeds.training.anatomy.scans import ScanView, draw_scan, load_scan_views

# Windows in voxels of 1 x 1 x 2 mm and how often they are drawn, in the first and in the second half of a
# training. The first is a quarter of a head, the last a whole head, as the network sees it in use.
WINDOWS: tuple[Window, ...] = ((96, 128, 48), (128, 160, 64), (160, 192, 80))
SHARES = ((0.75, 0.2, 0.05), (0.6, 0.3, 0.1))
SCAN_SHARE = 0.75  # of the examples, where there are scans


@dataclass(frozen=True, eq=False)
class Sources:
    """What examples are drawn from.

    Args:
        heads: label maps, each in some deformed variants.
        scans: simulated scans; may be empty.
    """

    heads: Sequence[Head]
    scans: Sequence[ScanView] = ()


def load_sources(files: Sequence[Path], data: Path | None, variants: int, seed: int) -> Sources:
    """Read label maps, deform each into ``variants`` heads (18 MB of memory each), and read the scans.

    Growing ventricles and atrophy come with these variants; pose and shape change with every example.

    Raises:
        InputError: if there is no label map or a scan can't be read.
    """
    if not files:
        raise InputError("No label map (*.nii.gz) was found to train the anatomy network from; pass their folder.")
    heads = []
    for number, file in enumerate(files):
        anatomy = load_label_map(file)
        for variant in range(variants):
            generator = np.random.default_rng([seed, number, variant])
            heads.append(prepare_head(deform(anatomy, generator) if variant else anatomy))
    return Sources(heads, load_scan_views(data) if data is not None else ())


def example(sources: Sources, step: int, steps: int, seed: int, coordinates: bool = False) -> Sample:
    """Draw the example of ``step``; it depends on the arguments alone, so a resumed run sees the same."""
    generator = Generator().manual_seed(seed * 1_000_003 + step)
    shares = torch.tensor(SHARES[int(2 * step >= steps)])
    window = WINDOWS[int(torch.multinomial(shares, 1, generator=generator))]
    from_scan = torch.rand((), generator=generator).item() < SCAN_SHARE
    if from_scan and sources.scans:
        which = int(torch.randint(len(sources.scans), (), generator=generator))
        sample = draw_scan(sources.scans[which], window, generator)
    else:
        which = int(torch.randint(len(sources.heads), (), generator=generator))
        sample = draw_painted(sources.heads[which], window, generator)
    return with_coordinates(sample, generator) if coordinates else sample


class _Stream(Dataset):
    """Examples by the number of their step."""

    def __init__(self, sources: Sources, steps: int, seed: int, coordinates: bool) -> None:
        self.sources, self.steps, self.seed, self.coordinates = sources, steps, seed, coordinates

    def __getitem__(self, step: int) -> Sample:
        return example(self.sources, step, self.steps, self.seed, self.coordinates)


def stream(
    sources: Sources, first: int, steps: int, seed: int, *, coordinates: bool = False, workers: int = 1
) -> Iterator[Sample]:
    """Yield the examples of the steps ``first`` to ``steps``, drawn in ``workers`` processes (0: in this one)."""
    dataset = _Stream(sources, steps, seed, coordinates)
    yield from DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first, steps),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=_as_it_is,  # type: ignore[arg-type]
    )


def _as_it_is(sample: Sample) -> Sample:
    """Hand an example on; a lambda could not be sent to a process."""
    return sample
