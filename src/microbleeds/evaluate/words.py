"""Words by which readers say in a table that a place is no microbleed, and the columns in which they do."""

from __future__ import annotations

CLASSES = ("label", "class", "type", "category", "certainty", "rating", "kind", "mars")
NO_BLEEDS = frozenset(
    [
        "mimic",
        "none",
        "no",
        "false",
        "negative",
        "0",
        "vessel",
        "vein",
        "calcification",
        "calcium",
        "artefact",
        "artifact",
        "mineralisation",
        "mineralization",
        "cavernoma",
        "non-cmb",
        "noncmb",
        "nocmb",
        "normal",
        "rejected",
        "reject",
        "excluded",
        "not a microbleed",
        "no microbleed",
        "not cmb",
        "no cmb",
    ]
)
LEFT_OUT = frozenset(["ignore", "ignored"])
