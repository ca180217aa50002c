"""Brain mask, tissues and regions of a scan."""

from __future__ import annotations

from microbleeds.segmentation.segment import Segmentation, segment

__all__ = ["Segmentation", "segment"]
