"""From a scan to its brain mask, fine regions and position in MNI152.

The network of :mod:`microbleeds.networks.anatomy` sees the whole field of view at 1 x 1 x 2 mm; its
probabilities are interpolated to the scan's grid, so that borders are smooth there.

Conventions:
    * **brain** is parenchyma, ventricles and a rim of cerebrospinal fluid (3 mm in plane, a slice of 2 mm above
      and below), without holes. The rim keeps bleeds at the brain's surface inside the mask.
    * **regions** use the codes of :mod:`microbleeds.regions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.compute import Compute, choose
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import AnatomyNetwork, regions_by_whereabouts
from microbleeds.networks.anatomy_classes import AnatomyClass
from microbleeds.scan import Scan
from microbleeds.segmentation.look import Seen, look
from microbleeds.segmentation.on_scan import brain_of, filled, on_scan_grid
from microbleeds.segmentation.position import Position, fit_mni
from microbleeds.segmentation.rim import with_measured_rim
from microbleeds.segmentation.ventricle_contrast import hidden_ventricles
from microbleeds.segmentation.volumes import out_of_range, volumes_ml
from microbleeds.weights.anatomy_card import AnatomyCard
from microbleeds.weights.anatomy_store import load_anatomy

SMALL_VIEW_ML = 400.0  # a field of view below this may lie inside of the head, where no outline can be seen
LEAST_BRAIN_ML = 60.0  # of brain, to be sure of what is seen
LEAST_BRAIN_SHARE = 0.3  # of a small field of view's signal
LARGE_BRAIN_ML = 2100.0  # doubtful above this; the largest of healthy heads reach about 1900 ml
LARGEST_BRAIN_ML = 2600.0  # pure noise and constant images give 4000 ml
NO_HEAD_MISFIT_MM = 9.5  # a drawing of a chest gave 10, a head with its axes exchanged 16
VARIATION_VOXELS = (3, 3, 2)  # means over about 3 mm
LEAST_OUTSIDE = 0.05  # of a head's box that is outside of the brain; a view that brain fills has no air to show
LEAST_VARIATION = 0.03  # standard deviation over mean of these in the brain; scans of heads give 0.08 and more
LARGEST_MISFIT_MM = 7.0  # median distance of the affine fit; validation heads give 2.4 to 4.8, blobs 8 to 10
LARGEST_STRETCH = 1.5  # of one axis against another; validation heads reach 1.3, slices set too far apart 1.7
# Mean probability of the chosen class over the brain. 43 images of the validation heads give 0.70 to 0.78, 24 of
# any contrast painted from their label maps 0.66 to 0.76; white and smoothed noise and an ellipsoid 0.59 to 0.645.
LEAST_CERTAINTY = 0.65
DARKEST_SURROUNDINGS = 0.3  # of the brain's brightness: simulated heads give 0.01 to 0.02, noise 0.5 to 0.7
SURE_SHARE = 0.95  # of microbleeds in the right group, from which on no reader needs a reminder
STRAY_SHARE = 0.05  # parts of the brain below this share of the largest one are dropped


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What lies where in a scan; arrays lie on ``grid``, the scan's canonical grid.

    Args:
        grid: grid of the arrays.
        brain: bool [X, Y, Z], see the module's description.
        regions: uint8 [X, Y, Z], codes of :mod:`microbleeds.regions`.
        mni_from_ras: [4, 4] affine from the scan's RAS mm to MNI152 mm (approximate); ``None`` where too few
            regions lie in the view as a whole.
        located: false when the scan shows too little of the head to tell regions; they are empty then.
        confident: whether brain, regions and position look like those of a head.
        warnings: sentences for the reader.
        parenchyma_percent: uint8 [X, Y, Z], probability of parenchyma in %; ``None`` if ``regions`` are certain.
    """

    grid: Grid
    brain: NDArray[np.bool_]
    regions: NDArray[np.uint8]
    mni_from_ras: NDArray[np.float64] | None
    located: bool
    confident: bool
    warnings: tuple[str, ...] = ()
    parenchyma_percent: NDArray[np.uint8] | None = None


