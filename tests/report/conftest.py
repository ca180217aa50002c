"""Makes the little head available to the tests of this folder."""

from __future__ import annotations

from little_head import head

__all__ = ["head"]
