"""An image of any contrast drawn from tissue labels: domain randomisation in the manner of SynthSeg.

Most draws stay near what SWI, T2* and magnitude images show (:data:`SWI_LIKE`) or near T1-weighted images
(:data:`T1_LIKE`); the rest give every tissue any brightness. On top come what makes susceptibility images hard:
holes above the sinuses, dark veins, dark spots, iron-dark nuclei, receive-coil shading, thick slices, noise.

Images are float32 [X, Y, Z], about 0..1, on the grid of :mod:`microbleeds.training.anatomy.warp`.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool1d, interpolate, max_pool3d

from microbleeds.networks.anatomy import SPACING_MM
from microbleeds.regions import CSF, OUTSIDE, REGIONS, VENTRICLE
from microbleeds.tissues import Tissue
from microbleeds.training.anatomy.warp import smooth_noise, uniform

# Brightness relative to cerebral white matter, (low, high), wide enough for TE 5-45 ms at 1.5 T and 3 T,
# bright-CSF T2*-GRE and dark-CSF SWI, young and iron-rich nuclei.
SWI_LIKE: dict[str, tuple[float, float]] = {
    "AIR": (0.0, 0.03),
    "SINUS_AIR": (0.0, 0.1),
    "SCALP": (0.3, 1.8),
    "SKULL": (0.0, 0.6),
    "EYE": (0.3, 2.0),
    "CSF": (0.3, 1.8),
    "VENTRICLE": (0.3, 1.8),
    "CORTEX": (0.85, 1.4),
    "WHITE": (1.0, 1.0),
    "CAUDATE": (0.7, 1.3),
    "PUTAMEN": (0.55, 1.25),
    "PALLIDUM": (0.3, 1.0),
    "ACCUMBENS": (0.8, 1.3),
    "THALAMUS": (0.8, 1.15),
    "HIPPOCAMPUS": (0.85, 1.35),
    "AMYGDALA": (0.85, 1.35),
    "VENTRAL_DC": (0.7, 1.1),
    "BRAINSTEM": (0.75, 1.15),
    "CEREBELLAR_CORTEX": (0.8, 1.35),
    "CEREBELLAR_WHITE": (0.8, 1.1),
    "RED_NUCLEUS": (0.3, 0.9),
    "SUBSTANTIA_NIGRA": (0.3, 0.9),
    "DENTATE": (0.4, 1.0),
    "CHOROID_PLEXUS": (0.3, 1.5),
}


# As SWI_LIKE, for T1-weighted images: fluid dark, grey matter between it and white matter.
T1_LIKE: dict[str, tuple[float, float]] = {
    **SWI_LIKE,
    "CSF": (0.08, 0.4),
    "VENTRICLE": (0.08, 0.4),
    "CORTEX": (0.55, 0.85),
    "CAUDATE": (0.6, 0.88),
    "PUTAMEN": (0.65, 0.92),
    "PALLIDUM": (0.8, 1.02),
    "ACCUMBENS": (0.6, 0.88),
    "THALAMUS": (0.7, 0.95),
    "HIPPOCAMPUS": (0.55, 0.85),
    "AMYGDALA": (0.55, 0.85),
    "VENTRAL_DC": (0.75, 1.0),
    "BRAINSTEM": (0.8, 1.02),
    "CEREBELLAR_CORTEX": (0.55, 0.85),
    "CEREBELLAR_WHITE": (0.85, 1.02),
    "RED_NUCLEUS": (0.75, 1.0),
    "SUBSTANTIA_NIGRA": (0.75, 1.0),
    "DENTATE": (0.75, 1.0),
    "CHOROID_PLEXUS": (0.3, 0.8),
}
SWI_SHARE, T1_SHARE = 0.65, 0.2  # of the draws
# Factors by which the fluid of a simulated scan is recoloured: dark, or bright. In between it would vanish, since
# most scans show it at three quarters of the brain's brightness.
FLUID_FACTORS = ((0.6, 1.0), (1.5, 2.2))
_WHITE_TRACTS = ("corpus_callosum", "internal_capsule", "external_capsule")


def _stem(tissue: Tissue) -> str:
    """Return the name without side; all ventricles share one stem since they hold the same fluid."""
    name = tissue.name.removesuffix("_LEFT").removesuffix("_RIGHT")
    return "VENTRICLE" if name.startswith("VENTRICLE") else name


def draw_brightness(generator: Generator) -> Tensor:
    """Return the brightness [256] of each :class:`Tissue` code; left and right are alike."""
    kind = uniform(0, 1, generator)
    near = SWI_LIKE if kind < SWI_SHARE else T1_LIKE
    anything = kind >= SWI_SHARE + T1_SHARE
    levels: dict[str, float] = {}
    for stem, (low, high) in near.items():
        if not anything or stem == "AIR":
            levels[stem] = 0.6 * uniform(low, high, generator)
        else:
            levels[stem] = uniform(0, 1, generator)
    if uniform(0, 1, generator) < 0.7:  # CSF is one fluid, inside and outside of the brain
        levels["VENTRICLE"] = levels["CSF"]
    table = torch.zeros(256)
    for tissue in Tissue:
        table[tissue] = levels[_stem(tissue)]
    return table


def paint(codes: Tensor, generator: Generator) -> Tensor:
    """Return the mean brightness [X, Y, Z] of the sub-samples ``codes`` [S, X, Y, Z], with texture.

    Sub-samples make partial volume at the borders; the texture is stronger outside the skull, where fat, muscle
    and marrow share one label.
    """
    image = draw_brightness(generator)[codes.long()].mean(dim=0)
    shape = tuple(image.shape)
    fine = smooth_noise(shape, 3.0, generator)[0] * uniform(0, 0.08, generator)
    coarse = smooth_noise(shape, 12.0, generator)[0] * uniform(0, 0.08, generator)
    inside = codes[0] >= int(Tissue.CSF)
    strength = torch.where(inside, 1.0, uniform(1, 6, generator))
    return (image * (1 + strength * (fine + coarse))).clamp_min_(0)


def darken_veins(image: Tensor, codes: Tensor, generator: Generator) -> Tensor:
    """Darken thin random tubes inside the skull, as veins do on SWI, and spots anywhere, as bleeds do.

    Where two smooth noise fields both cross zero runs a line; its width follows from the threshold.
    """
    depth = uniform(0, 0.9, generator)
    shape = tuple(image.shape)
    one, two = smooth_noise(shape, uniform(5, 16, generator), generator, channels=2)
    tubes = torch.exp(-(one**2 + two**2) / uniform(0.005, 0.04, generator))
    inside = (codes[0] >= int(Tissue.CSF)).float()
    image = image * (1 - depth * inside * tubes)
    if uniform(0, 1, generator) < 0.3:
        spots = (torch.rand(shape, generator=generator) < 2e-5).float()
        spots = max_pool3d(spots[None], (3, 3, 1), stride=1, padding=(1, 1, 0))[0]  # of about 3 mm
        image = image * (1 - uniform(0.3, 0.95, generator) * spots)
    return image


def darken_near_air(image: Tensor, nearness: Tensor, generator: Generator) -> Tensor:
    """Take signal away near the sinuses and ear bones, where the field changes within a voxel.

    Args:
        image: [X, Y, Z].
        nearness: [X, Y, Z] blurred sinus air, 0..1.
        generator: source of the draws.
    """
    strength = uniform(0, 14, generator) if uniform(0, 1, generator) < 0.6 else 0.0
    rough = (1 + 0.6 * smooth_noise(tuple(image.shape), 18.0, generator)[0]).clamp_min(0)
    image = image * torch.exp(-strength * nearness * rough)
    if uniform(0, 1, generator) < 0.25:
        image = image * (1 - _blob(tuple(image.shape), generator))
    return image


def recolour(image: Tensor, regions: Tensor, generator: Generator) -> Tensor:
    """Change the contrast between tissues of a simulated scan, and keep its veins, holes and artefacts.

    Fluid is dark on most SWI and bright on many T2*-weighted images; few protocols of the simulator lie between.

    Args:
        image: [X, Y, Z].
        regions: uint8 [X, Y, Z] region codes; what is outside of the brain keeps its brightness.
        generator: source of the draws.
    """
    table = torch.zeros(256)
    low, high = FLUID_FACTORS[int(uniform(0, 1, generator) < 0.5)]
    table[CSF] = table[VENTRICLE] = math.log(uniform(low, high, generator))
    if uniform(0, 1, generator) < 0.2:
        table[VENTRICLE] = math.log(uniform(low, high, generator))
    drawn: dict[str, float] = {}
    for code, region in REGIONS.items():
        if code in (OUTSIDE, CSF, VENTRICLE):
            continue
        kind = "cortex" if region.name.endswith("_cortex") else region.name
        if "white" in kind or kind in _WHITE_TRACTS:
            continue
        if kind not in drawn:
            drawn[kind] = 0.12 * torch.randn((), generator=generator).item()
        table[code] = drawn[kind]
    factor = table[regions.long()]
    for axis in range(3):
        factor = _blur(factor, axis, 0.6)
    return image * torch.exp(factor)


def _blob(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return one soft random blob [X, Y, Z] in 0..1: a haemorrhage, a clip's hole, a cyst."""
    centre = [uniform(0.2, 0.8, generator) * n for n in shape]
    radius = [uniform(6, 30, generator) / spacing for spacing in SPACING_MM]
    axes = [((torch.arange(n) - c) / r) ** 2 for n, c, r in zip(shape, centre, radius, strict=True)]
    squared = axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]
    return torch.sigmoid((1 - squared) * 4) * uniform(0.4, 1, generator)