def segment(
    scan: Scan,
    network: AnatomyNetwork | None = None,
    compute: Compute | None = None,
    card: AnatomyCard | None = None,
) -> Segmentation:
    """Find the brain of a scan and its anatomy.

    Args:
        scan: the scan; its magnitude is used where there is one, since SWI masks darken parts of the brain.
        network: anatomy network; the shipped one if ``None``.
        compute: device and precision; measured if ``None``.
        card: of ``network``: volumes that heads have, and how often its groups are right.

    Raises:
        InputError: if the scan shows no brain.
    """
    if network is None:
        network, card = shipped_anatomy()
    volume = scan.swi if scan.magnitude is None else scan.magnitude
    volume = np.maximum(np.nan_to_num(volume, posinf=0, neginf=0), 0)
    seen = look(volume, scan.grid, network, compute or choose())
    seen = _cleaned(seen)
    classes = seen.likeliest
    # Position and doubts judge the network's own answer, the rim that it guessed included.
    coarse = regions_by_whereabouts()[classes, seen.whereabouts]
    position = fit_mni(coarse, seen.grid)
    odd = out_of_range(volumes_ml(coarse, seen.grid), {} if card is None else card.volume_ranges_ml)
    doubts = _doubts(seen, classes, position) + ([odd] if odd else [])
    if _shows_too_little(seen, classes, volume, scan.grid, bool(doubts)):
        return _by_signal(volume, scan.grid)
    _check_brain(seen, classes, position)
    whereabouts = with_measured_rim(seen.whereabouts, classes, seen.grid)
    found = on_scan_grid(seen, whereabouts, brain_of(classes), scan.grid)
    return Segmentation(
        scan.grid,
        found.brain,
        found.regions,
        None if position is None else position[0],
        located=True,
        confident=not doubts,
        warnings=(*doubts, *hidden_ventricles(seen.image, classes), *_known_error(card)),
        parenchyma_percent=found.parenchyma_percent,
    )


def anatomy_of(weights: Path | None) -> tuple[AnatomyNetwork, AnatomyCard]:
    """Return network and card of ``weights`` (.safetensors with a card beside them), the shipped ones if ``None``.

    Raises:
        InputError: if they can't be used.
    """
    return shipped_anatomy() if weights is None else load_anatomy(weights)


@cache
def shipped_anatomy() -> tuple[AnatomyNetwork, AnatomyCard]:
    """Return the network that comes with the package and its card, loaded once per process."""
    return load_anatomy()


def _known_error(card: AnatomyCard | None) -> list[str]:
    """Return a sentence on how often the network's groups are right, as far as its card says."""
    scores = {} if card is None else card.scores
    # A test's figure, where there is one, is of heads by which nothing was chosen.
    scans = "test" if "test_full_right_group_all" in scores else "validation"
    share = scores.get("test_full_right_group_all", scores.get("validation_right_group_all"))
    if share is None or share > SURE_SHARE:
        return []
    missed = scores.get("test_full_deep_called_lobar")
    deep = (
        ""
        if missed is None
        else f", and {missed:.0%} of the deep ones (mostly white matter near the ventricles) were called lobar"
    )
    return [
        f"Groups and regions can be wrong: on simulated {scans} scans {share:.0%} of the microbleeds "
        f"got the right group{deep}; check each."
    ]


def _cleaned(seen: Seen) -> Seen:
    """Call stray parts of the brain outside, and fill what is called outside within the head, in place.

    A hole in parenchyma alone, a large bleed say, becomes its likeliest tissue; one within the skull, a sinus say,
    may become fluid.
    """
    likeliest = seen.likeliest
    brain = likeliest >= AnatomyClass.VENTRICLE
    parts, count = ndimage.label(brain)
    if count == 0:
        return seen
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = (sizes >= STRAY_SHARE * sizes.max())[parts] & brain
    stray = brain & ~kept
    outside = (likeliest == AnatomyClass.OUTSIDE) & ~stray
    within = _holes_within(likeliest, kept & (likeliest >= AnatomyClass.CORTEX))
    holes = filled(kept | (likeliest == AnatomyClass.CSF)) & outside
    seen.classes[AnatomyClass.VENTRICLE :, stray] = 0  # in place: a copy of all probabilities may be a gigabyte
    seen.classes[AnatomyClass.OUTSIDE, holes] = 0
    seen.classes[: AnatomyClass.CORTEX, within] = 0
    seen.classes[:, within] /= np.maximum(seen.classes[:, within].sum(axis=0), np.finfo(np.float32).tiny)
    return seen


