"""The brain of the default anatomy: nilearn's MNI152 T1, grey and white matter, cut into structures.

The template is symmetric, so every rule is written for the right side in MNI152 mm and used on both (x means
|x|). Shapes were placed by hand on the template; within them the tissue maps and the T1 value decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.geometry import Grid, canonical, grid_of
from microbleeds.tissues import Tissue

Field = NDArray[np.floating]
Mask = NDArray[np.bool_]

_FLUID_T1 = 0.55  # of the template's maximum: CSF is below, cortex at 0.6 to 0.7, white matter at 0.8 to 0.9


@dataclass(frozen=True, eq=False)
class Template:
    """The MNI152 template on a canonical 1 mm grid.

    Args:
        t1: [X, Y, Z] T1-weighted intensity, 0..1, 0 outside the brain.
        grey: [X, Y, Z] probability of grey matter.
        white: [X, Y, Z] probability of white matter.
        grid: their grid; world coordinates are MNI152 mm.
    """

    t1: NDArray[np.float32]
    grey: NDArray[np.float32]
    white: NDArray[np.float32]
    grid: Grid


def coordinates_mm(grid: Grid) -> tuple[Field, Field, Field]:
    """Return |x|, y and z in mm of a 1 mm RAS grid as arrays that broadcast to [X, Y, Z]."""
    i, j, k = (np.arange(n, dtype=np.float32) for n in grid.shape)
    first = grid.affine[:3, 3].astype(np.float32)
    return np.abs(i + first[0])[:, None, None], (j + first[1])[None, :, None], (k + first[2])[None, None]


def load_template() -> Template:
    """Read the template that nilearn carries (no download)."""
    images = [
        load(resolution=1)
        for load in (
            datasets.load_mni152_template,
            datasets.load_mni152_gm_template,
            datasets.load_mni152_wm_template,
        )
    ]
    grid = grid_of(images[0])
    t1, grey, white = (canonical(np.asarray(i.dataobj, dtype=np.float32), grid)[0] for i in images)
    return Template(t1 / t1.max(), grey, white, canonical(t1, grid)[1])


def brain_labels(template: Template) -> NDArray[np.uint8]:
    """Return the tissue labels of the template's brain and its enclosed CSF, uint8 [X, Y, Z]; 0 outside."""
    x, y, z = coordinates_mm(template.grid)
    inside = template.t1 > 0
    fluid = inside & (template.t1 < _FLUID_T1)
    solid = inside & ~fluid & ~_valleys(template.t1)
    stem = _brainstem(template, solid)
    cerebellum = _cerebellum(template, solid & ~stem)
    labels = np.zeros(template.grid.shape, dtype=np.uint8)
    labels[inside] = Tissue.CSF
    whiter = template.white > template.grey
    labels[solid] = np.where(whiter, Tissue.WHITE_LEFT, Tissue.CORTEX_LEFT)[solid]
    labels[cerebellum] = np.where(whiter, Tissue.CEREBELLAR_WHITE_LEFT, Tissue.CEREBELLAR_CORTEX_LEFT)[cerebellum]
    labels[stem] = Tissue.BRAINSTEM
    cerebrum = solid & ~stem & ~cerebellum
    for tissue, where in _ventricles(x, y, z):
        labels[fluid & where] = tissue
    _bury_grey(labels)
    # Grey left over around the pulvinar is thalamus, not cortex.
    core = (x < 22) & (y > -32) & (y < 2) & (z > -2) & (z < 19)
    labels[core & (labels == Tissue.CORTEX_LEFT)] = Tissue.THALAMUS_LEFT
    # The claustrum, a sheet of 1 to 2 mm between the capsules, counts as their white matter.
    claustrum = _ball(x, y, z, (25.2, 3, 2), (10.5, 22, 16), x_per_y=-0.33)
    labels[claustrum & (labels == Tissue.CORTEX_LEFT)] = Tissue.WHITE_LEFT
    for tissue, where in _nuclei(x, y, z):
        grey_enough = template.t1 < _WHITEST[tissue] if tissue in _WHITEST else True
        labels[cerebrum & where & grey_enough] = tissue
    return _with_sides(labels, template.grid)


def _valleys(t1: NDArray[np.float32]) -> Mask:
    """Return the narrow sulci: averaging over heads fills them to a dark line within the cortex.

    With these limits as much of the cortex lies within 1, 2 and 3 mm of fluid (28, 54 and 74 %) as in label
    maps of single heads (29, 58 and 82 %); by the threshold on T1 alone it is 20, 39 and 56 %.
    """
    curvature = ndimage.gaussian_laplace(np.where(t1 > 0, t1, _FLUID_T1), 1.2)
    return (curvature > 0.03) & (t1 < 0.66) & (t1 > 0)


