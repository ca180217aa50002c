"""A rough region well inside the head, from intensity alone.

It serves decisions that need many voxels of tissue (sign, raw or filtered), not measurements: the brain mask
proper comes later and is better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.scan import Volume

# Working voxel: veins disappear in it, the head does not.
_BLOCK_MM = 2.0
# Scalp and skull together are 10 to 15 mm thick.
DEPTH_MM = 15.0
# Where the darker class still has this share of the brighter one's mean there is no air: the image is a crop.
_NO_AIR_RATIO = 0.4
# A core with a smaller share of the head than this is too small: thin scans keep a shallower one.
_SMALLEST_SHARE = 0.25


def head_core(
    image: Volume, spacing_mm: Sequence[float] | NDArray[np.float64], *, depth_mm: float = DEPTH_MM
) -> NDArray[np.bool_]:
    """Mark voxels that lie at least ``depth_mm`` inside the head.

    Otsu's threshold on block means, the largest component, closed, then a distance from air. The border of
    the field of view doesn't count as air, and an image without any air (a crop) is taken whole.

    Args:
        image: [X, Y, Z] magnitude or SWI.
        spacing_mm: voxel size along each axis.
        depth_mm: distance from air; less where it would leave under a quarter of the head.

    Returns:
        [X, Y, Z] mask, never empty.
    """
    blocks = tuple(min(n, max(1, round(_BLOCK_MM / s))) for n, s in zip(image.shape, spacing_mm, strict=True))
    small = block_means(image, blocks)
    head = _head(small)
    if head.all():
        return np.ones(image.shape, dtype=bool)
    distance_mm = ndimage.distance_transform_edt(
        head, sampling=[b * s for b, s in zip(blocks, spacing_mm, strict=True)]
    )
    enough = np.quantile(distance_mm[head], 1 - _SMALLEST_SHARE)
    core = distance_mm >= min(depth_mm, float(enough))
    return _expanded(core, blocks, image.shape)


def otsu(values: NDArray[np.floating]) -> float:
    """Return the threshold that separates two classes best (Otsu, IEEE Trans Syst Man Cybern 1979;9:62).

    The extreme values of a thousand don't count, unless all others are equal; where all are, it is their value.
    """
    low, high = (float(v) for v in np.quantile(values, (0.001, 0.999)))
    if low == high:
        low, high = float(values.min()), float(values.max())
    if low == high:
        return low
    counts, edges = np.histogram(np.clip(values, low, high), bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(between[:-1]))])


def block_means(image: Volume, blocks: tuple[int, ...]) -> Volume:
    """Average over blocks of ``blocks`` voxels; the incomplete blocks at the far border are dropped."""
    shape = [n // b for n, b in zip(image.shape, blocks, strict=True)]
    for axis, (length, block) in enumerate(zip(shape, blocks, strict=True)):
        if block > 1:
            cut = np.take(image, range(length * block), axis=axis)
            split = (*cut.shape[:axis], length, block, *cut.shape[axis + 1 :])
            image = cut.reshape(split).mean(axis=axis + 1, dtype=np.float32)
    return image


def _head(small: Volume) -> NDArray[np.bool_]:
    """Return the largest bright component, with clefts closed; all true when there is no air."""
    threshold = otsu(small)
    bright = small > threshold
    if not bright.any() or small[~bright].mean() > _NO_AIR_RATIO * small[bright].mean():
        return np.ones(small.shape, dtype=bool)
    # Half of Otsu's threshold keeps grey, dim tissue of a coil's far side; air lies far below it. Closed before
    # it is labelled, so that a lost slice doesn't cut the head in two.
    padded = np.pad(small > 0.5 * threshold, 2, mode="edge")
    labels, _ = ndimage.label(ndimage.binary_closing(padded, iterations=2)[2:-2, 2:-2, 2:-2])
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == int(sizes.argmax())


def _expanded(small: NDArray[np.bool_], blocks: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Bring a mask of blocks back to voxels; dropped border voxels stay false."""
    for axis, block in enumerate(blocks):
        small = np.repeat(small, block, axis=axis)
    missing = [(0, n - m) for n, m in zip(shape, small.shape, strict=True)]
    return np.pad(small, missing)
