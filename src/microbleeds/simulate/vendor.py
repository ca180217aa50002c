"""How each vendor's files count: 12-bit magnitude, phase in four units and two signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microbleeds.simulate.protocol import PhaseUnit, ScanSettings
from microbleeds.simulate.weighting import homodyne_phase, minimum_projection, phase_mask


@dataclass(frozen=True, eq=False)
class VendorImages:
    """The four images of an SWI series as a scanner would store them, [x, y, z] each."""

    swi: NDArray[np.int16]
    magnitude: NDArray[np.int16]
    phase: NDArray[np.int16] | NDArray[np.float32]
    minimum_projection: NDArray[np.int16]


def vendor_images(image: Tensor, slice_mm: float, settings: ScanSettings) -> VendorImages:
    """Turn a complex image into the vendor's files."""
    magnitude = image.abs()
    filtered = homodyne_phase(image, settings.homodyne_window)
    swi = magnitude * phase_mask(filtered, settings)
    stored = filtered if settings.phase_filtered else torch.angle(image)
    gain = 3000 / float(torch.quantile(magnitude[::4, ::4].flatten(), 0.995))
    return VendorImages(
        swi=_twelve_bit(swi * gain),
        magnitude=_twelve_bit(magnitude * gain),
        phase=encode_phase(stored, settings.phase_unit, settings.paramagnetic_bright),
        minimum_projection=_twelve_bit(minimum_projection(swi, slice_mm) * gain),
    )


def encode_phase(
    phase_rad: Tensor, unit: PhaseUnit, paramagnetic_bright: bool
) -> NDArray[np.int16] | NDArray[np.float32]:
    """Write phase (paramagnetic positive, radians within -pi..pi) in a vendor's unit and sign."""
    signed = phase_rad if paramagnetic_bright else -phase_rad
    if unit == "radians":
        return signed.cpu().numpy().astype(np.float32)
    scaled = {
        "milliradians": signed * 1000,
        "0..4095": (signed + torch.pi) * (4095 / (2 * torch.pi)),
        "-4096..4095": signed * (4096 / torch.pi),
    }[unit]
    low, high = {"milliradians": (-3142, 3142), "0..4095": (0, 4095), "-4096..4095": (-4096, 4095)}[unit]
    return scaled.round().clamp(low, high).cpu().numpy().astype(np.int16)


def _twelve_bit(values: Tensor) -> NDArray[np.int16]:
    return values.round().clamp(0, 4095).cpu().numpy().astype(np.int16)
