"""Other methods on the crops that the detector sees: a segmentation network, a RetinaNet, radial symmetry."""

from __future__ import annotations

from peers.loading import load_peer
from peers.training import train_peer

__all__ = ["load_peer", "train_peer"]
