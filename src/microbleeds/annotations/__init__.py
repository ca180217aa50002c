"""People's own labelled scans: folders in the forms that exist become positions in RAS mm, and are checked.

Contents: :mod:`labelled_scan` (what travels), :mod:`find` (a folder becomes labelled scans), :mod:`images`
(which file is which image of which scan), :mod:`statement` (what ``labels.json`` says), one module per form of
labels, and :mod:`check` (what is wrong with them, in sentences).
"""

from __future__ import annotations

from microbleeds.annotations.find import labelled_scans
from microbleeds.annotations.labelled_scan import LabelledScan

__all__ = ["LabelledScan", "labelled_scans"]