def _holes_within(likeliest: NDArray[np.uint8], parenchyma: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what parenchyma encloses and is mostly called outside, as large dark bleeds are, bool [X, Y, Z]."""
    parts, count = ndimage.label(filled(parenchyma) & ~parenchyma)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    dark = np.bincount(parts[likeliest == AnatomyClass.OUTSIDE], minlength=count + 1)
    chosen = dark > sizes / 2
    chosen[0] = False
    return chosen[parts]


def _doubts(seen: Seen, classes: NDArray[np.uint8], position: Position | None) -> list[str]:
    """Return sentences on what does not look like a head, none if all is well."""
    doubts = []
    brain = classes >= AnatomyClass.VENTRICLE
    volume_ml = _brain_ml(seen, classes)
    certainty = float(seen.classes[:, brain].max(axis=0).mean()) if brain.any() else 0.0
    if volume_ml < LEAST_BRAIN_ML or volume_ml > LARGE_BRAIN_ML:
        doubts.append(f"The brain mask holds {volume_ml:.0f} ml; check it before trusting the findings.")
    if certainty < LEAST_CERTAINTY:
        doubts.append(f"The anatomy is uncertain (mean probability {certainty:.2f}); check the regions.")
    if position is None:
        if np.prod(seen.view.shape) * seen.view.voxel_ml >= SMALL_VIEW_ML:
            doubts.append("Too few regions were found as a whole to tell the position in the head; check them.")
        return doubts
    mni_from_ras, misfit_mm = position
    if misfit_mm > LARGEST_MISFIT_MM:
        doubts.append(f"The position in the head is uncertain (misfit {misfit_mm:.0f} mm); check the lobes.")
    stretch = np.linalg.svd(mni_from_ras[:3, :3], compute_uv=False)
    if stretch.min() < 0.6 or stretch.max() > 1.7 or stretch.max() > LARGEST_STRETCH * stretch.min():
        doubts.append("The head's size or shape is unusual; check the voxel size and the regions.")
    return doubts


def _shows_too_little(seen: Seen, classes: NDArray[np.uint8], volume: NDArray, grid: Grid, doubtful: bool) -> bool:
    """Return whether the field of view is a small block of which too little is surely brain."""
    view_ml = volume.size * grid.voxel_ml
    if view_ml >= SMALL_VIEW_ML:
        return False
    signal_ml = float(_signal(volume).sum()) * grid.voxel_ml
    return doubtful or _brain_ml(seen, classes) < LEAST_BRAIN_SHARE * signal_ml


def _check_brain(seen: Seen, classes: NDArray[np.uint8], position: Position | None) -> None:
    """Refuse a large field of view in which nothing looks like a brain.

    Raises:
        InputError: if that is so.
    """
    advice = "give an SWI or T2*-weighted scan of the head, with the right voxel size in its header."
    brain_ml = _brain_ml(seen, classes)
    if brain_ml < LEAST_BRAIN_ML:
        raise InputError(f"No brain was found in the image ({brain_ml:.0f} ml look like one); {advice}")
    if brain_ml > LARGEST_BRAIN_ML or (position is not None and position[1] > NO_HEAD_MISFIT_MM):
        raise InputError(f"No brain was found in the image (nothing in it has a brain's size and shape); {advice}")
    brain = ndimage.binary_erosion(classes >= AnatomyClass.VENTRICLE, iterations=2)
    outside = seen.image[classes == AnatomyClass.OUTSIDE]
    # Noise would pass for structure in single voxels.
    inside = ndimage.uniform_filter(seen.image, VARIATION_VOXELS)[brain]
    around = len(outside) > LEAST_OUTSIDE * classes.size
    if len(inside) and around and np.percentile(outside, 10) > DARKEST_SURROUNDINGS * np.median(inside):
        raise InputError(
            f"No brain was found in the image (nothing dark surrounds it, as air does a head); {advice}"
        )
    if len(inside) and inside.std() < LEAST_VARIATION * inside.mean():
        raise InputError(f"No brain was found in the image (it is uniform, as a phantom is); {advice}")


def _brain_ml(seen: Seen, classes: NDArray[np.uint8]) -> float:
    """Return the volume of parenchyma and ventricles in ml."""
    return float((classes >= AnatomyClass.VENTRICLE).sum()) * seen.grid.voxel_ml


def _signal(volume: NDArray) -> NDArray[np.bool_]:
    """Return where the image is brighter than a quarter of its bright end, bool [X, Y, Z]."""
    return volume > 0.25 * np.percentile(volume, 95)


def _by_signal(volume: NDArray, grid: Grid) -> Segmentation:
    """Take for brain what has signal, closed over 4 mm, where anatomy can't be told.

    Raises:
        InputError: if the signal has no structure at all.
    """
    if float(volume.std()) < 1e-3 * float(abs(volume).mean()) or not volume.any():
        raise InputError("The image is constant and shows no brain; give an SWI or T2*-weighted scan of the head.")
    reach = np.maximum(1, np.round(4 / grid.spacing_mm)).astype(int)
    padded = np.pad(_signal(volume), [(r, r) for r in reach], mode="edge")
    closed = ndimage.binary_closing(padded, np.ones(2 * (reach // 2) + 1, dtype=bool))
    closed = ndimage.binary_fill_holes(closed[tuple(slice(r, -r) for r in reach)])
    parts, _ = ndimage.label(closed)
    largest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    nothing = np.zeros(grid.shape, dtype=np.uint8)
    warning = (
        "The scan shows too little of the head to find the brain's outline; "
        "everything with signal was searched, and the regions are unknown."
    )
    return Segmentation(grid, largest, nothing, None, False, False, (warning,))
