"""A scan with the places that somebody labelled on it, whatever the form in which they were written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class LabelledScan:
    """One scan and its labels; positions are RAS mm of the images' own space.

    Args:
        name: unique in its data set, for instance ``sub-01_ses-1``.
        subject: whose scan it is; folds of a cross-validation keep a subject together.
        swi: susceptibility-weighted image (NIfTI), if there is one.
        magnitude: magnitude before weighting, or a T2*-weighted gradient echo, if there is one.
        phase: phase image, if there is one.
        positions_ras_mm: [N, 3] microbleeds; N = 0 is a scan without microbleeds.
        ignored_ras_mm: [M, 3] places that are neither a microbleed nor a mistake.
        diameters_mm: [N] apparent diameters, NaN where unknown.
        form: how the labels were understood, in words.
        warnings: sentences about what had to be assumed.
    """

    name: str
    subject: str
    swi: Path | None
    magnitude: Path | None
    phase: Path | None
    positions_ras_mm: NDArray[np.float64]
    ignored_ras_mm: NDArray[np.float64]
    diameters_mm: NDArray[np.float64]
    form: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        positions, ignored = _points(self.positions_ras_mm), _points(self.ignored_ras_mm)
        diameters = np.asarray(self.diameters_mm, dtype=np.float64).reshape(-1)
        if len(diameters) != len(positions):
            raise ValueError(f"{len(positions)} positions need as many diameters, got {len(diameters)}.")
        object.__setattr__(self, "positions_ras_mm", positions)
        object.__setattr__(self, "ignored_ras_mm", ignored)
        object.__setattr__(self, "diameters_mm", diameters)

    @property
    def image(self) -> Path:
        """The image on which the spots are looked at: the SWI, else the magnitude."""
        image = self.swi or self.magnitude
        if image is None:
            raise ValueError(f"{self.name} has neither an SWI nor a magnitude.")
        return image


def _points(values: ArrayLike) -> NDArray[np.float64]:
    """Return positions [N, 3]."""
    return np.asarray(values, dtype=np.float64).reshape(-1, 3)
