"""A folder of labelled scans is read, checked and drawn: what was understood and what is wrong with it.

Contents: :mod:`run` (the whole way), :mod:`result` (what comes out), :mod:`contact_sheet` (pictures).
"""

from __future__ import annotations

from microbleeds.data_check.result import DataCheck, ScanCheck
from microbleeds.data_check.run import check_data_set

__all__ = ["DataCheck", "ScanCheck", "check_data_set"]
