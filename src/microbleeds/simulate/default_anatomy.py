"""The head that every user has: built in seconds from the MNI152 template that nilearn carries.

Nothing is read from the network and nothing is kept on disk. It serves the demo and the tests; training takes
label maps of real heads (:mod:`microbleeds.simulate.label_maps`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.default_brain import brain_labels, coordinates_mm, load_template
from microbleeds.simulate.default_head import with_head
from microbleeds.simulate.nuclei import add_nuclei
from microbleeds.simulate.parcellation import regions_from_labels

# Room for the head around the template, whose own field of view ends at the brain: first and last MNI mm.
_BOX_MNI_MM = ((-96, 96), (-132, 114), (-130, 108))


@cache
def default_anatomy() -> Anatomy:
    """Return the default head, named ``mni152``; its world coordinates are MNI152 mm.

    It is made once in a process, so its arrays can't be written to.
    """
    template = load_template()
    brain, grid = _widened(brain_labels(template), template.grid)
    mni_from_ras = np.eye(4)
    labels = add_nuclei(with_head(brain, coordinates_mm(grid)), grid, mni_from_ras)
    rimless = regions_from_labels(labels, grid, mni_from_ras)
    for shared in (labels, rimless, mni_from_ras):
        shared.flags.writeable = False
    return Anatomy("mni152", labels, grid, rimless, mni_from_ras)


def _widened(labels: NDArray[np.uint8], grid: Grid) -> tuple[NDArray[np.uint8], Grid]:
    """Return the labels on the larger grid of the whole head, padded with zeros or cut."""
    first = np.rint(grid.to_ijk([low for low, _ in _BOX_MNI_MM])).astype(int)
    size = np.array([high - low + 1 for low, high in _BOX_MNI_MM])
    begin, end = np.maximum(first, 0), np.minimum(first + size, grid.shape)
    wide = np.zeros(size, dtype=np.uint8)
    target = tuple(slice(b - f, e - f) for b, e, f in zip(begin, end, first, strict=True))
    wide[target] = labels[tuple(slice(b, e) for b, e in zip(begin, end, strict=True))]
    return wide, grid.cropped(first, first + size)
