"""Rigid registration of two scans of one head, with an estimate of its error and a verdict.

Mattes mutual information within the brain mask, coarse to fine (SimpleITK), on both scans brought to 2 mm and
freed of their coil profile. It runs twice, baseline to follow-up and back, from two different starts (position in
MNI152; centres of the brains) and on two halves of the brain that share no voxel (blocks like a checkerboard's).
How far apart both results take the brain's points is the error that is reported, and their mean is the result.
What both share, such as a head that moved during the scan, is not in that error.

Agreement alone doesn't tell one head from another: two heads can be laid over each other consistently. So the fine
structure of both scans (sulci, ventricles, nuclei) is compared as well; that of two heads is unrelated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.followup.rigid import applied, distances_mm, flipped, halfway, inverse, nearest_rigid
from microbleeds.geometry import Grid
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation

SPACING_MM = 2.0
SHRINK, SMOOTHING_MM = (4, 2, 1), (4.0, 2.0, 0.0)
ITERATIONS = 100
BINS = 32
BLOCK_MM = 24.0
COIL_MM = 15.0
AGREEMENT_MM = 1.0  # beyond it more starts are tried
LARGEST_ERROR_MM = 4.0  # beyond it nothing is matched: bleeds lie so near to each other
LEAST_COMMON_SHARE = 0.6
LEAST_LIKENESS = 0.3
STRUCTURE_MM = (1.5, 6.0)  # fine structure: between these two smoothing lengths


@dataclass(frozen=True, eq=False)
class HeadView:
    """What a registration sees of a scan.

    Args:
        image: float32 [X, Y, Z].
        brain: bool [X, Y, Z].
        grid: of both.
        mni_from_ras: [4, 4] approximate position, ``None`` where it isn't known.
    """

    image: NDArray[np.float32]
    brain: NDArray[np.bool_]
    grid: Grid
    mni_from_ras: NDArray[np.float64] | None

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """Middle of the brain in RAS mm, [3]."""
        return self.grid.to_mm(np.asarray(ndimage.center_of_mass(self.brain)))


@dataclass(frozen=True, eq=False)
class Registration:
    """Where the follow-up's head lies relative to the baseline's.

    Args:
        followup_from_baseline: [4, 4] rigid map in RAS mm.
        error_mm: 95th percentile, over the brain, of the distance between two independent results.
        common_share: share of the brain in the common field of view that both masks hold.
        likeness: how far the fine structure of one scan tells that of the other, 0 to 1 (root of the correlation
            ratio, Roche et al. 1998).
        failure: why it can't be used, or ``None``.
    """

    followup_from_baseline: NDArray[np.float64]
    error_mm: float
    common_share: float
    likeness: float
    failure: str | None


def views_of(
    baseline: tuple[Scan, Segmentation], followup: tuple[Scan, Segmentation]
) -> tuple[HeadView, HeadView]:
    """Return what is registered: magnitudes where both scans have one, since SWI masks depend on the scanner."""
    scans = (baseline, followup)
    both = all(scan.magnitude is not None for scan, _ in scans)
    views = []
    for scan, anatomy in scans:
        image = scan.magnitude if both and scan.magnitude is not None else scan.swi
        views.append(HeadView(image, anatomy.brain, scan.grid, anatomy.mni_from_ras))
    return views[0], views[1]


def register(baseline: HeadView, followup: HeadView) -> Registration:
    """Find the rigid map from the baseline's world to the follow-up's; see the module's description."""
    fixed, moving = coarse(baseline), coarse(followup)
    points_mm = _brain_points(fixed)
    there, back = _agreed(fixed, moving, points_mm)
    result = halfway(there, back, fixed.centre_mm)
    error_mm = _apart_mm(there, back, points_mm)
    share, likeness = _overlay(fixed, moving, result, followup.grid)
    return Registration(result, error_mm, share, likeness, _failure(error_mm, share, likeness))


def coarse(view: HeadView) -> HeadView:
    """Return a view at :data:`SPACING_MM`, cut to the brain's box with a margin of 10 mm."""
    inside = np.argwhere(view.brain)
    margin = np.ceil(10.0 / view.grid.spacing_mm).astype(int)
    start = np.maximum(inside.min(0) - margin, 0)
    stop = np.minimum(inside.max(0) + 1 + margin, view.grid.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    grid = view.grid.cropped(start, stop)
    target = grid.with_spacing((SPACING_MM,) * 3)
    ratio = SPACING_MM / grid.spacing_mm
    # A voxel of 0.5 mm is averaged over 2 mm; a slice of 2 mm or more stays as it is.
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0)) / 2.355
    image = ndimage.gaussian_filter(view.image[box].astype(np.float32), sigma)
    offset = (ratio - 1) / 2
    arrays = [
        ndimage.affine_transform(
            volume, np.diag(ratio), offset, output_shape=target.shape, order=1, mode="nearest"
        )
        for volume in (image, view.brain[box].astype(np.float32))
    ]
    brain = arrays[1] > 0.5
    return HeadView(_flattened(arrays[0], brain), brain, target, view.mni_from_ras)


