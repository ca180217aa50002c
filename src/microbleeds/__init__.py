"""Find cerebral microbleeds on susceptibility-weighted MRI, place them, and report them.

Research use only. Not a medical device. The shipped weights learned from simulated scans:
no real microbleed stands behind any number that this package prints.

What is named in ``__all__`` is the library's surface (docs/api.md); each name is imported when it is first used,
so that ``import microbleeds`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microbleeds.comparison import ComparisonRequest, compare
    from microbleeds.errors import InputError
    from microbleeds.followup.record import Comparison
    from microbleeds.geometry import Grid
    from microbleeds.pipeline import Request, run
    from microbleeds.region_map import RegionRequest, map_regions
    from microbleeds.report.record import Finding, Record, read_record
    from microbleeds.scan import Scan, SequenceFacts
    from microbleeds.search import Found, Searcher
    from microbleeds.segmentation import Segmentation, segment
    from microbleeds.study import load_study, open_scan, scan_of

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "ComparisonRequest",
    "Finding",
    "Found",
    "Grid",
    "InputError",
    "Record",
    "RegionRequest",
    "Request",
    "Scan",
    "Searcher",
    "Segmentation",
    "SequenceFacts",
    "compare",
    "load_study",
    "map_regions",
    "open_scan",
    "read_record",
    "run",
    "scan_of",
    "segment",
]

_HOMES = {
    "comparison": ("ComparisonRequest", "compare"),
    "errors": ("InputError",),
    "followup.record": ("Comparison",),
    "geometry": ("Grid",),
    "pipeline": ("Request", "run"),
    "region_map": ("RegionRequest", "map_regions"),
    "report.record": ("Finding", "Record", "read_record"),
    "scan": ("Scan", "SequenceFacts"),
    "search": ("Found", "Searcher"),
    "segmentation": ("Segmentation", "segment"),
    "study": ("load_study", "open_scan", "scan_of"),
}
_HOME_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name of the surface from its home when it is first used (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
