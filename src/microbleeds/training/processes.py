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
        InputError: if the ``train`` extra is not installed.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise InputError(
            "Training needs more packages: pip install '.[train]' in the clone of microbleeds."
        ) from error
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if compute.dtype == torch.bfloat16 else "32-true"
    fabric = Fabric(accelerator=compute.device.type, devices=devices, precision=precision)
    if devices > 1:
        fabric.launch()
    return fabric
