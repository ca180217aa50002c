"""Optimisers of the presets."""

from __future__ import annotations

import torch
from torch import nn

from microbleeds.training.presets import OptimiserSettings


def build_optimiser(module: nn.Module, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """Make the optimiser; convolution kernels decay, norms, biases and prototypes do not."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 2], "weight_decay": 0.0},
    ]
    if settings.kind == "sgd":
        return torch.optim.SGD(groups, lr=settings.rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=settings.rate)
