"""Fine regions of a labelled head, by geometry in MNI152 mm and distances to labelled structures.

Nuclei, brainstem, cerebellum and ventricles come from the tissue labels. The white matter between them is cut into
corpus callosum and capsules by where it lies; what is left, and the cortex, goes to a lobe by planes in MNI152
(:func:`lobe_of`), which were placed by hand along the central sulcus, the Sylvian fissure and the
parieto-occipital line. A boundary drawn like this is right within about 5 mm in an average head. The
periventricular rim is drawn later, in each head as it was bent (:mod:`microbleeds.simulate.periventricular`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.geometry import Grid
from microbleeds.regions import CSF, LOBES, OUTSIDE, VENTRICLE, code_of
from microbleeds.tissues import VENTRICLES, Tissue, among

_INSULA_REACH_MM = 15.0  # the insular cortex lies within this of the putamen, the opercula do not

_LENTIFORM = (Tissue.PUTAMEN_LEFT, Tissue.PUTAMEN_RIGHT, Tissue.PALLIDUM_LEFT, Tissue.PALLIDUM_RIGHT)
_MEDIAL = (
    Tissue.CAUDATE_LEFT, Tissue.CAUDATE_RIGHT, Tissue.THALAMUS_LEFT, Tissue.THALAMUS_RIGHT,
    Tissue.VENTRAL_DC_LEFT, Tissue.VENTRAL_DC_RIGHT, Tissue.ACCUMBENS_LEFT, Tissue.ACCUMBENS_RIGHT,
)  # fmt: skip
_REGION_OF_PAIR = {
    Tissue.CAUDATE_LEFT: "caudate",
    Tissue.ACCUMBENS_LEFT: "caudate",
    Tissue.PUTAMEN_LEFT: "lentiform",
    Tissue.PALLIDUM_LEFT: "lentiform",
    Tissue.THALAMUS_LEFT: "thalamus",
    Tissue.VENTRAL_DC_LEFT: "thalamus",
    Tissue.HIPPOCAMPUS_LEFT: "hippocampus",
    Tissue.AMYGDALA_LEFT: "hippocampus",
    Tissue.CEREBELLAR_CORTEX_LEFT: "cerebellum",
    Tissue.CEREBELLAR_WHITE_LEFT: "cerebellum",
    Tissue.DENTATE_LEFT: "cerebellum",
    Tissue.RED_NUCLEUS_LEFT: "brainstem",
    Tissue.SUBSTANTIA_NIGRA_LEFT: "brainstem",
}


def regions_from_labels(
    labels: NDArray[np.uint8], grid: Grid, mni_from_ras: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Return the fine regions of a head without its rim, uint8 [X, Y, Z], codes of :mod:`microbleeds.regions`.

    Args:
        labels: uint8 [X, Y, Z] codes of :class:`microbleeds.tissues.Tissue`.
        grid: grid of ``labels``, about 1 mm isotropic.
        mni_from_ras: [4, 4] affine from this head's RAS mm to MNI152 mm; a few mm of error are fine.
    """
    regions = _from_tissue()[labels]
    stem = np.argwhere(labels == Tissue.BRAINSTEM)
    regions[tuple(stem.T)] = code_of("brainstem", "left") + (_to_mni(stem, grid, mni_from_ras)[:, 0] >= 0)
    cerebrum = among(labels, Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT, Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT)
    if not cerebrum.any():
        return regions
    box = ndimage.find_objects(cerebrum.astype(np.uint8))[0]
    start, stop = [s.start for s in box], [s.stop for s in box]
    regions[box] = np.where(
        cerebrum[box], _cerebrum(labels[box], grid.cropped(start, stop), mni_from_ras), regions[box]
    )
    return regions


