"""A developmental venous anomaly: a fan of small veins (caput medusae) that drain into one wide collector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.simulate.vessels.curve import resample, spline, wander
from microbleeds.simulate.vessels.descent import Descent, descend
from microbleeds.simulate.vessels.head import WHITE, Head
from microbleeds.simulate.vessels.settings import VesselSettings
from microbleeds.simulate.vessels.vessel import Vessel
from microbleeds.tissues import Tissue

KIND = "developmental-venous-anomaly"
COLLECTOR = Descent(level_mm=0.0, longest_mm=45.0, persistence=0.85, noise=0.08)
CEREBELLAR_SHARE = 0.2
DEEP_SHARE = 0.4  # of the cerebral ones drain to the ventricle, the others to the surface


def grow_anomaly(head: Head, settings: VesselSettings, generator: np.random.Generator) -> list[Vessel]:
    """Return the vessels of one anomaly with the probability that the settings say, else none."""
    if generator.random() >= settings.anomaly_probability:
        return []
    white, cerebellar = head.where(*WHITE), generator.random() < CEREBELLAR_SHARE
    if cerebellar:
        white = head.where(Tissue.CEREBELLAR_WHITE_LEFT, Tissue.CEREBELLAR_WHITE_RIGHT)
    deep_enough = (head.to_ventricle_mm > 6) & (head.outside_parenchyma_mm < -4.5)
    centre = head.draw(white & deep_enough, 1, generator)
    deep = generator.random() < DEEP_SHARE and not cerebellar
    outside = -ndimage.gaussian_filter(head.outside_parenchyma_mm, 0.7)
    paths = descend(head, head.to_ventricle_mm if deep else outside, centre, COLLECTOR, generator)
    if not paths:
        return []
    width = generator.uniform(0.5, 1.0)
    course = spline(paths[0][::4] if len(paths[0]) > 12 else paths[0], 1.0)
    collector = Vessel(KIND, course, np.full(len(course), width))
    return [collector, *_fan(head, course, width, generator)]


def _fan(head: Head, course: NDArray[np.float64], width_mm: float, generator: np.random.Generator) -> list[Vessel]:
    """Return 6-14 small veins that converge on the beginning of the collector from the far side."""
    centre = course[0]
    forward = course[-1] - course[0]
    forward /= max(float(np.linalg.norm(forward)), 1e-6)
    fan = []
    for _ in range(int(generator.integers(6, 15))):
        direction = generator.standard_normal(3) - 0.7 * forward
        direction /= max(float(np.linalg.norm(direction)), 1e-6)
        begin = centre + generator.uniform(6, 16) * direction
        joint = centre + generator.uniform(0, 2.5) * forward
        line = resample(np.stack([begin, joint]), 1.0)
        line = line + wander(len(line), 0.7, 5, generator)
        inside = head.sample(head.outside_parenchyma_mm, line) < 0
        line = line[int(np.argmax(inside)) :]
        if len(line) > 3:
            radius = width_mm * generator.uniform(0.2, 0.45)
            fan.append(Vessel(KIND, line, radius * np.linspace(0.5, 1.0, len(line))))
    return fan
