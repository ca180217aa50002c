"""The command line: one file a verb. Heavy packages are imported only when a verb runs."""

from __future__ import annotations

from microbleeds.cli.app import main

__all__ = ["main"]
