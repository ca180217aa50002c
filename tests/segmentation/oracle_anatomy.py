"""A stand-in for the anatomy network that reads classes off the brightness, so that tests need no training."""

from __future__ import annotations

import torch
from torch import Tensor

from microbleeds.networks.anatomy import (
    POSITION_STRIDE,
    POSITION_UNIT_MM,
    SPACING_MM,
    AnatomyClass,
    AnatomyNetwork,
    AnatomyOutput,
)

BRIGHTNESS = {
    AnatomyClass.OUTSIDE: 0.0,
    AnatomyClass.CSF: 0.2,
    AnatomyClass.VENTRICLE: 0.4,
    AnatomyClass.CORTEX: 0.6,
    AnatomyClass.WHITE: 0.8,
    AnatomyClass.LENTIFORM: 1.0,
}


class OracleNetwork(AnatomyNetwork):
    """Takes the class whose :data:`BRIGHTNESS` is nearest; MNI152 is RAS around the middle of the view."""

    def forward(self, image: Tensor) -> AnatomyOutput:
        """Answer for ``image`` [1, 1, X, Y, Z]."""
        image = image.float()
        logits = torch.full((1, len(AnatomyClass), *image.shape[2:]), -60.0)
        for member, brightness in BRIGHTNESS.items():
            logits[:, member] = -30 * (image[:, 0] - brightness).abs()
        axes = [SPACING_MM * (torch.arange(n) - (n - 1) / 2) for n in image.shape[2:]]
        mni_mm = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        right = mni_mm[0][None, None]
        position = torch.nn.functional.avg_pool3d(mni_mm[None], POSITION_STRIDE) / POSITION_UNIT_MM
        return AnatomyOutput(logits, right, position)
