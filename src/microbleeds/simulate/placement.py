"""Where a body may lie: sites of the brain, drawn clear of vessels and of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.vessels import Vessel
from microbleeds.tissues import Tissue

# Share of 957 real microbleeds per site (public per-lesion table of five collections, J. del Pozo Lerida 2024;
# the 0.8 % without a name left out).
SITE_SHARES = {
    "subcortical-white-matter": 0.401,
    "cortex": 0.337,
    "cerebellum": 0.083,
    "basal-ganglia": 0.080,
    "thalamus": 0.054,
    "brainstem": 0.045,
}
_NUCLEI = ("CAUDATE", "PUTAMEN", "PALLIDUM", "ACCUMBENS")


def _pair(name: str) -> tuple[Tissue, Tissue]:
    return Tissue[f"{name}_LEFT"], Tissue[f"{name}_RIGHT"]


def site_mask(anatomy: Anatomy, site: str) -> NDArray[np.bool_]:
    """Where on the 1 mm labels a body of ``site`` may have its centre, bool [X, Y, Z]."""
    if site in ("cortex", "subcortical-white-matter"):
        cortex, white = anatomy.cortex, anatomy.white
        near = ndimage.binary_dilation(cortex, iterations=2)
        # The grey-white junction: the inner cortex, and white matter within 2 mm of it.
        inner = cortex & ndimage.binary_dilation(white)
        return inner | (white & near) if site == "cortex" else white & ~near
    if site == "basal-ganglia":
        return anatomy.where(*(t for n in _NUCLEI for t in _pair(n)))
    if site == "thalamus":
        return anatomy.where(*_pair("THALAMUS"))
    if site == "brainstem":
        return ndimage.binary_erosion(anatomy.where(Tissue.BRAINSTEM), iterations=2)
    if site == "cerebellum":
        tissue = anatomy.where(*_pair("CEREBELLAR_CORTEX"), *_pair("CEREBELLAR_WHITE"), *_pair("DENTATE"))
        return ndimage.binary_erosion(tissue, iterations=2)
    raise ValueError(f"There is no site called {site!r}.")


@dataclass
class Placer:
    """Draws positions that keep clear of vessels and of earlier positions.

    Args:
        vessels: those of at least 0.25 mm radius are kept clear of.
        gap_mm: least distance between the surfaces of two bodies.
    """

    anatomy: Anatomy
    vessels: Sequence[Vessel]
    gap_mm: float = 4.0
    _taken: list[tuple[NDArray, float]] = field(default_factory=list)
    _masks: dict[str, NDArray] = field(default_factory=dict)
    _tree: tuple[cKDTree, NDArray] | None = None

    def draw(
        self,
        generator: np.random.Generator,
        site: str,
        extent_mm: float,
        weight: NDArray[np.float32] | None = None,
        clear_of_vessels: bool = True,
    ) -> NDArray[np.float64] | None:
        """A free position in ``site`` in RAS mm [3], or ``None`` when 60 tries find none.

        Args:
            extent_mm: radius of the body.
            weight: [X, Y, Z] relative density on the 1 mm labels.
        """
        if site not in self._masks:
            self._masks[site] = np.argwhere(site_mask(self.anatomy, site))
        voxels = self._masks[site]
        if not len(voxels):
            return None
        share = None
        if weight is not None:
            share = weight[tuple(voxels.T)].astype(np.float64)
            share /= share.sum()
        for index in generator.choice(len(voxels), size=60, p=share):
            position = self.anatomy.grid.to_mm(voxels[index] + generator.uniform(-0.5, 0.5, 3))
            if self._free(position, extent_mm, clear_of_vessels):
                self.take(position, extent_mm)
                return position
        return None

    def take(self, position_mm: NDArray, extent_mm: float) -> None:
        """Mark a place as occupied."""
        self._taken.append((np.asarray(position_mm, dtype=float), extent_mm))

    def _free(self, position: NDArray, extent: float, clear_of_vessels: bool) -> bool:
        for other, size in self._taken:
            if np.linalg.norm(other - position) < extent + size + self.gap_mm:
                return False
        if not clear_of_vessels:
            return True
        tree, radii = self._vessel_tree()
        near = tree.query_ball_point(position, extent + 3.5)
        if not near:
            return True
        gaps = np.linalg.norm(tree.data[near] - position, axis=1) - radii[near] - extent
        return bool(gaps.min() > 0.3)

    def _vessel_tree(self) -> tuple[cKDTree, NDArray]:
        if self._tree is None:
            points = [v.points_mm[v.radius_mm >= 0.25] for v in self.vessels]
            radii = [v.radius_mm[v.radius_mm >= 0.25] for v in self.vessels]
            self._tree = (
                cKDTree(np.concatenate([np.zeros((0, 3)), *points])),
                np.concatenate([np.zeros(0), *radii]),
            )
        return self._tree
