"""Brain mask, tissues and regions of a scan."""

from __future__ import annotations

from microbleeds.segmentation.segment import Segmentation, anatomy_of, segment
from microbleeds.segmentation.spots import segment_without

__all__ = ["Segmentation", "anatomy_of", "segment", "segment_without"]
