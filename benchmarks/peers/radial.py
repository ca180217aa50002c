"""Classical two-stage method: spots of radial symmetry, then a small network that looks at a patch around each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from microbleeds.compute import Compute
from microbleeds.detect import suppress
from microbleeds.prepare import Prepared
from microbleeds.training.losses import IGNORED, POSITIVE, focal_loss
from microbleeds.training.presets import OptimiserSettings
from peers.crops import PeerCrop
from peers.peer import Candidates
from peers.symmetry import peaks, symmetry_map

PATCH = (25, 25, 7)  # voxels: 12.5 x 12.5 x 14 mm
PER_CROP = 24  # candidates of a crop that are learned from, of 110 ml
PER_HEAD = 600  # candidates of a head that are looked at
POSITIVE_MM = 3.0
IGNORED_MM = 4.5
SEPARATION_MM = 7.0  # a bleed has several spots; of 4 to 8 mm best at half a false positive per validation scan
LOWEST_SCORE = 0.005
BATCH = 128


class PatchClassifier(nn.Module):
    """Three convolutions and a linear layer on a patch of SWI and phase."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_block(2, 24, (3, 3, 1)),
            nn.MaxPool3d((2, 2, 1)),
            *_block(24, 48, (3, 3, 3)),
            nn.MaxPool3d((2, 2, 1)),
            *_block(48, 96, (3, 3, 3)),
            nn.MaxPool3d((2, 2, 2)),
            *_block(96, 96, (3, 3, 3)),
            nn.AdaptiveMaxPool3d(1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(96, 1),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Return a logit [N] for each patch [N, 2, x, y, z]."""
        return self.layers(patches)[:, 0]


class RadialPeer:
    """See the module's head; fits :class:`peers.peer.Peer`."""

    def __init__(self) -> None:
        self.module: nn.Module = PatchClassifier()
        self.optimiser = OptimiserSettings(rate=2e-3, warmup_steps=50)

    def loss(self, crops: Sequence[PeerCrop]) -> Tensor:
        """Return the focal loss over the candidates of all crops, and the bleeds that the search missed."""
        patches, labels = [], []
        for crop in crops:
            votes = symmetry_map(crop.image[0], crop.brain, crop.spacing_mm)
            spots = peaks(votes, crop.spacing_mm, PER_CROP)[0]
            places = np.concatenate([spots, crop.bleeds]).astype(np.float64)
            patches.append(_patches(crop.image, places))
            labels.append(_labels(places, crop))
        label = torch.from_numpy(np.concatenate(labels))
        if len(label) == 0:
            return torch.stack([p.sum() for p in self.module.parameters()]).sum() * 0  # nothing to learn from
        logit = self.module(torch.from_numpy(np.concatenate(patches))).float()
        return focal_loss(logit[None], label[None], gamma=2.0, alpha=0.5)

    @torch.inference_mode()
    def candidates(self, prepared: Prepared, compute: Compute) -> Candidates:
        """See :class:`peers.peer.Peer`."""
        self.module.eval()
        spacing = prepared.grid.spacing_mm
        image = prepared.masked()
        voxels = peaks(symmetry_map(image[0], prepared.brain, spacing), spacing, PER_HEAD)[0].astype(np.float64)
        if len(voxels) == 0:
            return voxels, np.zeros(0)
        patches = torch.from_numpy(_patches(image, voxels))
        with compute.autocast():
            logit = torch.cat([self.module(part) for part in patches.split(BATCH)]).float()
        scores = torch.sigmoid(logit).numpy().astype(np.float64)
        sure = scores >= LOWEST_SCORE
        voxels, scores = voxels[sure], scores[sure]
        kept = suppress(voxels * spacing, scores, SEPARATION_MM)
        return voxels[kept], scores[kept]


def _block(inputs: int, outputs: int, kernel: tuple[int, int, int]) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Convolution, norm, activation."""
    i, j, k = kernel
    return (
        nn.Conv3d(inputs, outputs, kernel, padding=(i // 2, j // 2, k // 2), bias=False),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
    )


def _patches(image: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Cut patches [N, 2, *PATCH] around voxels [N, 3]; zero outside of the image."""
    half = np.asarray(PATCH) // 2
    padded = np.pad(image, [(0, 0), *((h, h) for h in half)])
    starts = np.clip(np.round(places).astype(int), 0, np.asarray(image.shape[1:]) - 1)
    cut = [padded[:, i : i + PATCH[0], j : j + PATCH[1], k : k + PATCH[2]] for i, j, k in starts]
    return np.stack(cut) if cut else np.zeros((0, len(image), *PATCH), dtype=np.float32)


def _labels(places: NDArray[np.float64], crop: PeerCrop) -> NDArray[np.int8]:
    """Return whether each place [N, 3] is a bleed, or does not count."""
    labels = np.zeros(len(places), dtype=np.int8)
    labels[_near(places, crop.ignored, crop, IGNORED_MM) | _near(places, crop.bleeds, crop, IGNORED_MM)] = IGNORED
    labels[_near(places, crop.bleeds, crop, POSITIVE_MM)] = POSITIVE
    return labels


def _near(
    places: NDArray[np.float64], points: NDArray[np.float64], crop: PeerCrop, radius_mm: float
) -> NDArray[np.bool_]:
    """Return which places lie within a radius of any point."""
    gaps = np.linalg.norm((places[:, None] - points[None]) * crop.spacing_mm, axis=-1)
    return np.asarray(gaps.min(axis=1, initial=np.inf) <= radius_mm)
