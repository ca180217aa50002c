"""Where a candidate lies: region, side and group, and whether a microbleed can be there at all.

A candidate's place is what lies around its centre, not the one voxel at it: a bleed is dark and may itself be
taken for a vessel or for fluid. Within :data:`RIM_MM` each voxel votes for its group, and then for its region,
nearer ones more (a Gaussian of half that distance). Of eight such rules tried with the true regions of simulated
training scans all gave 184 or 185 of 185 microbleeds the right group: the choice among them hardly matters.

A candidate is removed only where no microbleed can be, by the share of parenchyma within :data:`RIM_MM`: the mean
of its probability there, since a large bleed is easily drawn as fluid and the probability still doubts that.
Readers ask that at least half of a bleed's surroundings are parenchyma (Greenberg 2009); :data:`LEAST_PARENCHYMA`
is far below, since borders may be off by a voxel or two and a lost bleed costs more than a kept vessel, which the
detector has judged already. Of 286 visible microbleeds of the validation heads 0.05 loses none, 0.1 loses 3; the
share of voxels drawn as parenchyma, cut at 0.1, loses 15. Of the false positives that count it removes few
(docs/method.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.regions import CSF, MARGIN_LIMIT_MM, OUTSIDE, REGIONS, VENTRICLE, Group, Region, Side
from microbleeds.scan import Candidate
from microbleeds.segmentation import Segmentation

RIM_MM = 2.5
LEAST_PARENCHYMA = 0.05

_GROUPS: tuple[Group, ...] = ("lobar", "deep", "infratentorial")
_GROUP_OF_CODE = np.full(256, -1, dtype=np.int8)
# The groups, and the cerebellum apart: "strictly lobar" hangs on whether a finding lies there or in the brainstem.
_MARGIN_CODE = np.full(256, -1, dtype=np.int8)
for _region in REGIONS.values():
    if _region.group != "none":
        _GROUP_OF_CODE[_region.code] = _MARGIN_CODE[_region.code] = _GROUPS.index(_region.group)
    if _region.name == "cerebellum":
        _MARGIN_CODE[_region.code] = len(_GROUPS)


@dataclass(frozen=True)
class Placement:
    """Where a candidate lies.

    Args:
        group: lobar, deep or infratentorial by MARS, or none.
        region: name of a region of :mod:`microbleeds.regions`, or ``unknown``.
        side: the subject's side.
        kept: false only where no microbleed can be.
        reason: one sentence on why it is kept or removed.
        margin_mm: distance from the centre to the nearest parenchyma of another group (of brainstem or cerebellum
            in the other of them), at most :data:`MARGIN_LIMIT_MM`; ``None`` without a group.
        parenchyma_share: 0..1 of the ball around the centre, as far as it is in the image; ``None`` if unknown.
    """

    group: Group
    region: str
    side: Side
    kept: bool
    reason: str
    margin_mm: float | None
    parenchyma_share: float | None


def localise(candidates: Sequence[Candidate], segmentation: Segmentation) -> list[Placement]:
    """Return the placement of each candidate, in the same order."""
    if not segmentation.located:
        return [_unknown() for _ in candidates]
    ball = _ball(segmentation.grid, RIM_MM)
    wide = _ball(segmentation.grid, MARGIN_LIMIT_MM)
    return [_place(candidate, segmentation, ball, wide) for candidate in candidates]


def _unknown() -> Placement:
    """Return the placement of a candidate on a scan that shows too little of the head to tell where."""
    reason = "Kept; the scan shows too little of the head to tell the region."
    return Placement("none", "unknown", "none", True, reason, None, None)


def _place(
    candidate: Candidate, segmentation: Segmentation, ball: NDArray[np.int64], wide: NDArray[np.int64]
) -> Placement:
    """Place one candidate by the region codes in the ball around it."""
    grid = segmentation.grid
    position = grid.to_ijk(candidate.position_ras_mm)
    centre = np.round(position).astype(int)
    around = centre + ball
    around = around[_in_image(around, grid)]
    codes = _codes_at(segmentation.regions, around)
    groups = _GROUP_OF_CODE[codes]
    share = _parenchyma_share(segmentation, around, groups >= 0)
    if share < LEAST_PARENCHYMA:
        return _removed(codes, share) if segmentation.confident else _doubted(share)
    distance_mm = np.linalg.norm((around - position) @ grid.affine[:3, :3].T, axis=1)
    group, region = _voted(codes, np.exp(-2 * (distance_mm / RIM_MM) ** 2))
    if group < 0:
        group, region = _nearest(segmentation, position, wide)
    if group < 0:
        return _removed(codes, share) if segmentation.confident else _doubted(share)
    margin = _margin(segmentation, position, wide, region)
    return Placement(_GROUPS[group], region.name, region.side, True, _kept_reason(region, share), margin, share)


def _voted(codes: NDArray[np.uint8], votes: NDArray[np.floating]) -> tuple[int, Region]:
    """Return the group with the most votes [N] of the codes [N] and its region with the most; group -1 without."""
    groups = _GROUP_OF_CODE[codes]
    if not (groups >= 0).any():
        return -1, REGIONS[OUTSIDE]
    group = int(np.bincount(groups[groups >= 0], votes[groups >= 0], minlength=len(_GROUPS)).argmax())
    of_group = groups == group
    return group, REGIONS[int(np.bincount(codes[of_group], votes[of_group]).argmax())]


def _nearest(
    segmentation: Segmentation, position: NDArray[np.floating], wide: NDArray[np.int64]
) -> tuple[int, Region]:
    """Return group and region of the nearest voxel of parenchyma: where it is likely, but drawn further off."""
    around = np.round(position).astype(int) + wide
    around = around[_in_image(around, segmentation.grid)]
    codes = _codes_at(segmentation.regions, around)
    distance_mm = np.linalg.norm((around - position) @ segmentation.grid.affine[:3, :3].T, axis=1)
    distance_mm[_GROUP_OF_CODE[codes] < 0] = np.inf
    return (
        _voted(codes, (distance_mm == distance_mm.min()).astype(float)) if len(codes) else (-1, REGIONS[OUTSIDE])
    )


def _parenchyma_share(segmentation: Segmentation, around: NDArray[np.int64], drawn: NDArray[np.bool_]) -> float:
    """Return the share 0..1 of parenchyma at voxels [N, 3], of which ``drawn`` [N] are parenchyma's regions."""
    if not len(around):
        return 0.0
    if segmentation.parenchyma_percent is None:
        return float(np.mean(drawn))
    return float(np.mean(_codes_at(segmentation.parenchyma_percent, around))) / 100


