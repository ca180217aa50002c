"""The architecture of the detector as data, free of torch so that a weights card can hold it.

Conventions:
    * Axes are those of the working grid: two in-plane axes, then the slice axis.
    * Levels count from 0 (finest); ``pools[n]`` leads from level ``n`` to level ``n + 1``.
    * A *cell* is one position of the output map; its size in input voxels is :attr:`DetectorConfig.cell`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from microbleeds.errors import InputError

Stride = tuple[int, int, int]
Variant = Literal["proposal", "+fusion", "+prototypes", "+refinement"]

VARIANTS: tuple[Variant, ...] = ("proposal", "+fusion", "+prototypes", "+refinement")


class RefinementConfig(BaseModel):
    """The second stage (:mod:`microbleeds.networks.refinement`).

    Args:
        patch: voxels of the working grid around a candidate.
        widths: channels of each level.
        pools: max-pool strides, one after each level.
        hidden: features between the last map and the answer.
        dropout: share of features left out while training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patch: Stride = (32, 32, 9)
    widths: tuple[int, ...] = (16, 32, 64)
    pools: tuple[Stride, ...] = ((2, 2, 1), (2, 2, 1), (2, 2, 2))
    hidden: int = 64
    dropout: float = 0.3

    @model_validator(mode="after")
    def _levels_agree(self) -> RefinementConfig:
        if len(self.pools) != len(self.widths):
            raise ValueError(f"{len(self.widths)} widths need as many pools, got {len(self.pools)}.")
        if self.cells < 1:
            raise ValueError(f"Nothing of a patch {self.patch} is left after the pools {self.pools}.")
        return self

    @property
    def cells(self) -> int:
        """Positions that are left after all pools; odd voxels at an end fall away."""
        sides = np.asarray(self.patch)
        for pool in self.pools:
            sides = sides // np.asarray(pool)
        return int(np.prod(sides))


class DetectorConfig(BaseModel):
    """What it takes to rebuild a detector.

    Args:
        in_channels: image channels (SWI and phase).
        stem: ``space-to-depth`` folds 2 x 2 in-plane voxels into channels, so that the first level is not
            paid for at 0.5 mm; ``none`` as in the paper.
        widths: channels of each encoder level.
        pools: max-pool strides between levels, one fewer than ``widths``; anisotropic where voxels are.
        output_level: level whose grid carries the cells; the decoder stops there.
        fusion: bring all decoder maps to the cells and sum them (feature fusion module).
        fusion_channels: channels of the fused map.
        head_channels: channels of the proposal head.
        prototypes: train with hard sample prototypes (nothing changes at inference).
        prototype_tap: where prototypes look: the fused map or the head's second convolution.
        offset_range: ``free`` leaves the centre offset unbounded, ``cell`` keeps it inside the cell by a
            sigmoid, as YOLOv2 does.
        refinement: second stage; none if ``None``, as in the paper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_channels: int = 2
    stem: Literal["none", "space-to-depth"] = "space-to-depth"
    widths: tuple[int, ...] = (16, 32, 48, 64, 96)
    pools: tuple[Stride, ...] = ((2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    output_level: int = 1
    fusion: bool = True
    fusion_channels: int = 24
    head_channels: int = 24
    prototypes: bool = True
    prototype_tap: Literal["fusion", "head"] = "head"
    offset_range: Literal["free", "cell"] = "free"
    refinement: RefinementConfig | None = None

    @model_validator(mode="after")
    def _levels_agree(self) -> DetectorConfig:
        if len(self.pools) != len(self.widths) - 1:
            raise ValueError(
                f"{len(self.widths)} widths need {len(self.widths) - 1} pools, got {len(self.pools)}."
            )
        if not 0 <= self.output_level < len(self.widths):
            raise ValueError(f"output_level {self.output_level} is not one of {len(self.widths)} levels.")
        if self.prototypes and not self.fusion and self.prototype_tap == "fusion":
            raise ValueError("Prototypes tapped at the fused map need fusion=True.")
        return self

    @property
    def stem_stride(self) -> Stride:
        """Input voxels per voxel of the first level."""
        return (2, 2, 1) if self.stem == "space-to-depth" else (1, 1, 1)

    @property
    def cell(self) -> Stride:
        """Input voxels per output cell along each axis."""
        return self._stride(self.output_level)

    @property
    def total_stride(self) -> Stride:
        """Input voxels per voxel of the coarsest level; input shapes are multiples of it."""
        return self._stride(len(self.pools))

    def _stride(self, level: int) -> Stride:
        strides = np.prod([self.stem_stride, *self.pools[:level]], axis=0)
        return (int(strides[0]), int(strides[1]), int(strides[2]))

    def variant(self, name: Variant) -> DetectorConfig:
        """Return this configuration with the parts up to the named one; the last is not the paper's."""
        if name not in VARIANTS:
            raise InputError(f"There is no variant {name!r}; choose one of {', '.join(VARIANTS)}.")
        parts = VARIANTS.index(name)
        refinement = (self.refinement or RefinementConfig()) if parts >= 3 else None
        return self.model_copy(update={"fusion": parts >= 1, "prototypes": parts >= 2, "refinement": refinement})

    @property
    def first_stage(self) -> DetectorConfig:
        """This configuration without its second stage."""
        return self.model_copy(update={"refinement": None})


# Kim et al. (arXiv 2306.13020), section 2 and table of levels: isotropic pools, output at stride 4.
KIM_2023 = DetectorConfig(
    stem="none",
    widths=(16, 32, 64, 128, 256),
    pools=((2, 2, 2),) * 4,
    output_level=2,
    fusion_channels=16,
    head_channels=16,
    prototype_tap="fusion",
    offset_range="cell",
)
