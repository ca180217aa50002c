"""Bodies that look like microbleeds and are not.

Calcifications sit at their natural places (with the prevalence of CT series) and, drawn from the bleeds' own
sizes, strengths, grain counts and sites, anywhere in the parenchyma: nothing but the sign of the phase tells them.
Mineralisation of pallidum and dentate is paramagnetic, physically a bleed: bilateral and symmetric. It counts as
``ignored`` in the main figure (docs/scoring.md). Also cavernomas, siderosis along a sulcus, old haemorrhages with
a rim, and metal after an operation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.inclusions import Inclusion, cluster
from microbleeds.simulate.microbleeds import BodyLaw, moved
from microbleeds.simulate.placement import SITE_SHARES, Placer
from microbleeds.tissues import Tissue, among

# Prevalence on CT (Tabriz, 1569 patients; Ghorbanlou 2021; Kwak 1988). Places in MNI mm.
_MIDLINE_SITES = {
    "pineal": (0.70, (0.0, -27.0, 2.0), 3.0),
    "habenula": (0.28, (0.0, -24.0, 3.0), 1.5),
}
CALCIFICATION = BodyLaw(median_radius_mm=1.1, median_ppm=0.8, ppm_range=(0.2, 3.0), radius_range_mm=(0.4, 3.0))


@dataclass(frozen=True)
class MimicSettings:
    """How many mimics a subject has: means of Poisson draws, or probabilities."""

    parenchymal_calcifications: float = 1.5
    pallidal_mineralisation: float = 0.35
    dentate_mineralisation: float = 0.2
    choroid_calcification: float = 0.6
    falx_calcification: float = 0.15
    tentorium_calcification: float = 0.07
    basal_ganglia_calcification: float = 0.05
    cavernoma: float = 0.03
    siderosis: float = 0.03
    old_haemorrhage: float = 0.03
    surgical_metal: float = 0.01

    def rich(self) -> MimicSettings:
        """More of everything, for training: rare kinds must be seen often enough to be learnt."""
        return replace(
            self,
            parenchymal_calcifications=4.0,
            pallidal_mineralisation=0.4,
            cavernoma=0.1,
            siderosis=0.1,
            old_haemorrhage=0.08,
            surgical_metal=0.03,
        )

    def dense(self) -> MimicSettings:
        """As :meth:`rich`, with calcifications to go with dozens of microbleeds."""
        return replace(self.rich(), parenchymal_calcifications=12.0)


def draw_mimics(
    generator: np.random.Generator, placer: Placer, law: BodyLaw, age: float, settings: MimicSettings
) -> list[Inclusion]:
    """Draw the mimics of one subject (before the microbleeds, which then keep clear of them)."""
    rng, anatomy = generator, placer.anatomy
    bodies = _natural_calcifications(rng, anatomy, settings)
    if rng.random() < settings.pallidal_mineralisation * (0.5 + age):
        bodies += _mineralisation(rng, anatomy, "PALLIDUM", "pallidal-mineralisation")
    if rng.random() < settings.dentate_mineralisation * (0.5 + age):
        bodies += _mineralisation(rng, anatomy, "DENTATE", "dentate-mineralisation")
    if rng.random() < settings.siderosis:
        bodies += _siderosis(rng, anatomy)
    if rng.random() < settings.surgical_metal:
        bodies += _surgical_metal(rng, anatomy)
    for body in bodies:
        placer.take(body.position_mm, body.extent_mm)
    if rng.random() < settings.cavernoma:
        bodies += _large_bodies(rng, placer, "cavernoma", (2.0, 4.5), (8, 20), flattening=0.0)
    if rng.random() < settings.old_haemorrhage:
        bodies += _large_bodies(rng, placer, "old-haemorrhage", (3.0, 5.5), (20, 40), flattening=0.95)
    return bodies + _parenchymal_calcifications(rng, placer, law, settings)


def _parenchymal_calcifications(
    rng: np.random.Generator, placer: Placer, law: BodyLaw, settings: MimicSettings
) -> list[Inclusion]:
    """From the bleeds' own distributions and sites."""
    bodies = []
    for site in rng.choice(
        list(SITE_SHARES), size=rng.poisson(settings.parenchymal_calcifications), p=list(SITE_SHARES.values())
    ):
        body = law.draw(rng, "calcification", "mimic", -1)
        position = placer.draw(rng, str(site), body.extent_mm)
        if position is not None:
            bodies.append(moved(body, position))
    return bodies


