"""Processes that train together, each with a device of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from microbleeds.compute import Compute
from microbleeds.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def start_fabric(compute: Compute, devices: int) -> Fabric:
    """Start Lightning Fabric; with several devices it runs the same command again in each further process.

    Raises:
        InputError: if the ``train`` extra is not installed, or there are not so many devices.
    """
    asked = fabric_devices(compute.device, devices)
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise InputError(
            "Training needs more packages: pip install '.[train]' in the clone of microbleeds."
        ) from error
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if compute.dtype == torch.bfloat16 else "32-true"
    fabric = Fabric(accelerator=compute.device.type, devices=asked, precision=precision)
    if devices > 1:
        fabric.launch()
    return fabric


def fabric_devices(device: torch.device, devices: int) -> int | list[int]:
    """Return what Fabric is to be told: how many devices, or which one where it is named by its number.

    Raises:
        InputError: if there are not so many, or one is named and several are asked for.
    """
    if device.type == "cpu":
        return devices
    if devices > 1 and device.index is not None:
        raise InputError(f"{device} is one device, not {devices}; give --device {device.type}, or --devices 1.")
    there = torch.cuda.device_count() if device.type == "cuda" else 1
    if devices > there:
        raise InputError(f"Training asks for {devices} devices, and there are {there} of {device.type} here.")
    return devices if device.index is None else [device.index]