def shade(image: Tensor, generator: Generator) -> Tensor:
    """Multiply by a smooth coil sensitivity, up to a factor of about 3 from end to end, and draw a gamma."""
    shape = tuple(image.shape)
    field = smooth_noise(shape, 120.0, generator)[0] * uniform(0, 0.5, generator)
    return image.clamp_min(0) ** uniform(0.7, 1.4, generator) * torch.exp(field)


def thicken(image: Tensor, generator: Generator) -> Tensor:
    """Blur in all planes, two times in three along one axis (mostly z) to thick slices, and back to the grid."""
    for axis in range(3):
        image = _blur(image, axis, uniform(0, 0.6, generator))
    axis = 2 if uniform(0, 1, generator) < 0.8 else int(uniform(0, 2, generator))
    spacing_mm = SPACING_MM[axis]
    thickness_mm = uniform(0, 6, generator)
    if thickness_mm <= spacing_mm:
        return image
    along = image.movedim(axis, -1)
    length = along.shape[-1]
    slices = max(2, round(length * spacing_mm / thickness_mm))
    lines = along.reshape(1, -1, length)
    thick = interpolate(lines, size=slices, mode="area")
    mode = "linear" if uniform(0, 1, generator) < 0.7 else "nearest"
    back = interpolate(thick, size=length, mode=mode, **({"align_corners": False} if mode == "linear" else {}))
    return back.reshape(along.shape).movedim(-1, axis)


def _blur(image: Tensor, axis: int, sigma_voxels: float) -> Tensor:
    """Smooth along one axis by a three-point kernel of the given standard deviation (at most 0.8 voxels)."""
    side = min(sigma_voxels**2 / 2, 0.33)
    if side < 0.01:
        return image
    along = image.movedim(axis, -1)
    padded = torch.cat([along[..., :1], along, along[..., -1:]], dim=-1)
    mean = avg_pool1d(padded.reshape(1, -1, padded.shape[-1]), 3, stride=1).reshape(along.shape)
    return ((1 - 3 * side) * along + 3 * side * mean).movedim(-1, axis)


def add_noise(image: Tensor, generator: Generator) -> Tensor:
    """Return the magnitude of ``image`` with complex normal noise, 0-8 % of the bright end (Rician)."""
    deviation = uniform(0, 0.08, generator) * math.sqrt(uniform(0, 1, generator))
    noise = torch.randn(2, *image.shape, generator=generator) * deviation
    return torch.sqrt((image + noise[0]) ** 2 + noise[1] ** 2)
