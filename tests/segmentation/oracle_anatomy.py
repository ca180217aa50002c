"""A stand-in for the anatomy network that reads classes off the brightness, so that tests need no training."""

from __future__ import annotations

import torch
from torch import Tensor

from microbleeds.networks.anatomy import SPACING_MM, AnatomyNetwork, AnatomyOutput, by_cells
from microbleeds.networks.anatomy_classes import AnatomyClass, Place
from microbleeds.simulate.parcellation import lobe_of

BRIGHTNESS = {
    AnatomyClass.OUTSIDE: 0.0,
    AnatomyClass.CSF: 0.2,
    AnatomyClass.VENTRICLE: 0.4,
    AnatomyClass.CORTEX: 0.6,
    AnatomyClass.WHITE: 0.8,
    AnatomyClass.LENTIFORM: 1.0,
}
MIDDLE_MM = (0.0, -17.0, 16.0)  # of a brain in MNI152, and so of what is bright
DEEP_MIDDLE_MM, DEEP_HALF_MM = (
    (0.0, -20.0, 12.0),
    (40.0, 30.0, 24.0),
)  # white matter of this box is periventricular


class OracleNetwork(AnatomyNetwork):
    """Takes the class whose :data:`BRIGHTNESS` is nearest; the middle of what is bright is a brain's in MNI152."""

    def forward(self, image: Tensor) -> AnatomyOutput:
        """Answer for ``image`` [1, 1, X, Y, Z]."""
        image = image.float()[0, 0]
        logits = torch.full((*image.shape, len(AnatomyClass)), -60.0)
        for member, brightness in BRIGHTNESS.items():
            logits[..., member] = -30 * (image - brightness).abs()
        mm = _around_the_middle(image)[::2, ::2] + torch.tensor([SPACING_MM[0] / 2, SPACING_MM[1] / 2, 0.0])
        lobes = torch.from_numpy(lobe_of(mm.reshape(-1, 3).numpy())).reshape(mm.shape[:3])
        deep = ((mm - torch.tensor(DEEP_MIDDLE_MM)).abs() < torch.tensor(DEEP_HALF_MM)).all(dim=-1)
        places = torch.where(deep, int(Place.PERIVENTRICULAR_WHITE), lobes)
        place_logits = 9.0 * torch.nn.functional.one_hot(places, len(Place)) + 3.0 * torch.nn.functional.one_hot(
            lobes, len(Place)
        )
        classes = torch.stack([by_cells(logits[..., c]) for c in range(len(AnatomyClass))], dim=-1)
        return AnatomyOutput(classes, place_logits, mm[..., 0])


def _around_the_middle(image: Tensor) -> Tensor:
    """Return mm [X, Y, Z, 3] in MNI152 if the bright voxels' box is a brain."""
    axes = []
    for axis, (size, spacing_mm, at) in enumerate(zip(image.shape, SPACING_MM, MIDDLE_MM, strict=True)):
        there = torch.nonzero((image > 0.1).movedim(axis, 0).flatten(1).any(dim=1))
        middle = (there.min() + there.max()) / 2 if len(there) else torch.tensor(size / 2)
        axes.append((torch.arange(size) - middle) * spacing_mm + at)
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