def _natural_calcifications(
    rng: np.random.Generator, anatomy: Anatomy, settings: MimicSettings
) -> list[Inclusion]:
    """Pineal, habenula, choroid plexus, falx, tentorium, basal ganglia."""
    places: list[NDArray] = []
    ras_from_mni = np.linalg.inv(anatomy.mni_from_ras)
    for prevalence, mni_mm, spread_mm in _MIDLINE_SITES.values():
        if rng.random() < prevalence:
            places.append((ras_from_mni @ [*(mni_mm + rng.normal(0, [0.5, spread_mm / 2, spread_mm / 2])), 1])[:3])
    if rng.random() < settings.choroid_calcification:
        for side in (Tissue.CHOROID_PLEXUS_LEFT, Tissue.CHOROID_PLEXUS_RIGHT):
            places += _points_in(rng, anatomy, anatomy.labels == side, int(rng.integers(1, 3)))
    if rng.random() < settings.falx_calcification:
        places += _points_in(rng, anatomy, _falx(anatomy), int(rng.integers(1, 4)))
    if rng.random() < settings.tentorium_calcification:
        places += _points_in(rng, anatomy, _tentorium(anatomy), int(rng.integers(1, 3)))
    bodies = [moved(CALCIFICATION.draw(rng, "calcification", "mimic", -1), p) for p in places]
    if rng.random() < settings.basal_ganglia_calcification:
        bodies += _mirrored(rng, anatomy, "PALLIDUM", "calcification", -1, "mimic")
    return bodies


def _mineralisation(rng: np.random.Generator, anatomy: Anatomy, nucleus: str, kind: str) -> list[Inclusion]:
    return _mirrored(rng, anatomy, nucleus, kind, +1, "ignored")


def _mirrored(
    rng: np.random.Generator, anatomy: Anatomy, nucleus: str, kind: str, sign: int, scored: str
) -> list[Inclusion]:
    """One to three fine bodies on both sides at about mirrored places."""
    law = BodyLaw(median_radius_mm=0.9, median_ppm=0.8, single_grain=0.3)
    sides = [anatomy.labels == Tissue[f"{nucleus}_{side}"] for side in ("LEFT", "RIGHT")]
    if not all(side.any() for side in sides):
        return []
    bodies = []
    for _ in range(rng.integers(1, 4)):
        left = _points_in(rng, anatomy, sides[0], 1)[0]
        mirrored = _nearest(anatomy, sides[1], _mirror(anatomy, left) + rng.normal(0, 1.0, 3))
        for place in (left, mirrored):
            bodies.append(moved(law.draw(rng, kind, scored, sign), place))  # type: ignore[arg-type]
    return bodies