def _flattened(image: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return an image whose coil profile is gone: in the brain each voxel over the mean around it, three times.

    Once leaves a slope at the brain's edge, where the mean is one-sided. Without it a threefold slope over the
    head sent the alignment of two made-up visits 13 mm astray, with it 0.4 mm.
    """
    flat = image
    for _ in range(3):
        level = _smoothed(flat, brain, COIL_MM / SPACING_MM)
        typical = max(float(np.median(level[brain])), 1e-6)
        flat = np.where(brain, flat / np.maximum(level, 1e-3 * typical), flat / typical)
    return np.clip(flat, 0, np.percentile(flat[brain], 99.5)).astype(np.float32)


def _agreed(
    fixed: HeadView, moving: HeadView, points_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two maps from fixed to moving, of which the second was found the other way round.

    While the two disagree each starts again where the other ended, then from the other starts; the best metric of
    each way wins.
    """
    starts = _starts(fixed, moving)
    part = _blocks(fixed)
    there = _optimised(fixed, moving, starts[0], part)
    back = _backwards(fixed, moving, starts[1])
    for start in (None, *starts[1:], starts[0]):
        if _apart_mm(there[0], back[0], points_mm) <= AGREEMENT_MM:
            break
        one, two = (back[0], there[0]) if start is None else (start, start)
        there = min(there, _optimised(fixed, moving, one, part), key=lambda found: found[1])
        back = min(back, _backwards(fixed, moving, two), key=lambda found: found[1])
    return there[0], back[0]


def _apart_mm(one: NDArray[np.float64], other: NDArray[np.float64], points_mm: NDArray[np.float64]) -> float:
    """Return the 95th percentile of the distance between two maps."""
    return float(np.percentile(distances_mm(one, other, points_mm), 95))


def _backwards(fixed: HeadView, moving: HeadView, start: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the map from fixed to moving found by registering moving to fixed, and the metric."""
    found, worth = _optimised(moving, fixed, inverse(start), ~_blocks(moving))
    return inverse(found), worth


def _starts(fixed: HeadView, moving: HeadView) -> list[NDArray[np.float64]]:
    """Return rigid maps to start from: by the position in MNI152, by the centres, and the headers' own."""
    by_centres = np.eye(4)
    by_centres[:3, 3] = moving.centre_mm - fixed.centre_mm
    starts = [by_centres, np.eye(4)]
    if fixed.mni_from_ras is not None and moving.mni_from_ras is not None:
        affine = inverse(moving.mni_from_ras) @ fixed.mni_from_ras
        starts.insert(0, nearest_rigid(affine, fixed.centre_mm))
    return starts


def _blocks(view: HeadView) -> NDArray[np.bool_]:
    """Return every other block of :data:`BLOCK_MM`, bool [X, Y, Z]."""
    i, j, k = np.ogrid[tuple(slice(0, n) for n in view.grid.shape)]
    size = round(BLOCK_MM / SPACING_MM)
    return np.asarray((i // size + j // size + k // size) % 2 == 0)


def _optimised(
    fixed: HeadView, moving: HeadView, start: NDArray[np.float64], part: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Return the map from fixed to moving RAS mm found from a start, and the metric there (lower is better).

    Only the fixed brain's voxels in ``part`` [X, Y, Z] are looked at.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(_itk((fixed.brain & part).astype(np.uint8), fixed.grid))
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, ITERATIONS, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(SHRINK)
    method.SetSmoothingSigmasPerLevel(SMOOTHING_MM)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(_itk_rigid(start, fixed.centre_mm), inPlace=False)
    try:
        found = method.Execute(_itk(fixed.image, fixed.grid), _itk(moving.image, moving.grid))
    except RuntimeError:
        # ITK raises where the start leaves no overlap at all: the start stands, with the worst of metrics.
        return start, np.inf
    return _matrix(sitk.Euler3DTransform(found.GetNthTransform(0))), float(method.GetMetricValue())


def _itk(array: NDArray, grid: Grid) -> sitk.Image:
    """Return an ITK image of an array [X, Y, Z]."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
    image.SetSpacing(grid.spacing_mm.tolist())
    image.SetDirection((affine[:3, :3] / grid.spacing_mm).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def _itk_rigid(matrix: NDArray[np.float64], centre_mm: NDArray[np.float64]) -> sitk.Euler3DTransform:
    """Return a rigid map as ITK's, turning about a centre in RAS mm [3]."""
    lps = flipped(matrix)
    centre = centre_mm * (-1, -1, 1)
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(lps[:3, :3].ravel().tolist(), 1e-6)
    transform.SetTranslation((applied(lps, centre) - centre).tolist())
    return transform


def _matrix(transform: sitk.Euler3DTransform) -> NDArray[np.float64]:
    """Return ITK's rigid map as a [4, 4] matrix in RAS mm."""
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    lps[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return flipped(lps)


def _brain_points(view: HeadView) -> NDArray[np.float64]:
    """Return some thousand points of the brain in RAS mm, [N, 3]."""
    inside = np.argwhere(view.brain)
    return view.grid.to_mm(inside[:: max(1, len(inside) // 2000)])


def _overlay(fixed: HeadView, moving: HeadView, map_: NDArray[np.float64], view: Grid) -> tuple[float, float]:
    """Return the common share of both brains and the correlation of their fine structure.

    Args:
        fixed: coarse view of the baseline.
        moving: coarse view of the follow-up, cut to its brain.
        map_: from fixed to moving RAS mm.
        view: the follow-up's whole field of view; what lies outside of it says nothing.
    """
    step = inverse(moving.grid.affine) @ map_ @ fixed.grid.affine
    image, brain = (
        ndimage.affine_transform(
            volume, step[:3, :3], step[:3, 3], output_shape=fixed.grid.shape, order=1, mode="constant"
        )
        for volume in (moving.image, moving.brain.astype(np.float32))
    )
    voxels = np.moveaxis(np.indices(fixed.grid.shape), 0, -1)
    seen = view.contains(applied(map_, fixed.grid.to_mm(voxels)))
    other = (brain > 0.5) & seen
    either, both = (fixed.brain | other) & seen, fixed.brain & other
    share = float(both.sum() / max(1, either.sum()))
    if both.sum() < 1000:
        return share, 0.0
    one, two = (_structure(volume, both) for volume in (fixed.image, image))
    return share, max(_correlation_ratio(one, two), _correlation_ratio(two, one))


def _correlation_ratio(cause: NDArray[np.float64], effect: NDArray[np.float64]) -> float:
    """Return how far ``cause`` [N] tells ``effect`` [N], 0 to 1, by whatever function.

    Fluid is dark on SWI and bright on a 2D gradient echo of long repetition time: two aligned scans of one head
    had a correlation of -0.4, and a ratio of 0.56.
    """
    edges = np.quantile(cause, np.linspace(0, 1, BINS + 1)[1:-1])
    bins = np.digitize(cause, edges)
    number = np.maximum(np.bincount(bins, minlength=BINS), 1)
    mean = np.bincount(bins, effect, minlength=BINS) / number
    return float(mean[bins].std() / max(float(effect.std()), 1e-12))


def _structure(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the fine structure in a mask [N]; smoothing counts the mask's voxels only, so its edge adds none."""
    fine, wide = (_smoothed(image, mask, sigma / SPACING_MM) for sigma in STRUCTURE_MM)
    values = ((fine - wide) / np.maximum(wide, 1e-6))[mask]
    low, high = np.percentile(values, [1, 99])
    return np.clip(values, low, high)


def _smoothed(image: NDArray[np.float32], mask: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    """Return the mean of a mask's voxels under a Gaussian of ``sigma`` voxels."""
    weight = mask.astype(np.float64)
    total = ndimage.gaussian_filter(image * weight, sigma)
    return total / np.maximum(ndimage.gaussian_filter(weight, sigma), 1e-6)


def _failure(error_mm: float, share: float, likeness: float) -> str | None:
    """Return a sentence on why a registration can't be used."""
    if error_mm > LARGEST_ERROR_MM:
        return f"The scans could not be aligned: two independent results lie {error_mm:.0f} mm apart."
    if share < LEAST_COMMON_SHARE:
        return f"The scans could not be aligned: only {share:.0%} of the brain coincides."
    if likeness < LEAST_LIKENESS:
        return (
            f"The scans could not be aligned: their fine structure is hardly alike ({likeness:.2f} of 1), "
            "as in scans of two people."
        )
    return None
