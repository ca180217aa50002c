"""Whether paramagnetic tissue is bright or dark on a phase image, derived from the scan itself.

Vendors and converters differ, and no table of them is reliable, so the scan's own veins decide. On a rough
susceptibility map of the inner head (:mod:`dipole`), two measures:

    * skewness: strong susceptibility inside the brain is mostly venous, so the longer tail is paramagnetic;
    * dark voxels of an SWI: what its phase mask darkens is paramagnetic, and so are veins and iron-rich nuclei.

The phase itself is a poor judge: on a real crop beside the falx (dark, diamagnetic, long) the dark voxels' phase
had the wrong sign at all three echoes; skewness of the susceptibility map had the right one. Dark voxels of a
magnitude are not asked: where cerebrospinal fluid is bright (2D gradient echo) they are white matter, which is
diamagnetic. On 53 simulated magnitudes of training and validation heads they had the wrong sign in 22 (21 of the
22 with slices of 5 mm), and skewness in none. On an SWI skewness counts four times as much, since not every SWI
has a phase mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.scan import PhaseSign, Volume
from microbleeds.susceptibility.dipole import rough_susceptibility
from microbleeds.susceptibility.highpass import BACKGROUND_CUTOFF_PER_MM, low_pass

# Share of voxels that count as dark; veins fill 0.3 to 1 % of the brain.
_DARK_SHARE = 0.01
# Near sinuses and petrous bone the filtered phase still has a mean size beyond this: those places don't count.
_CALM_RAD = 0.3
# Edge of a block over which evidence is summed; a crop of 24 x 24 x 41 mm still has 45 of them.
_BLOCK_MM = 8.0
# The middle of the head has veins enough; a larger box costs time only.
_LARGEST_BOX_MM = 120.0
_SKEWNESS_COUNTS = 4.0
# Below this the reader is warned; it lies at a combined t-value of 3.
SURE = 0.95


@dataclass(frozen=True)
class SignDecision:
    """The derived sign.

    Args:
        sign: whether paramagnetic tissue is bright or dark in the image that was judged.
        confidence: 0.5 (nothing speaks for either) to 1.
        source: a short clause that tells what it rests on.
    """

    sign: PhaseSign
    confidence: float
    source: str

    @property
    def sure(self) -> bool:
        """Whether the evidence is clear."""
        return self.confidence >= SURE


def find_sign(
    phase_rad: Volume,
    weight: Volume,
    region: NDArray[np.bool_],
    spacing_mm: Sequence[float] | NDArray[np.float64],
    b0_direction: NDArray[np.float64],
    *,
    swi: Volume | None = None,
    slice_axis: int = 2,
) -> SignDecision:
    """Derive the sign of paramagnetic phase from veins.

    Args:
        phase_rad: [X, Y, Z] high-pass-filtered phase as in the file, either sign.
        weight: [X, Y, Z] magnitude or SWI on the same grid.
        region: [X, Y, Z] true well inside the head.
        spacing_mm: voxel size along each axis.
        b0_direction: unit vector of the main field along the array's axes.
        swi: [X, Y, Z] susceptibility-weighted image on the same grid, if there is one.
        slice_axis: axis across the slices.
    """
    box = _box(region, spacing_mm)
    weight = np.ascontiguousarray(weight[box])
    # Beyond 1 rad a high-passed phase may be wrapped or noise: it counts as 1.
    phase = np.clip(phase_rad[box], -1, 1)
    calm = low_pass(np.abs(phase), spacing_mm, slice_axis=slice_axis) < _CALM_RAD
    region = region[box] & (weight > 0) & calm
    if not region.any():
        return SignDecision("paramagnetic-bright", 0.5, "nothing, since no phase in the head is calm enough")
    where = np.nonzero(region)
    susceptibility = np.ascontiguousarray(rough_susceptibility(phase * region, spacing_mm, b0_direction))
    values = _standardised((susceptibility - _surroundings(susceptibility, spacing_mm, slice_axis))[where])
    block = _block_of(where, spacing_mm)
    dark_t = None
    if swi is not None:
        dark = _dark(np.ascontiguousarray(swi[box]), where, spacing_mm, slice_axis)
        dark_t = _t_value(values[dark], block[dark])
    return _decision(skew_t=_t_value(values**3, block), dark_t=dark_t)


def _dark(
    image: Volume,
    where: tuple[NDArray[np.intp], ...],
    spacing_mm: Sequence[float] | NDArray[np.float64],
    slice_axis: int,
) -> NDArray[np.bool_]:
    """Return which voxels, bool [N], are the darkest against what surrounds them."""
    surroundings = _surroundings(image, spacing_mm, slice_axis)[where]
    known = surroundings > np.finfo(np.float32).tiny  # what nothing surrounds is not dark
    bright = np.minimum(image[where], 2 * surroundings)
    darkness = 1 - np.divide(bright, surroundings, out=np.full_like(surroundings, 2), where=known)
    return np.asarray(darkness >= np.quantile(darkness, 1 - _DARK_SHARE))


def _decision(skew_t: float, dark_t: float | None) -> SignDecision:
    """Weigh the measures, each positive where veins are bright; ``dark_t`` is ``None`` without an SWI."""
    evidence = skew_t
    source = f"t = {skew_t:+.1f} for the skewness of the susceptibility"
    if dark_t is not None:
        evidence = (_SKEWNESS_COUNTS * skew_t + dark_t) / np.sqrt(_SKEWNESS_COUNTS**2 + 1)
        source += f" and {dark_t:+.1f} for that of dark voxels (veins)"
    confidence = float(1 / (1 + np.exp(-abs(evidence))))
    sign: PhaseSign = "paramagnetic-bright" if evidence >= 0 else "paramagnetic-dark"
    return SignDecision(
        sign, confidence, f"{source}, positive where veins are bright; confidence {confidence:.2f}"
    )


def _box(
    region: NDArray[np.bool_], spacing_mm: Sequence[float] | NDArray[np.float64]
) -> tuple[slice, slice, slice]:
    """Return the bounding box of the region, cut to the largest size about its middle."""
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        filled = np.flatnonzero(region.any(axis=others))
        first, last = (int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, region.shape[axis])
        spare = max(0, (last - first - int(_LARGEST_BOX_MM / spacing_mm[axis])) // 2)
        box.append(slice(first + spare, last - spare))
    return box[0], box[1], box[2]


def _surroundings(image: Volume, spacing_mm: Sequence[float] | NDArray[np.float64], slice_axis: int) -> Volume:
    """Return what is around each voxel, on a scale of 1 / 0.07 = 14 mm."""
    return low_pass(image, spacing_mm, slice_axis=slice_axis, cutoff_per_mm=BACKGROUND_CUTOFF_PER_MM)


def _standardised(values: Volume) -> NDArray[np.float64]:
    """Clip at three standard deviations about the median (one strong structure must not decide) and scale."""
    centred = values.astype(np.float64) - float(np.median(values))
    limit = max(3 * float(centred.std()), 1e-12)
    clipped = np.clip(centred, -limit, limit)
    return clipped / max(float(clipped.std()), 1e-12)


def _block_of(
    where: tuple[NDArray[np.intp], ...], spacing_mm: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.intp]:
    """Number the block of about 8 mm in which each voxel lies; some numbers stay unused."""
    number = np.zeros(where[0].shape, dtype=np.intp)
    for index, spacing in zip(where, spacing_mm, strict=True):
        blocks = index // max(1, round(_BLOCK_MM / spacing))
        number = number * (int(blocks.max(initial=0)) + 1) + blocks
    return number


def _t_value(values: NDArray[np.float64], block: NDArray[np.intp]) -> float:
    """Return the t-value of block sums after a square root of each; about normal if they have no common sign.

    Sums rather than means: a block with many veins has more to say than one with none. The root keeps a
    structure that fills few blocks, such as the falx, from outvoting the rest.
    """
    sums = np.bincount(block, weights=values).astype(np.float64)
    roots = np.sign(sums) * np.sqrt(np.abs(sums))
    return float(roots.sum() / max(np.sqrt((roots**2).sum()), 1e-12))