def lobe_of(points_mni_mm: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the lobe of points [N, 3] of the cerebrum in MNI152 mm, [N] indices into ``regions.LOBES``.

    The insula isn't among the answers: it is told by its distance to the putamen.
    """
    x, y, z = np.abs(points_mni_mm[:, 0]), points_mni_mm[:, 1], points_mni_mm[:, 2]
    frontal, parietal, temporal, occipital = (LOBES.index(n) for n in LOBES[:4])
    lobe = np.where(y > _central_sulcus_y(x, z), frontal, parietal)
    lobe = np.where(_is_temporal(x, y, z), temporal, lobe)
    return np.where(_is_occipital(x, y, z), occipital, lobe)


def _central_sulcus_y(x: NDArray[np.floating], z: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return y of the central sulcus: -32 mm at the vertex, -3 mm above the Sylvian fissure."""
    return np.interp(z, (10, 30, 50, 72), (-2.0, -10.0, -22.0, -33.0)) - np.where(x < 15, 4.0, 0.0)


def _is_temporal(x: NDArray[np.floating], y: NDArray[np.floating], z: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether a point lies below the Sylvian line; near the midline that is the parahippocampal gyrus."""
    roof = np.interp(y, (-60, -40, -20, 0, 10, 22), (20.0, 18.0, 10.0, -1.0, -10.0, -22.0))
    roof = np.where(x < 28, np.minimum(roof, -3.0), roof)
    front = np.interp(x, (20, 32), (11.0, 24.0))
    return (z < roof) & (y < front) & (x > 12)


def _is_occipital(x: NDArray[np.floating], y: NDArray[np.floating], z: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether a point lies behind the parieto-occipital line (medial) or the preoccipital notch (lateral)."""
    medial = np.interp(z, (-20, -5, 5, 15, 28, 50), (-62.0, -54.0, -58.0, -67.0, -74.0, -86.0))
    lateral = np.interp(z, (-20, 0, 20, 40), (-72.0, -69.0, -74.0, -84.0))
    share = np.clip((x - 22) / 12, 0, 1)
    return y < medial * (1 - share) + lateral * share


def _from_tissue() -> NDArray[np.uint8]:
    """Return the table [256] from a tissue to its region where the tissue alone tells it."""
    table = np.full(256, OUTSIDE, dtype=np.uint8)
    table[Tissue.CSF] = CSF
    table[[int(t) for t in VENTRICLES]] = VENTRICLE
    for tissue, name in _REGION_OF_PAIR.items():
        table[tissue], table[tissue + 1] = code_of(name, "left"), code_of(name, "right")
    return table


def _to_mni(ijk: NDArray[np.integer], grid: Grid, mni_from_ras: NDArray[np.float64]) -> NDArray[np.float32]:
    """Map voxels [N, 3] to MNI152 mm, float32 [N, 3]."""
    matrix = (mni_from_ras @ grid.affine).astype(np.float32)
    return ijk.astype(np.float32) @ matrix[:3, :3].T + matrix[:3, 3]


def _cerebrum(labels: NDArray[np.uint8], grid: Grid, mni_from_ras: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the regions of cortex and white matter in a box around the cerebrum; elsewhere 0."""
    cortex = among(labels, Tissue.CORTEX_LEFT, Tissue.CORTEX_RIGHT)
    white = among(labels, Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT)
    ijk = np.argwhere(cortex | white)
    at = tuple(ijk.T)
    points = _to_mni(ijk, grid, mni_from_ras)
    is_white = white[at]
    right = among(labels, Tissue.CORTEX_RIGHT, Tissue.WHITE_RIGHT)[at]
    to_putamen = _distance_mm(among(labels, Tissue.PUTAMEN_LEFT, Tissue.PUTAMEN_RIGHT))[at]
    lobes = lobe_of(points)
    insula = _is_insula(points, to_putamen)
    lobes[insula] = LOBES.index("insula")
    table = np.array([[code_of(f"{lobe}_{t}", "left") for t in ("cortex", "white")] for lobe in LOBES])
    codes = table[lobes, is_white.astype(int)]
    for name, where in _deep_white(labels, white, points, at, to_putamen):
        codes[where & is_white] = code_of(name, "left")
    result = np.zeros(labels.shape, dtype=np.uint8)
    result[at] = codes + right
    return result


def _is_insula(points: NDArray[np.floating], to_putamen_mm: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether cortex or white matter [N] is insular: lateral to the putamen and near to it."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    inside = (x > 27 - 0.2 * y) & (x < 45) & (y > -26) & (y < 27) & (z > -16) & (z < 19)
    return inside & (to_putamen_mm < _INSULA_REACH_MM)


def _deep_white(
    labels: NDArray[np.uint8],
    white: NDArray[np.bool_],
    points: NDArray[np.floating],
    at: tuple[NDArray[np.integer], ...],
    to_putamen_mm: NDArray[np.floating],
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return (region, where [N]) of the deep white matter; a later one overrides an earlier one."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    to_lentiform = _distance_mm(among(labels, *_LENTIFORM))[at]
    to_medial = _distance_mm(among(labels, *_MEDIAL))[at]
    # The middle of the putamen: its front lies nearer to the midline.
    middle = 25.5 - 0.3 * (y - 2)
    external = (x > middle) & (to_putamen_mm < 5) & (z > -14) & (z < 20)
    internal = (x < middle + 3) & (to_lentiform + to_medial < 15) & (to_medial < 12) & (z < 22)
    return [
        ("external_capsule", external),
        ("internal_capsule", internal),
        ("corpus_callosum", _is_callosum(white, points, at)),
    ]


def _is_callosum(
    white: NDArray[np.bool_], points: NDArray[np.floating], at: tuple[NDArray[np.integer], ...]
) -> NDArray[np.bool_]:
    """Whether white matter [N] is callosal: its section at the midline, carried 12 mm to both sides.

    The section is where white matter goes through from x = -4 to 4 mm: elsewhere the fissure or the
    ventricles part the hemispheres. Fornix and commissures, which lie below, are left out.
    """
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    middle = (np.abs(x) < 4) & (y > -50) & (y < 42) & (z > -8) & (z < 38)
    middle &= ~((y < 5) & (y > -34) & (z < 14))
    bridge = np.zeros(white.shape[1:], dtype=np.int16)
    np.add.at(bridge, (at[1][middle], at[2][middle]), white[at][middle].astype(np.int16))
    section = ndimage.binary_dilation(bridge >= 6)
    return (np.abs(x) < 12) & section[at[1], at[2]]


def _distance_mm(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance to a mask [X, Y, Z] of 1 mm voxels, measured on every second voxel for speed."""
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    # A coarse voxel holds this voxel and the next one along each axis; by default the filter looks back.
    coarse = ndimage.maximum_filter(mask, 2, origin=-1)[::2, ::2, ::2]
    distance = ndimage.distance_transform_edt(~coarse).astype(np.float32) * 2
    distance = distance.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    return distance[: mask.shape[0], : mask.shape[1], : mask.shape[2]]
