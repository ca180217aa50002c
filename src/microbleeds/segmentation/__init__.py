"""Brain mask, tissues and regions of a scan."""

from __future__ import annotations

from microbleeds.segmentation.segment import Segmentation, anatomy_of, segment

__all__ = ["Segmentation", "anatomy_of", "segment"]
