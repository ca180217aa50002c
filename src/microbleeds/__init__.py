"""Find cerebral microbleeds on susceptibility-weighted MRI, place them, and report them.

Research use only. Not a medical device. The shipped weights learned from simulated scans:
no real microbleed stands behind any number that this package prints.
"""

from __future__ import annotations

__version__ = "0.1.0"