def _removed(codes: NDArray[np.uint8], share: float) -> Placement:
    """Return the placement of a candidate without parenchyma around it."""
    if not len(codes):
        return Placement("none", "outside", "none", False, "Removed: it lies outside of the image.", None, share)
    counts = {code: int((codes == code).sum()) for code in (VENTRICLE, CSF, OUTSIDE)}
    code = max(counts, key=lambda c: counts[c])
    where = {
        VENTRICLE: "in a ventricle",
        CSF: "in cerebrospinal fluid outside of the brain",
        OUTSIDE: "outside of the brain",
    }
    reason = f"Removed: it lies {where[code]}, with {share:.0%} of parenchyma within {RIM_MM:g} mm."
    return Placement("none", REGIONS[code].name, "none", False, reason, None, share)


def _doubted(share: float) -> Placement:
    """Return the placement of a candidate that a segmentation which looks wrong would have removed."""
    reason = f"Kept with {share:.0%} of parenchyma within {RIM_MM:g} mm: the segmentation looks wrong here."
    return Placement("none", "unknown", "none", True, reason, None, share)


def _kept_reason(region: Region, share: float) -> str:
    """Return the sentence for a kept candidate."""
    side = "" if region.side == "none" else f" {region.side}"
    return f"Kept: {region.name.replace('_', ' ')}{side}, {share:.0%} of parenchyma within {RIM_MM:g} mm."


def _margin(
    segmentation: Segmentation, position: NDArray[np.floating], wide: NDArray[np.int64], region: Region
) -> float:
    """Return the distance in mm to the nearest parenchyma that counts otherwise, at most the limit."""
    around = np.round(position).astype(int) + wide
    around = around[_in_image(around, segmentation.grid)]
    kinds = _MARGIN_CODE[_codes_at(segmentation.regions, around)]
    other = (kinds >= 0) & (kinds != _MARGIN_CODE[region.code])
    if not other.any():
        return MARGIN_LIMIT_MM
    # To the voxel's near face: the middle of a slice of 5 mm is 2.5 mm further off.
    offsets = around[other] - position
    offsets_mm = (offsets - np.clip(offsets, -0.5, 0.5)) @ segmentation.grid.affine[:3, :3].T
    return float(min(np.linalg.norm(offsets_mm, axis=1).min(), MARGIN_LIMIT_MM))


def _ball(grid: Grid, radius_mm: float) -> NDArray[np.int64]:
    """Return the voxel offsets [N, 3] whose centres lie within ``radius_mm``; at least the centre."""
    reach = np.ceil(radius_mm / grid.spacing_mm).astype(int)
    axes = [np.arange(-r, r + 1) for r in reach]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(offsets @ grid.affine[:3, :3].T, axis=1)
    return offsets[distance <= radius_mm]


def _in_image(ijk: NDArray[np.int64], grid: Grid) -> NDArray[np.bool_]:
    """Return which voxels [N, 3] lie in the image, [N]."""
    return np.all((ijk >= 0) & (ijk < grid.shape), axis=1)


def _codes_at(regions: NDArray[np.uint8], ijk: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the region codes [N] at voxels [N, 3] of the image."""
    i, j, k = ijk.T
    return regions[i, j, k]
