"""Which values are drawn black and which white, chosen robustly from the image itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Narrowest half-width of the phase window. Noise in a flat scan mustn't be stretched into structure.
MIN_PHASE_RAD = 0.3


@dataclass(frozen=True)
class Window:
    """Values at or below ``low`` are black, at or above ``high`` white."""

    low: float
    high: float

    def to_grey(self, image: NDArray) -> NDArray[np.uint8]:
        """Map values [...] to 0..255 [...]."""
        span = max(self.high - self.low, 1e-12)
        return np.clip((np.asarray(image, dtype=np.float32) - self.low) * (255 / span) + 0.5, 0, 255).astype(
            np.uint8
        )


def magnitude_window(image: NDArray[np.float32], brain: NDArray[np.bool_]) -> Window:
    """Return the window of an SWI, a magnitude or an mIP.

    Black is the darkest thousandth of the brain rather than 0, white lies a fifth above the brain's median
    to bright percentile, so that tissue is mid grey and bleeds and veins stand out.
    """
    values = _sample(image, brain)
    dark, middle, bright = np.percentile(values, [0.1, 50, 99.5])
    return Window(float(min(dark, 0.4 * middle)), float(middle + 1.2 * (bright - middle)))


def phase_window(phase_rad: NDArray[np.float32], brain: NDArray[np.bool_]) -> Window:
    """Return the window of a phase image: symmetric, so that zero is mid grey.

    It reaches to the 97th percentile of the brain: beyond lie the fringes over sinuses and ear, which would
    flatten veins and bleeds.
    """
    reach = float(np.percentile(np.abs(_sample(phase_rad, brain)), 97))
    return Window(-max(MIN_PHASE_RAD, reach), max(MIN_PHASE_RAD, reach))


def _sample(image: NDArray[np.float32], brain: NDArray[np.bool_], count: int = 200_000) -> NDArray[np.float32]:
    """Return some hundred thousand values of the brain, evenly spread; of the image where there is none."""
    values = image[brain]
    values = values if values.size else np.asarray(image).reshape(-1)
    return values[:: max(1, values.size // count)]
