"""What is wrong with a labelled scan, in sentences: its files, its labels, and whether they lie on dark spots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from microbleeds.annotations.convert import placed_grid
from microbleeds.annotations.darkness import contrasts, offsets_mm, other_readings
from microbleeds.annotations.labelled_scan import LabelledScan
from microbleeds.geometry import Grid, canonical
from microbleeds.scan import Volume

Severity = Literal["error", "warning", "note"]
# True places have 4.4 and more on simulated scans, two thirds of random places less than this.
DARK_CONTRAST = 2.0
# Lobar bleeds touch the brain's edge, and masks are good to some millimetres.
OUTSIDE_MM = 3.0
SAME_PLACE_MM = 1.0
LARGEST_BLEED_MM = 10.0  # by definition (Greenberg et al., Lancet Neurol 2009;8:165)
FINEST_MM, THICKEST_MM = 0.2, 4.0
NARROWEST_VIEW_MM, WIDEST_VIEW_MM = 130.0, 330.0


@dataclass(frozen=True)
class Remark:
    """A sentence about a scan or a data set.

    Args:
        severity: ``error`` when the labels can't be used as they are, ``warning`` when somebody should look,
            ``note`` for what is fine but worth knowing.
        topic: short name for programs.
        sentence: for people.
    """

    severity: Severity
    topic: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """How the labels of a scan lie on its image; what :func:`microbleeds.annotations.together` judges.

    Args:
        name: of the scan.
        form: of its labels.
        axis_codes: of its file, for instance ``RAS``.
        inside: [N] whether each label lies within :data:`OUTSIDE_MM` of the brain.
        contrasts: [N] darkness as the labels were read.
        others: key of another reading to [N] darkness as that reading would have it.
        offsets_voxel: [N, 3] from each label to the middle of the darkness around it, in voxels of the file.
    """

    name: str
    form: str
    axis_codes: str
    inside: NDArray[np.bool_]
    contrasts: NDArray[np.float64]
    others: dict[str, NDArray[np.float64]]
    offsets_voxel: NDArray[np.float64]


def check_files(scan: LabelledScan) -> list[Remark]:
    """Judge what the headers of a scan's images say, without reading their voxels.

    Raises:
        InputError: if an image can't be opened, or its affine places nothing.
    """
    grid = placed_grid(scan.image)
    remarks = [Remark("warning", "assumed", sentence) for sentence in scan.warnings]
    for role, path in (("magnitude", scan.magnitude), ("phase", scan.phase)):
        if path is not None and path != scan.image:
            remarks += _grid_remarks(role, placed_grid(path), grid)
    if scan.phase is None:
        remarks.append(
            Remark("note", "no-phase", "There is no phase image; calcifications can't be told by their sign.")
        )
    if scan.swi is None:
        remarks.append(
            Remark("note", "no-swi", "There is no SWI; it is made from magnitude and phase where both are there.")
        )
    return remarks + _size_remarks(grid)


def check(
    scan: LabelledScan, swi: Volume, brain: NDArray[np.bool_], grid: Grid, source_grid: Grid
) -> tuple[list[Remark], Evidence]:
    """Judge the labels of a scan on its image.

    Args:
        scan: labels.
        swi: [X, Y, Z] the image on which the labels should be dark.
        brain: [X, Y, Z] mask of the brain, or of what has signal.
        grid: of both.
        source_grid: grid of the scan's file, on whose axes mirrored and swapped readings are tried.

    Returns:
        Remarks, and the evidence for :func:`microbleeds.annotations.together.check_together`.
    """
    evidence = evidence_of(scan, swi, brain, grid, source_grid)
    positions = scan.positions_ras_mm
    if not len(positions):
        return [Remark("note", "negative", "It is labelled as having no microbleed.")], evidence
    in_image = source_grid.contains(positions)
    remarks = []
    if not in_image.all():
        remarks.append(_remark("error", "outside-image", "lie outside the image", ~in_image, positions))
    outside = in_image & ~evidence.inside
    if outside.any():
        remarks.append(_remark("warning", "outside-brain", "lie outside the brain", outside, positions))
    pale = evidence.inside & (evidence.contrasts < DARK_CONTRAST)
    if pale.any():
        words = "are no darker than their surroundings"
        remarks.append(_remark("warning", "not-dark", words, pale, positions))
    return remarks + _double_remarks(positions) + _diameter_remarks(scan), evidence


def evidence_of(
    scan: LabelledScan, swi: Volume, brain: NDArray[np.bool_], grid: Grid, source_grid: Grid
) -> Evidence:
    """Measure darkness at the labels under every reading; arguments as of :func:`check`."""
    positions = scan.positions_ras_mm
    to_voxels = np.linalg.inv(source_grid.affine[:3, :3])
    return Evidence(
        name=scan.name,
        form=scan.form,
        axis_codes=source_grid.axis_codes,
        inside=_near(brain, grid, positions),
        contrasts=contrasts(swi, brain, grid, positions),
        others={
            reading.key: contrasts(swi, brain, grid, reading.applied(positions, source_grid))
            for reading in other_readings()
        },
        offsets_voxel=offsets_mm(swi, brain, grid, positions) @ to_voxels.T,
    )


def _near(brain: NDArray[np.bool_], grid: Grid, positions: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each position lies within :data:`OUTSIDE_MM` of the brain."""
    found = np.zeros(len(positions), dtype=bool)
    reach = np.ceil(OUTSIDE_MM / grid.spacing_mm).astype(int)
    for n, place in enumerate(grid.to_ijk(positions)):
        voxel = np.rint(place).astype(int)
        low, high = np.maximum(voxel - reach, 0), np.minimum(voxel + reach + 1, grid.shape)
        if (high <= low).any():
            continue
        inside = np.argwhere(brain[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]) + low
        apart = (inside - place) * grid.spacing_mm
        # Half a voxel more, since a voxel's centre stands for the whole of it.
        found[n] = bool((np.abs(apart) <= OUTSIDE_MM + grid.spacing_mm / 2).all(axis=1).any())
    return found


