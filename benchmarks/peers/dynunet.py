"""A segmentation network in the manner of nnU-Net (Isensee et al. 2021): MONAI's DynUNet on balls around bleeds.

Targets are balls of the apparent size. Loss is Dice over the batch plus cross-entropy, at full resolution and two
coarser outputs weighted 1, 1/2, 1/4. Candidates are the connected components of voxels above a low probability,
each with its largest one as score. Batch norms instead of instance norms, so that a head can be searched in large
pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.networks.blocks.dynunet_block import UnetOutBlock
from monai.networks.nets import DynUNet
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from microbleeds.compute import Compute
from microbleeds.networks.detector import channels_last
from microbleeds.prepare import Prepared
from microbleeds.training.presets import OptimiserSettings
from peers.crops import PeerCrop, stacked
from peers.peer import OVERLAP, Candidates, piece_of

# Voxels are 0.5 x 0.5 x 2 mm: slices join in once the in-plane side has grown to 1 mm, as nnU-Net plans it.
KERNELS = ((3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
STRIDES = ((1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2))
STRIDE = (16, 16, 4)  # all of them together
FILTERS = (16, 32, 64, 96, 128)
SUPERVISED = 2  # coarser outputs
IGNORED_MM = 4.5  # around what is neither hit nor false positive, as for the detector
LOWEST_PROBABILITY = 0.1
PRIOR = 0.01  # outputs start as rare as bleeds are, or a short run is spent on unlearning the background
FEWEST_VOXELS = 2


class SegmentationPeer:
    """See the module's head; fits :class:`peers.peer.Peer`."""

    def __init__(self) -> None:
        network = DynUNet(
            spatial_dims=3,
            in_channels=2,
            out_channels=1,
            kernel_size=KERNELS,
            strides=STRIDES,
            upsample_kernel_size=STRIDES[1:],
            filters=FILTERS,
            norm_name="batch",
            deep_supervision=True,
            deep_supr_num=SUPERVISED,
        )
        for part in network.modules():
            if isinstance(part, UnetOutBlock):
                torch.nn.init.constant_(part.conv.conv.bias, float(np.log(PRIOR / (1 - PRIOR))))
        self.module = channels_last(network)
        self.optimiser = OptimiserSettings(rate=2e-3, warmup_steps=50)

    def loss(self, crops: Sequence[PeerCrop]) -> Tensor:
        """Return Dice plus cross-entropy over all outputs."""
        said = self.module(stacked(crops)).float()[:, :, 0]  # [B, outputs, x, y, z]
        target = torch.from_numpy(np.stack([_balls(crop, crop.bleeds, crop.diameters_mm) for crop in crops]))
        ignored = torch.from_numpy(np.stack([_ignored(crop) for crop in crops]))
        counted = (target | ~ignored).float()
        weights = [0.5**n for n in range(said.shape[1])]
        losses = [_dice_and_entropy(said[:, n], target.float(), counted) for n in range(said.shape[1])]
        return torch.stack([w * loss for w, loss in zip(weights, losses, strict=True)]).sum() / sum(weights)

    @torch.inference_mode()
    def candidates(self, prepared: Prepared, compute: Compute) -> Candidates:
        """See :class:`peers.peer.Peer`."""
        self.module.eval()
        image = torch.from_numpy(prepared.masked())[None]
        piece = piece_of(prepared.brain.shape, STRIDE)
        with compute.autocast():
            logit = sliding_window_inference(image, piece, 1, self.module, overlap=OVERLAP, mode="gaussian")
        probability = torch.sigmoid(torch.as_tensor(logit).float())[0, 0].numpy()
        return components(np.where(prepared.brain, probability, 0))


def components(probability: NDArray[np.float32]) -> Candidates:
    """Return the weighted middle [N, 3] and the largest probability [N] of each connected component."""
    labels, count = ndimage.label(probability >= LOWEST_PROBABILITY, np.ones((3, 3, 3)))
    if count == 0:
        return np.zeros((0, 3)), np.zeros(0)
    large = np.flatnonzero(np.bincount(labels.ravel())[1:] >= FEWEST_VOXELS) + 1
    if len(large) == 0:
        return np.zeros((0, 3)), np.zeros(0)
    middles = np.array(ndimage.center_of_mass(probability, labels, large)).reshape(-1, 3)
    return middles, np.asarray(ndimage.maximum(probability, labels, large), dtype=np.float64)


def _dice_and_entropy(logit: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Dice over the whole batch (crops without a bleed have none of their own) plus mean cross-entropy."""
    probability = torch.sigmoid(logit) * counted
    overlap = (probability * target).sum()
    dice = 1 - (2 * overlap + 1) / (probability.sum() + target.sum() + 1)
    entropy = functional.binary_cross_entropy_with_logits(logit, target, counted)
    return dice + entropy


def _ignored(crop: PeerCrop) -> NDArray[np.bool_]:
    """Return the voxels that do not count, bool [x, y, z]."""
    return _balls(crop, crop.ignored, np.full(len(crop.ignored), 2 * IGNORED_MM))


def _balls(crop: PeerCrop, points: NDArray[np.float64], diameters_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the voxels in balls around points, at least the nearest voxel of each; bool [x, y, z]."""
    mask = np.zeros(crop.brain.shape, dtype=bool)
    size: NDArray[np.int64] = np.array(mask.shape)
    for point, diameter in zip(points, diameters_mm, strict=True):
        reach = np.ceil(diameter / 2 / crop.spacing_mm).astype(int)
        low = np.clip(np.round(point).astype(int) - reach, 0, size)
        high = np.clip(np.round(point).astype(int) + reach + 1, 0, size)
        if np.any(high <= low):
            continue
        axes = np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
        distance = np.linalg.norm((np.stack(axes, -1) - point) * crop.spacing_mm, axis=-1)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        mask[box] |= distance <= max(diameter / 2, float(distance.min()))
    return mask
