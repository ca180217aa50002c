"""The head that a simulation starts from: tissue labels, fine regions and where they lie.

Every head is on a 1 mm isotropic grid whose axes run to R, A and S (the affine's rotation is the identity) until
it is posed for a visit, which turns the grid: fields and deformation belong to a head that is not posed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.simulate.periventricular import with_rim
from microbleeds.tissues import PARENCHYMA, VENTRICLES, Tissue, among

__all__ = ["Anatomy", "Tissue"]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A labelled whole head.

    Args:
        name: short name of the source, for instance ``training_seg_01`` or ``mni152``.
        labels: uint8 [X, Y, Z], codes of :class:`Tissue`.
        grid: 1 mm isotropic canonical RAS grid of both volumes.
        rimless: uint8 [X, Y, Z], fine regions with all lobar white matter in its lobe, codes of
            :mod:`microbleeds.regions`; ``regions`` are the same with the periventricular rim of this head.
        mni_from_ras: [4, 4] approximate affine from this head's RAS mm to MNI152 mm.
    """

    name: str
    labels: NDArray[np.uint8]
    grid: Grid
    rimless: NDArray[np.uint8]
    mni_from_ras: NDArray[np.float64]

    @cached_property
    def regions(self) -> NDArray[np.uint8]:
        """Fine regions, uint8 [X, Y, Z], codes of :mod:`microbleeds.regions`."""
        return with_rim(self.rimless, self.labels)

    def where(self, *tissues: Tissue) -> NDArray[np.bool_]:
        """Return where one of ``tissues`` is, bool [X, Y, Z]."""
        return among(self.labels, *tissues)

    @property
    def parenchyma(self) -> NDArray[np.bool_]:
        """Brain tissue without ventricles and choroid plexus, bool [X, Y, Z]."""
        return among(self.labels, *PARENCHYMA)

    @property
    def ventricles(self) -> NDArray[np.bool_]:
        """All ventricles with the choroid plexus, bool [X, Y, Z]."""
        return among(self.labels, *VENTRICLES)

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Parenchyma and ventricles (no sulcal or cisternal CSF), bool [X, Y, Z]."""
        return among(self.labels, *PARENCHYMA, *VENTRICLES)

    @property
    def white(self) -> NDArray[np.bool_]:
        """Cerebral white matter of both sides, bool [X, Y, Z]."""
        return among(self.labels, Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT)

    @property
    def cortex(self) -> NDArray[np.bool_]:
        """Cerebral cortex of both sides, bool [X, Y, Z]."""
        return among(self.labels, Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT)