def _remark(
    severity: Severity, topic: str, words: str, chosen: NDArray[np.bool_], positions: NDArray[np.float64]
) -> Remark:
    """Say which labels are meant, by number (from 1) and place."""
    numbers = np.flatnonzero(chosen)
    places = "; ".join(f"{n + 1} at {_place(positions[n])}" for n in numbers[:3])
    more = f"; and {len(numbers) - 3} more" if len(numbers) > 3 else ""
    return Remark(severity, topic, f"{len(numbers)} of {len(chosen)} labels {words} (label {places}{more}).")


def _place(position: NDArray[np.float64]) -> str:
    return ", ".join(f"{value:.1f}" for value in position) + " mm"


def _grid_remarks(role: str, grid: Grid, main: Grid) -> list[Remark]:
    """Compare the world's voxels; the order in which files store them is free."""
    one, other = (canonical(np.broadcast_to(np.int8(0), g.shape), g)[1] for g in (grid, main))
    if one.same_as(other):
        return []
    sizes = (
        f"{' x '.join(map(str, g.shape))} voxels of {' x '.join(f'{s:.3g}' for s in g.spacing_mm)} mm"
        for g in (grid, main)
    )
    first, second = sizes
    sentence = f"The {role} ({first}) lies on another grid than the image with the labels ({second})."
    return [Remark("error", "grid-mismatch", sentence)]


def _size_remarks(grid: Grid) -> list[Remark]:
    """Doubt voxel sizes that no scanner uses for SWI, and fields of view that no head has."""
    spacing, view = np.sort(grid.spacing_mm), grid.spacing_mm * grid.shape
    text = " x ".join(f"{s:.3g}" for s in grid.spacing_mm)
    remarks = []
    if spacing[0] < FINEST_MM or spacing[2] > THICKEST_MM:
        remarks.append(
            Remark("warning", "voxel-size", f"Voxels of {text} mm are unusual for SWI; check the header.")
        )
    plane = np.delete(view, grid.slice_axis)
    if plane.min() < NARROWEST_VIEW_MM or plane.max() > WIDEST_VIEW_MM:
        size = " x ".join(f"{v:.0f}" for v in plane)
        remarks.append(
            Remark(
                "warning",
                "field-of-view",
                f"Slices of {size} mm don't fit a head; check the voxel size ({text} mm).",
            )
        )
    return remarks


def _double_remarks(positions: NDArray[np.float64]) -> list[Remark]:
    if len(positions) < 2:
        return []
    apart = squareform(pdist(positions)) + np.diag(np.full(len(positions), np.inf))
    double = (apart < SAME_PLACE_MM).any(axis=1)
    return [_remark("warning", "double", "lie on one another", double, positions)] if double.any() else []


def _diameter_remarks(scan: LabelledScan) -> list[Remark]:
    large = np.nan_to_num(scan.diameters_mm) > LARGEST_BLEED_MM
    if not large.any():
        return []
    words = f"are more than {LARGEST_BLEED_MM:g} mm across, up to {np.nanmax(scan.diameters_mm):.0f} mm,"
    return [_remark("warning", "large", f"{words} too large for a microbleed", large, scan.positions_ras_mm)]


def severest(remarks: Sequence[Remark]) -> Severity | None:
    """Return the worst severity among remarks."""
    found = {remark.severity for remark in remarks}
    return next((severity for severity in ("error", "warning", "note") if severity in found), None)
