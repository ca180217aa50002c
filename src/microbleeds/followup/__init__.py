"""Two or more visits of one person: alignment, one-to-one matching of findings, what is new, and a page.

Nothing here diagnoses: it says which findings are stable, new, no longer seen or outside the other scan, with the
score that the other scan has at that place, and leaves the verdict to a reader.
"""

from microbleeds.followup.compare import compare_visits, write_comparison
from microbleeds.followup.record import Comparison, read_comparison
from microbleeds.followup.rule import Rule, aria_h_class
from microbleeds.followup.series import Series, follow
from microbleeds.followup.visit import Visit, load_visit

__all__ = [
    "Comparison",
    "Rule",
    "Series",
    "Visit",
    "aria_h_class",
    "compare_visits",
    "follow",
    "load_visit",
    "read_comparison",
    "write_comparison",
]
