"""The dural sinuses: superior sagittal, straight, transverse with sigmoid.

All lie against the inner skull or on the border between cerebrum and cerebellum, which are found on the
head's own labels: a ray from the middle of the head ends at the inner skull; the tentorium's attachment is
where that wall is as far from the cerebrum as from the cerebellum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.simulate.vessels.curve import arc_length_mm, smooth, spline
from microbleeds.simulate.vessels.head import CEREBELLUM, Head
from microbleeds.simulate.vessels.settings import Range, VesselSettings
from microbleeds.simulate.vessels.vessel import Vessel

Points = NDArray[np.float64]

RAY_STEP_MM = 0.75


@dataclass(frozen=True, eq=False)
class Sinuses:
    """The sinuses of a head; all but the sigmoid ends meet where ``sagittal`` ends.

    Args:
        sagittal: from the frontal base to the confluence.
        straight: from the vein of Galen to the confluence.
        transverse: right and left, each from the confluence through the sigmoid part.
    """

    sagittal: Vessel
    straight: Vessel
    transverse: tuple[Vessel, Vessel]

    def vessels(self) -> list[Vessel]:
        """All of them."""
        return [self.sagittal, self.straight, *self.transverse]


def grow_sinuses(
    head: Head, galen_end_mm: Points, settings: VesselSettings, generator: np.random.Generator
) -> Sinuses:
    """Return the sinuses; the straight one begins at ``galen_end_mm`` [3]."""
    wall = _sagittal_wall(head)
    torcular = _torcular(head, wall)
    front = wall[: torcular + 1]
    sagittal = _against_wall(head, front, settings.sagittal_sinus_radius_mm, generator)
    confluence = sagittal.points_mm[-1]
    dominant = generator.integers(2)
    sides = []
    for number, side in enumerate((1.0, -1.0)):
        share = 1.0 if number == dominant else generator.uniform(0.55, 1.0)
        sides.append(_transverse(head, confluence, side, share, settings))
    straight = _straight(head, galen_end_mm, confluence, settings, generator)
    return Sinuses(sagittal, straight, (sides[0], sides[1]))


def _cast(head: Head, origin: Points, direction: Points) -> Points:
    """Return where rays [..., 3] from ``origin`` leave the intracranial space for 3 mm or more, [..., 3]."""
    along = np.arange(0, 130, RAY_STEP_MM)
    points = origin[..., None, :] + along[:, None] * direction[..., None, :]
    outside = head.sample(head.intracranial.astype(np.float32), points) < 0.5
    outside[..., -1] = True
    left = ndimage.minimum_filter1d(outside.astype(np.uint8), 4, axis=-1, origin=-2, mode="nearest")
    first = np.maximum(np.argmax(left, axis=-1) - 1, 0)
    return origin + along[first][..., None] * direction


def _sagittal_wall(head: Head) -> Points:
    """Return the inner skull in the midline from the frontal base over the vertex to the occiput, [N, 3]."""
    centre = head.from_mni([[0.0, -15.0, 5.0]])[0]
    angle = np.radians(np.arange(-8, 222, 2.0))  # 0 forwards, 90 up, 180 backwards
    direction = np.stack([np.zeros_like(angle), np.cos(angle), np.sin(angle)], axis=1) @ head.axes
    wall = _cast(head, centre, direction)
    reach = np.linalg.norm(wall - centre, axis=1)
    # A low percentile, since veins of the skull can open the wall; a sinus may lie inside it, never beyond.
    even = ndimage.percentile_filter(reach, 30, size=7, mode="nearest")
    reach = np.minimum(ndimage.gaussian_filter1d(even, 2.0, mode="nearest"), reach)
    wall = centre + reach[:, None] * direction
    wall[:, 0] = head.midline_at(wall)
    return wall


def _torcular(head: Head, wall: Points) -> int:
    """Return the index on the midline wall where cerebrum gives way to cerebellum."""
    # Looked up 10 mm to each side: the gap between the occipital lobes is far from either.
    beside = wall + np.array([[[10.0, 0, 0]], [[-10.0, 0, 0]]])
    lead = (head.sample(head.to_cerebellum_mm, beside) - head.sample(head.to_cerebrum_mm, beside)).mean(0)
    behind = (np.arange(len(wall)) > 75) & (lead < 0)  # 75: from 142 degrees on, the back of the head
    return int(np.argmax(behind)) if behind.any() else 101  # 194 degrees


def _against_wall(head: Head, wall: Points, radius: Range, generator: np.random.Generator) -> Vessel:
    """Return a sinus that widens along a midline wall and lies just inside it."""
    line = spline(wall[::4] if len(wall) > 12 else wall, 2.0)
    share = arc_length_mm(line) / arc_length_mm(line)[-1]
    width = radius[0] + (radius[1] - radius[0]) * share**1.2 * generator.uniform(0.7, 1.0)
    centre = line.mean(0)
    inwards = centre - line
    inwards /= np.linalg.norm(inwards, axis=1, keepdims=True)
    line = line + 0.7 * width[:, None] * inwards
    line = head.clear_of(head.outside_brain_mm, line, 0.5, 2.0)
    return Vessel("superior-sagittal-sinus", smooth(line, 4), width)


def _transverse(head: Head, confluence: Points, side: float, share: float, settings: VesselSettings) -> Vessel:
    """Return one transverse sinus and its sigmoid part, from the confluence to the jugular foramen."""
    centre = head.grid.to_mm(np.argwhere(head.where(*CEREBELLUM)).mean(0))
    centre[0] = head.midline_at(centre[None])[0]
    azimuth = np.radians(np.arange(168, 82, -4.0))  # 180 backwards, 90 to the side
    height = np.arange(-28.0, 28.0, 1.5)
    a, z = np.meshgrid(azimuth, height, indexing="ij")
    direction = np.stack([side * np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1) @ head.axes
    origin = centre + z[..., None] * head.axes[2]
    wall = _cast(head, origin, direction)
    lead = head.sample(head.to_cerebellum_mm, wall) - head.sample(head.to_cerebrum_mm, wall)
    level = _follow_zero(lead, int(np.argmin(np.abs(height - (confluence - centre) @ head.axes[2]))))
    upper = wall[np.arange(len(azimuth)), np.round(level).astype(int)]
    sigmoid = _sigmoid(head, centre, upper[-1], side)
    line = spline(smooth(np.concatenate([confluence[None], upper, sigmoid]), 6)[::3], 2.0)
    low, high = settings.transverse_sinus_radius_mm
    along = arc_length_mm(line) / arc_length_mm(line)[-1]
    width = share * (low + (high - low) * (0.5 + 0.5 * np.sin(2.5 * along)))
    inwards = centre - line
    inwards -= (inwards @ head.axes[2])[:, None] * head.axes[2]
    inwards /= np.linalg.norm(inwards, axis=1, keepdims=True)
    line[1:] += 0.8 * width[1:, None] * inwards[1:]
    line[1:] = head.clear_of(head.outside_brain_mm, line[1:], 0.7, 3.0)
    return Vessel("transverse-sinus", smooth(line, 4), width)


def _follow_zero(lead: NDArray[np.float64], start: int) -> NDArray[np.float64]:
    """Return for each row of ``lead`` [A, Z] the column nearest zero, close to that of the row before."""
    columns = np.arange(lead.shape[1])
    level = np.empty(len(lead))
    before = float(start)
    for row, values in enumerate(lead):
        cost = np.abs(values) + 0.6 * np.abs(columns - before)
        before = level[row] = float(np.argmin(cost))
    return ndimage.gaussian_filter1d(level, 1.5, mode="nearest")


def _sigmoid(head: Head, centre: Points, start: Points, side: float) -> Points:
    """Return the wall from the end of the transverse sinus forwards, down and inwards, [N, 3]."""
    t = np.linspace(0.15, 1.0, 8)
    azimuth = np.radians(84 - 30 * t)
    direction = np.stack([side * np.sin(azimuth), np.cos(azimuth), np.zeros_like(t)], axis=1) @ head.axes
    top = (start - centre) @ head.axes[2]
    origin = centre + (top - 30 * t**0.8)[:, None] * head.axes[2]
    wall = _cast(head, origin, direction)
    reach = np.linalg.norm(wall - origin, axis=1)
    reach = np.minimum(reach, np.linalg.norm(start - centre - top * head.axes[2]))
    return origin + ndimage.gaussian_filter1d(reach, 1.0, mode="nearest")[:, None] * direction


def _straight(
    head: Head, start: Points, stop: Points, settings: VesselSettings, generator: np.random.Generator
) -> Vessel:
    """Return the straight sinus, on the midline border of cerebrum and cerebellum."""
    t = np.linspace(0, 1, 9)[:, None]
    line = (1 - t) * start + t * stop
    border = (head.to_cerebellum_mm - head.to_cerebrum_mm) / 2
    line[1:-1] = head.to_level(line[1:-1], ndimage.gaussian_filter(border, 1.5), 0.0, 6.0)
    line[1:-1, 0] = head.midline_at(line[1:-1])
    line[1:-1] = head.clear_of(head.outside_brain_mm, smooth(line, 4)[1:-1], 0.7, 3.0)
    line = spline(smooth(line, 2), 2.0)
    low, high = settings.galen_radius_mm
    width = np.full(len(line), generator.uniform(low, high)) * np.linspace(1, 1.2, len(line))
    return Vessel("straight-sinus", line, width)