def _siderosis(rng: np.random.Generator, anatomy: Anatomy) -> list[Inclusion]:
    """Cortical superficial siderosis: a chain of fine grains along the pial surface of one sulcus."""
    cortex = anatomy.cortex
    surface = np.argwhere(cortex & ndimage.binary_dilation(anatomy.where(Tissue.CSF)))
    if not len(surface):
        return []
    start = surface[rng.integers(len(surface))]
    near = surface[np.linalg.norm(surface - start, axis=1) < rng.uniform(8, 16)]
    keep = rng.permutation(near)[: min(len(near) // 2, 150)]
    if not len(keep):
        return []
    centres = anatomy.grid.to_mm(keep)
    radii = np.full(len(centres), 0.35)
    return [Inclusion("superficial-siderosis", "mimic", centres, radii, float(rng.uniform(0.5, 1.5)), 0.6)]


def _large_bodies(
    rng: np.random.Generator,
    placer: Placer,
    kind: str,
    radius_mm: tuple[float, float],
    grains: tuple[int, int],
    flattening: float,
) -> list[Inclusion]:
    """A popcorn of grains (cavernoma), or a slit lined with hemosiderin (old haemorrhage)."""
    # Grains fill about a third of the body's volume, so the cluster's own radius is smaller.
    radius = float(rng.uniform(*radius_mm)) * 0.7
    centres, radii = cluster(rng, np.zeros(3), radius, int(rng.integers(*grains)), flattening)
    body = Inclusion(kind, "mimic", centres, radii, float(rng.uniform(0.3, 1.2)), float(rng.uniform(0.2, 0.6)))
    site = "subcortical-white-matter" if rng.random() < 0.7 else "basal-ganglia"
    place = placer.draw(rng, site, body.extent_mm, clear_of_vessels=False)
    return [] if place is None else [moved(body, place)]


def _surgical_metal(rng: np.random.Generator, anatomy: Anatomy) -> list[Inclusion]:
    """Metal dust at a burr hole: a void at the inner skull."""
    skull = (anatomy.labels == Tissue.SKULL) & ndimage.binary_dilation(anatomy.labels == Tissue.CSF)
    top = np.argwhere(skull)
    top = top[anatomy.grid.to_mm(top)[:, 2] > anatomy.grid.to_mm(np.argwhere(anatomy.white))[:, 2].mean()]
    if not len(top):
        return []
    place = anatomy.grid.to_mm(top[rng.integers(len(top))])
    return [Inclusion("surgical-metal", "mimic", place[None], np.array([1.5]), float(rng.uniform(10, 40)), 0.0)]


def _falx(anatomy: Anatomy) -> NDArray[np.bool_]:
    """CSF between the hemispheres within 1.5 mm of the midline, above the corpus callosum."""
    mask = anatomy.where(Tissue.CSF)
    indices = np.argwhere(mask)
    mni = anatomy.grid.to_mm(indices) @ anatomy.mni_from_ras[:3, :3].T + anatomy.mni_from_ras[:3, 3]
    keep = indices[(np.abs(mni[:, 0]) < 1.5) & (mni[:, 2] > 30)]
    falx = np.zeros_like(mask)
    falx[tuple(keep.T)] = True
    return falx


def _tentorium(anatomy: Anatomy) -> NDArray[np.bool_]:
    """CSF that touches both the cerebellum and the cerebrum."""
    cerebellum = among(anatomy.labels, Tissue.CEREBELLAR_CORTEX_LEFT, Tissue.CEREBELLAR_CORTEX_RIGHT)
    near = ndimage.binary_dilation(cerebellum, iterations=3) & ndimage.binary_dilation(
        anatomy.cortex, iterations=3
    )
    return near & anatomy.where(Tissue.CSF)


def _points_in(rng: np.random.Generator, anatomy: Anatomy, mask: NDArray, count: int) -> list[NDArray]:
    voxels = np.argwhere(mask)
    if not len(voxels):
        return []
    chosen = voxels[rng.integers(len(voxels), size=count)]
    return list(anatomy.grid.to_mm(chosen + rng.uniform(-0.5, 0.5, (count, 3))))


def _mirror(anatomy: Anatomy, position_mm: NDArray) -> NDArray:
    """The place on the other side of MNI's midline."""
    mni = anatomy.mni_from_ras @ [*position_mm, 1]
    mni[0] = -mni[0]
    return (np.linalg.inv(anatomy.mni_from_ras) @ mni)[:3]


def _nearest(anatomy: Anatomy, mask: NDArray, position_mm: NDArray) -> NDArray:
    points = anatomy.grid.to_mm(np.argwhere(mask))
    return points[np.argmin(np.linalg.norm(points - position_mm, axis=1))]
