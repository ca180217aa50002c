"""Benchmarks are scripts, not a package: their folder goes on the path."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

collect_ignore_glob = [] if BENCHMARKS.is_dir() else ["test_*.py"]
