"""Data dictionaries: what each column of a table means, as BIDS sidecars hold it.

Columns that BIDS itself defines (``index name abbreviation color`` of a segmentation) are left to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microbleeds import __version__, tab_separated
from microbleeds.atomic import atomic_file
from microbleeds.regions import SCALES

Description = dict[str, Any]

_RAS = "of the centre in the world of the scan, RAS"
_GROUPS = {
    "lobar": "cortex and subcortical white matter",
    "deep": "basal ganglia, thalamus, capsules, corpus callosum, deep and periventricular white matter",
    "infratentorial": "brainstem and cerebellum",
    "none": "not placed",
}
FINDINGS: Mapping[str, Description] = {
    "id": {"Description": "Number of the finding; its value in the label image where it counts."},
    "x_mm": {"Description": f"First coordinate {_RAS} (right is positive).", "Units": "mm"},
    "y_mm": {"Description": f"Second coordinate {_RAS} (anterior is positive).", "Units": "mm"},
    "z_mm": {"Description": f"Third coordinate {_RAS} (superior is positive).", "Units": "mm"},
    "i": {"Description": "First voxel index in the input file, from 0."},
    "j": {"Description": "Second voxel index in the input file, from 0."},
    "k": {"Description": "Third voxel index in the input file, from 0."},
    "score": {"Description": "Calibrated score of the detector, 0 to 1; larger is surer."},
    "score_spread": {
        "Description": "Largest minus smallest score when the image is flipped or shifted; n/a where not measured."
    },
    "score_note": {"Description": "Said where the spread of the score is large."},
    "mineralisation_note": {
        "Description": "Said near the pallidum and the dentate nucleus, where iron gathers with age."
    },
    "certainty": {
        "Description": "How sure a finding that counts is, by score, roundness and size or by a reader; else n/a.",
        "Levels": {"definite": "meets all of the rule", "possible": "misses part of it"},
    },
    "certainty_reason": {"Description": "Why it is definite or possible; n/a where it does not count."},
    "diameter_mm": {"Description": "Apparent diameter: full width at half depth.", "Units": "mm"},
    "roundness": {"Description": "Smallest over largest extent of the dark spot, 0 to 1."},
    "group": {"Description": "Group by MARS (Gregoire 2009).", "Levels": _GROUPS},
    "region": {"Description": "Fine region by automatic segmentation, without its side."},
    "row": {"Description": "Row of the MARS form."},
    "side": {
        "Description": "The subject's side.",
        "Levels": {"left": "left", "right": "right", "none": "no side"},
    },
    "place_confidence": {
        "Description": "How far the group can be trusted.",
        "Levels": {
            "sure": "no other group within 2.5 mm on the segmentation",
            "border": "another group is near",
            "uncertain": "the segmentation looks wrong",
            "unknown": "no group",
            "reader": "a reader confirmed or gave the place",
        },
    },
    "margin_mm": {
        "Description": "Distance to the next group, at most 12; brainstem and cerebellum count as two.",
        "Units": "mm",
    },
    "bombs_group": {"Description": "Group by BOMBS (Cordonnier 2009).", "Levels": _GROUPS},
    "bombs_row": {"Description": "Row of the BOMBS form."},
    "kim_group": {"Description": "Group by Kim (arXiv 2306.13020).", "Levels": _GROUPS},
    "kept": {"Description": "Whether it counts.", "Levels": {"1": "counts", "0": "was removed"}},
    "removed_by": {
        "Description": "What removed it.",
        "Levels": {
            "score": "below the operating point",
            "anatomy": "ruled out by its place",
            "reader": "a reader",
        },
    },
    "reason": {"Description": "Why it was removed."},
}
LABELS: Mapping[str, Description] = {
    **{name: FINDINGS[name] for name in ("score", "certainty", "diameter_mm", "group", "region", "side")},
}
REGION_TABLE: Mapping[str, Description] = {
    "side": {"Description": "The subject's side."},
    **{
        f"{name.lower()}_{what}": {"Description": f"{what.capitalize()} on the scale {name} ({scale.source})."}
        for name, scale in SCALES.items()
        for what in ("group", "row")
    },
    "volume_ml": {"Description": "Volume in this scan.", "Units": "mL"},
}
_VISITS = {
    "id": "Id of the finding in that visit's record.",
    "x_mm": "First coordinate, RAS of that visit's scan.",
    "y_mm": "Second coordinate, RAS of that visit's scan.",
    "z_mm": "Third coordinate, RAS of that visit's scan.",
    "score": "Score there; n/a where no candidate reached the search's floor.",
    "counted": "Whether it counts at that visit (1) or not (0).",
    "diameter_mm": "Apparent diameter there.",
    "darkness": "How far the darkest point there lies below its surroundings, 0 to 1; asked without a candidate.",
    "certainty": "Definite or possible, where it counts there or is new.",
    "score_spread": "Largest minus smallest score there when the image is flipped or shifted.",
    "score_note": "Said where the spread of the score is large.",
    "place_confidence": "How far its group can be trusted there, as in the table of findings.",
}
LESIONS: Mapping[str, Description] = {
    "id": {"Description": "Number of the place, the same at both visits."},
    "state": {"Description": "new, stable, no longer seen, or outside the other scan."},
    "group": FINDINGS["group"],
    "region": FINDINGS["region"],
    "side": FINDINGS["side"],
    "distance_mm": {"Description": "Distance of both findings after alignment.", "Units": "mm"},
    **{
        f"{visit}_{name}": {"Description": f"{text[:-1]} ({visit})."}
        for visit in ("baseline", "followup")
        for name, text in _VISITS.items()
    },
    "note": {"Description": "What a reader should know about it."},
}
SESSIONS: Mapping[str, Description] = {
    "session_id": {"Description": "Session, the earliest first."},
    "microbleeds": {"Description": "Findings that count at this session."},
    "since": {"Description": "Session before, with which it was compared."},
    "aligned": {"Description": "Whether both scans could be aligned.", "Levels": {"1": "yes", "0": "no"}},
    "new": {"Description": "Findings that no earlier session showed; n/a where none could be aligned."},
    "new_so_far": {"Description": "Findings that were new at this or an earlier session."},
    "aria_h": {"Description": "ARIA-H class of the number of new microbleeds so far; no diagnosis."},
}


def write_dictionary(columns: Mapping[str, Description], path: Path, **more: Any) -> None:
    """Write a sidecar: what is said of the image or table as a whole, then its columns."""
    write_json({**more, **columns}, path)


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write JSON whole or not at all."""
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a table, tab separated; ``n/a`` where nothing is known."""
    tab_separated.write_table(columns, ([row.get(name) for name in columns] for row in rows), path)


def generated_by() -> list[dict[str, str]]:
    """Return what BIDS calls ``GeneratedBy``."""
    return [{"Name": "microbleeds", "Version": __version__}]
