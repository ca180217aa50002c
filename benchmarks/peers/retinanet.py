"""MONAI's 3D RetinaNet with boxes of microbleeds: anchors of 4 to 10 mm on the working grid of 0.5 x 0.5 x 2 mm.

MONAI's heads, anchors and matching stand on a small residual network with a feature pyramid, whose maps of
2 x 2 x 2 and 4 x 4 x 4 mm have the size of the detector's cells; three anchors at each position. Focal loss over
all anchors (Lin et al. 2017), so that crops without a bleed teach too; anchors near what is neither a hit nor a
false positive do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.networks.blocks import ResidualUnit
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork
from numpy.typing import NDArray
from torch import Tensor, nn

from microbleeds.compute import Compute
from microbleeds.networks.detector import channels_last
from microbleeds.prepare import Prepared
from microbleeds.training.losses import focal_loss
from microbleeds.training.presets import OptimiserSettings
from peers.crops import PeerCrop, stacked
from peers.peer import OVERLAP, Candidates, piece_of

WIDTHS = (24, 48, 96)
STRIDES = ((2, 2, 1), (2, 2, 1), (2, 2, 2))
STRIDE = (8, 8, 2)  # all of them together
PYRAMID_WIDTH = 40
ANCHORS = ((8, 8, 2), (12, 12, 4), (20, 20, 6))  # voxels: about 4, 6 and 10 mm, on the coarser map twice as large
SMALLEST_BOX_MM = 4.0  # two slices: a box of one has next to no overlap with any anchor
IGNORED_MM = 4.5
LOWEST_SCORE = 0.02
BOX, LABEL, SCORE = "box", "label", "label_scores"


class PyramidBackbone(nn.Module):
    """Three residual units and a pyramid over the last two."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (2, *WIDTHS)
        self.units = nn.ModuleList(
            ResidualUnit(3, inputs[n], WIDTHS[n], strides=STRIDES[n], subunits=2, norm="batch", act="relu")
            for n in range(len(WIDTHS))
        )
        self.pyramid = FeaturePyramidNetwork(3, list(WIDTHS[1:]), PYRAMID_WIDTH)
        self.out_channels = PYRAMID_WIDTH

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the maps of the pyramid, finest first."""
        first, second, third = self.units
        fine = second(first(image))
        return self.pyramid({"fine": fine, "coarse": third(fine)})


class BleedDetector(RetinaNetDetector):
    """RetinaNet whose matching knows spots that do not count, and needs no torchvision."""

    ignored: Sequence[Tensor] = ()

    def compute_anchor_matched_idxs(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]], num_anchor_locs_per_level: Sequence[int]
    ) -> list[Tensor]:
        """Match anchors with boxes (ATSS); see MONAI's method of this name."""
        matched = []
        for anchor, target, ignored in zip(anchors, targets, self.ignored, strict=True):
            index = torch.full((len(anchor),), self.proposal_matcher.BELOW_LOW_THRESHOLD, dtype=torch.int64)
            if len(target[BOX]):
                _, index = self.proposal_matcher(
                    target[BOX], anchor, num_anchor_locs_per_level, self.num_anchors_per_loc
                )
            if len(ignored):
                middle = (anchor[:, :3] + anchor[:, 3:]) / 2
                # Boxes of ``ignored`` are [I, 6] around each spot.
                near = ((middle[:, None] > ignored[:, :3]) & (middle[:, None] < ignored[:, 3:])).all(-1).any(1)
                index = torch.where(near & (index < 0), self.proposal_matcher.BETWEEN_THRESHOLDS, index)
            matched.append(index)
        return matched


class RetinaNetPeer:
    """See the module's head; fits :class:`peers.peer.Peer`."""

    def __init__(self) -> None:
        network = RetinaNet(3, 1, len(ANCHORS), PyramidBackbone(), size_divisible=STRIDE)
        self.module = channels_last(network)
        anchors = AnchorGeneratorWithAnchorShape(feature_map_scales=(1, 2), base_anchor_shapes=ANCHORS)
        self.detector = BleedDetector(self.module, anchors)
        self.detector.set_target_keys(BOX, LABEL)
        self.detector.set_atss_matcher(num_candidates=4, center_in_gt=False)
        self.detector.set_cls_loss(PerPositive())
        self.detector.set_box_selector_parameters(
            score_thresh=LOWEST_SCORE, nms_thresh=0.2, detections_per_img=300
        )
        self.optimiser = OptimiserSettings(rate=1e-3, warmup_steps=100)

    def loss(self, crops: Sequence[PeerCrop]) -> Tensor:
        """Return the loss of classes and boxes, weighted alike."""
        targets = []
        for crop in crops:
            boxes = _boxes(crop.bleeds, np.maximum(crop.diameters_mm, SMALLEST_BOX_MM), crop.spacing_mm)
            targets.append({BOX: boxes, LABEL: torch.zeros(len(boxes), dtype=torch.int64)})
        spread = [np.full(len(crop.ignored), 2 * IGNORED_MM) for crop in crops]
        self.detector.ignored = [
            _boxes(crop.ignored, wide, crop.spacing_mm) for crop, wide in zip(crops, spread, strict=True)
        ]
        self.detector.train()
        losses = self.detector(stacked(crops), targets)
        return losses[self.detector.cls_key] + losses[self.detector.box_reg_key]

    @torch.inference_mode()
    def candidates(self, prepared: Prepared, compute: Compute) -> Candidates:
        """See :class:`peers.peer.Peer`."""
        self.detector.eval()
        piece = piece_of(prepared.brain.shape, STRIDE)
        self.detector.set_sliding_window_inferer(piece, overlap=OVERLAP, mode="gaussian")
        image = torch.from_numpy(prepared.masked())
        with compute.autocast():
            said = self.detector([image], use_inferer=True)[0]
        boxes = said[BOX].float().numpy()
        middles = ((boxes[:, :3] + boxes[:, 3:]) / 2 - 0.5).astype(np.float64).reshape(-1, 3)
        voxel = np.clip(np.round(middles).astype(int), 0, np.asarray(prepared.brain.shape) - 1)
        inside = prepared.brain[tuple(voxel.T)]
        return middles[inside], said[SCORE].float().numpy().astype(np.float64)[inside]


class PerPositive(nn.Module):
    """Focal loss per positive anchor, with the constants that the detector uses."""

    def forward(self, logit: Tensor, target: Tensor) -> Tensor:
        """Return the loss of anchors [N, 1]."""
        return focal_loss(logit.float().T, target.T, gamma=2.0, alpha=0.5)


def _boxes(
    points: NDArray[np.float64], diameters_mm: NDArray[np.float64], spacing_mm: NDArray[np.float64]
) -> Tensor:
    """Return boxes [N, 6] in voxel edges: the first voxel reaches from 0 to 1, so its middle is 0.5."""
    half = diameters_mm[:, None] / spacing_mm / 2
    middles = points.reshape(-1, 3) + 0.5
    return torch.from_numpy(np.concatenate([middles - half, middles + half], axis=1)).float()
