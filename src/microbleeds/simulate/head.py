"""One subject's head: everything that stays the same from scan to scan but the microbleeds and mimics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.background import background_field
from microbleeds.simulate.deform import deform
from microbleeds.simulate.tissue_properties import TissueDraw, draw_tissues
from microbleeds.simulate.vessels import Vessel, grow_vessels


@dataclass(frozen=True, eq=False)
class Head:
    """A deformed anatomy with its vessels, tissue properties and background field.

    Args:
        background_ppm: shimmed field of air, bone and soft tissue on ``background_grid`` (2 mm).
    """

    anatomy: Anatomy
    vessels: list[Vessel]
    tissues: TissueDraw
    background_ppm: NDArray[np.float32]
    background_grid: Grid


def draw_head(anatomy: Anatomy, seed: np.random.SeedSequence, device: torch.device, deformed: bool = True) -> Head:
    """Draw a subject from an anatomy: shape, vessels, tissues and the field that the head makes."""
    shape, vessels, tissues, shim = (np.random.default_rng(s) for s in seed.spawn(4))
    subject = deform(anatomy, shape) if deformed else anatomy
    field, grid = background_field(subject, shim, device)
    return Head(subject, grow_vessels(subject, vessels), draw_tissues(tissues), field, grid)
