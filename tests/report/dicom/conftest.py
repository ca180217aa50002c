"""Makes the little head's DICOM objects available to the tests of this folder."""

from __future__ import annotations

from dicom_result import written

__all__ = ["written"]
