"""What training minimises: detector, prototypes and the weighted sum of the three losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from microbleeds.networks.detector import Detector
from microbleeds.networks.prototypes import Prototypes
from microbleeds.training.losses import balanced_concentration, focal_loss, hard_samples, offset_loss
from microbleeds.training.presets import Preset


class Objective(nn.Module):
    """Detector and prototypes in one module, so that one wrapper serves several processes."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.settings = preset.losses
        self.detector = Detector(preset.architecture.first_stage)
        self.prototypes: Prototypes | None = None
        if preset.architecture.prototypes:
            self.prototypes = Prototypes(self.detector.tap_channels, normalise=preset.losses.normalise_prototypes)

    def forward(self, image: Tensor, label: Tensor, offset: Tensor) -> dict[str, Tensor]:
        """Return ``loss`` and its parts (detached), all scalars."""
        said = self.detector(image)
        logit = said.logit.float()
        focal = focal_loss(logit, label, self.settings.focal_gamma, self.settings.focal_alpha)
        centre = offset_loss(said.offset.float(), offset, label)
        loss = focal + self.settings.offset_weight * centre
        parts = {"focal": focal.detach(), "offset": centre.detach()}
        if self.prototypes is not None:
            extra, logged = self._concentration(self.prototypes, said.features, logit, label)
            loss = loss + self.settings.prototype_weight * extra
            parts |= logged
        return {"loss": loss, **parts}

    def _concentration(
        self, prototypes: Prototypes, features: Tensor, logit: Tensor, label: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """L_con of this batch and what is logged of it; before the prototypes start it only observes."""
        samples, classes = hard_samples(features, logit, label, self.settings.hard_per_crop)
        unused = 0 * prototypes.vectors.sum()  # every process must see a gradient for every parameter
        if len(samples) == 0:
            return unused, {}
        if self.training:
            prototypes.observe(samples.detach(), classes)
        if not bool(prototypes.started):
            return unused, {}
        own, other = prototypes.distances(samples, classes)
        loss = balanced_concentration(own, other, classes)
        logged = {"concentration": loss.detach(), "own": own.mean().detach(), "other": other.mean().detach()}
        return loss + unused, logged


class WeightAverage:
    """Exponential moving average of a module's floating-point state, buffers included."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the present state; early on the average follows faster, or it would remember the start."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 10))
        for name, value in module.state_dict().items():
            mine = self.state[name]
            if value.is_floating_point():
                mine.lerp_(value.to(mine.dtype), 1 - decay)
            else:
                mine.copy_(value)