def _with_sides(labels: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """Turn left codes into right ones where x > 0; the midline goes to the right."""
    paired = np.zeros(256, dtype=np.uint8)
    for tissue in Tissue:
        paired[tissue] = tissue.name.endswith("_LEFT")
    middle = round(-float(grid.affine[0, 3]))
    labels[middle:] += paired[labels[middle:]]
    return labels


def _brainstem(template: Template, solid: Mask) -> Mask:
    """Return midbrain, pons and medulla: a tube along the midline, open to CSF at its sides."""
    x, y, z = coordinates_mm(template.grid)
    heights = (-72, -60, -50, -40, -30, -20, -10, 4)
    back = np.interp(z, heights, (-53, -51, -47.5, -44, -41, -39.5, -40, -42))
    width = np.interp(z, (-72, -60, -50, -44, -34, -27, -22, -15, -5, 4), (8, 8, 11, 13, 15, 14, 14, 18, 13, 9))
    # Upper end: the plane from the mamillary bodies to the pineal.
    top = -16 + 0.5 * (-8 - y)
    # Where the middle peduncle enters the cerebellum the back wall slopes forwards with |x|.
    tube = solid & (x < width) & (y > back + 0.9 * np.maximum(0, x - 8)) & (y < -4) & (z < top)
    components, _ = ndimage.label(tube)
    i, j, k = np.rint(template.grid.to_ijk((0.0, -27.0, -30.0))).astype(int)
    return components == components[i, j, k]


def _cerebellum(template: Template, solid: Mask) -> Mask:
    """Return the cerebellum: a watershed on the dark gap below the tentorium, from an approximate surface."""
    # Only the back of the head below z = 15 mm can be cerebellum.
    box = np.s_[:, : int(-10 - template.grid.affine[1, 3]), : int(15 - template.grid.affine[2, 3])]
    x, y, z = (c[tuple(s if n > 1 else slice(None) for s, n in zip(box, c.shape, strict=True))]
               for c in coordinates_mm(template.grid))  # fmt: skip
    middle = np.where(y < -50, 2 + 0.6 * (y + 50), 2.0) - 0.75 * x
    roof = np.maximum(middle, -14.5 - 0.22 * np.maximum(0, x - 16))
    front = -27 - 0.5 * np.maximum(0, x - 20)
    above = np.maximum(z - roof, y - front)
    markers = np.where(above < -6, 1, np.where(above > 6, 2, 0)).astype(np.int8)
    height = np.rint((1 - template.t1[box]) * 255).astype(np.uint8)
    result = np.zeros(solid.shape, dtype=bool)
    result[box] = ndimage.watershed_ift(height, markers) == 1
    return result & solid


def _ventricles(x: Field, y: Field, z: Field) -> list[tuple[Tissue, Mask]]:
    """Return where fluid is ventricular; a later entry overrides an earlier one."""
    # Beside the midline the fluid above the callosum is sulcal: stay below its under side.
    ceiling = np.where(x < 7, np.interp(y, (-34, -20, -10, 0, 10, 20, 24), (18, 23, 25, 24, 19, 10, 0)), 33)
    horn = (x < 24) & (y > 2) & (y < 34) & (z > -4) & (z < ceiling)
    body = (x < 24) & (y <= 2) & (y > -34) & (z > np.where(x < 7, 13, 9)) & (z < ceiling)
    floor_x = np.interp(z, (-6, 0, 4, 8, 13, 16), (28, 26, 22, 18, 14, 8))
    trigone = (y <= -30) & (y > -62) & (x > floor_x) & (x < 38) & (z > -7) & (z < 30)
    temporal = (x > 30) & (x < 41) & (y < -4) & (y > -38) & (z < -5) & (z > -29)
    third = (x < 5) & (y < 4) & (y > -30) & (z > -12) & (z < np.interp(y, (-30, 4), (4, 12)))
    aqueduct = (x < 3) & (y < -24) & (y > -40) & (z < -2) & (z > -22)
    fourth = (x < 12) & (y < -36) & (y > -57) & (z < -19) & (z > -46)
    return [
        (Tissue.VENTRICLE_LEFT, horn | body | trigone | temporal),
        (Tissue.VENTRICLE_THIRD, third | aqueduct),
        (Tissue.VENTRICLE_FOURTH, fourth),
    ]


# T1 above which a voxel inside a nucleus's shape is white matter (capsules), from the template.
_WHITEST = {
    Tissue.CAUDATE_LEFT: 0.80,
    Tissue.PUTAMEN_LEFT: 0.82,
    Tissue.ACCUMBENS_LEFT: 0.80,
    Tissue.HIPPOCAMPUS_LEFT: 0.80,
    Tissue.AMYGDALA_LEFT: 0.80,
}


def _nuclei(x: Field, y: Field, z: Field) -> list[tuple[Tissue, Mask]]:
    """Return the shapes of the deep structures; a later entry overrides an earlier one."""
    return [
        (Tissue.VENTRAL_DC_LEFT, _ball(x, y, z, (11, -15, -9), (10, 11.5, 9))),
        (Tissue.AMYGDALA_LEFT, _ball(x, y, z, (23, -3.5, -20), (8, 7, 7.5))),
        (Tissue.HIPPOCAMPUS_LEFT, _hippocampus(x, y, z)),
        (Tissue.PUTAMEN_LEFT, _ball(x, y, z, (25.2, 3, 2), (7.2, 19, 14), x_per_y=-0.33)),
        (Tissue.PALLIDUM_LEFT, _ball(x, y, z, (19.5, -4, -1), (5.5, 11, 8), x_per_y=-0.45, x_per_z=0.35)),
        (Tissue.CAUDATE_LEFT, _caudate(x, y, z)),
        (Tissue.ACCUMBENS_LEFT, _ball(x, y, z, (9.5, 12, -8), (6, 7, 4.5))),
        (Tissue.THALAMUS_LEFT, _ball(x, y, z, (10.5, -17, 7), (9.5, 15, 12), x_per_y=-0.22)),
    ]


def _ball(
    x: Field,
    y: Field,
    z: Field,
    centre: tuple[float, float, float],
    axes: tuple[float, float, float],
    x_per_y: float = 0.0,
    x_per_z: float = 0.0,
) -> Mask:
    """Return an ellipsoid (mm) whose centre shifts in x with y and z."""
    dy, dz = y - centre[1], z - centre[2]
    dx = x - centre[0] - x_per_y * dy - x_per_z * dz
    return (dx / axes[0]) ** 2 + (dy / axes[1]) ** 2 + (dz / axes[2]) ** 2 < 1


def _hippocampus(x: Field, y: Field, z: Field) -> Mask:
    """Return a tapering tube from behind the amygdala, back and up to below the splenium."""
    stations = (-42.0, -36.0, -30.0, -22.0, -14.0, -9.0)
    middle_x = np.interp(y, stations, (19, 24, 28, 28, 26, 24))
    middle_z = np.interp(y, stations, (2, -3, -8, -14, -19, -20))
    radius = np.interp(y, stations, (3.0, 5.0, 5.5, 6.5, 7.5, 7.0))
    tube = ((x - middle_x) / 1.5) ** 2 + (z - middle_z) ** 2 < (radius * 0.85) ** 2
    return tube & (y > -42) & (y < -9)


def _caudate(x: Field, y: Field, z: Field) -> Mask:
    """Return the head beside the frontal horn and the body that arches over the thalamus."""
    head = _ball(x, y, z, (12.5, 13, 6), (8, 14, 15), x_per_y=0.1, x_per_z=0.2)
    middle_x = np.interp(y, (-24, -10, 6), (20, 17, 15))
    middle_z = np.interp(y, (-24, -10, 6), (20, 21, 17))
    body = (np.abs(x - middle_x) < 4) & (np.abs(z - middle_z) < 6) & (y <= 6) & (y > -24)
    return head | body


def _bury_grey(labels: NDArray[np.uint8]) -> None:
    """Make deep grey that no shape claims white matter, in place.

    Cortex lies within 5 mm of sulcal CSF or of the surface; the template's grey map is also bright along
    the ventricles, where the average of white matter and CSF looks grey.
    """
    outer = (labels[::2, ::2, ::2] == 0) | (labels[::2, ::2, ::2] == Tissue.CSF)
    from_surface = ndimage.distance_transform_edt(~outer).astype(np.float32) * 2
    buried = (from_surface > 6).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    buried = buried[: labels.shape[0], : labels.shape[1], : labels.shape[2]]
    ventricle = (labels >= Tissue.VENTRICLE_LEFT) & (labels <= Tissue.VENTRICLE_FOURTH)
    rim = ndimage.binary_dilation(ventricle, iterations=3)
    labels[(labels == Tissue.CORTEX_LEFT) & (rim | buried)] = Tissue.WHITE_LEFT
