"""How well a segmentation does: Dice of the groups, and the places that true microbleeds get.

How it is scored is written down in docs/scoring.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anatomy_scans import Item, LazyItem
from interval_text import number_text
from microbleeds.compute import Compute
from microbleeds.diameter import apparent_diameter_mm
from microbleeds.errors import InputError
from microbleeds.evaluate.intervals import bootstrap, of_share
from microbleeds.evaluate.overlap import confusion, overlaps
from microbleeds.evaluate.placement import Place, PlacedPair
from microbleeds.localise import Placement, localise
from microbleeds.networks.anatomy import AnatomyNetwork
from microbleeds.regions import KIM
from microbleeds.scan import Candidate
from microbleeds.segmentation import Segmentation, segment, segment_without
from microbleeds.weights.anatomy_card import AnatomyCard

GROUPS = ("lobar", "deep", "infratentorial")
PAPER = {"lobar": 0.904, "deep": 0.854, "infratentorial": 0.925}  # Kim et al., their own 3 T SWI


@dataclass(frozen=True)
class Outcome:
    """What became of one image: Dice by structure, and for each bleed four answers, see :func:`_bleeds`."""

    name: str
    head: str
    confident: bool
    dice: dict[str, float]
    bleeds: list[tuple[bool, bool, bool, bool]]
    seconds: float
    protocol: str = ""


def outcome_of(item: Item | LazyItem, network: AnatomyNetwork, card: AnatomyCard, compute: Compute) -> Outcome:
    """Segment one image and compare."""
    item = item.read() if isinstance(item, LazyItem) else item
    begin = time.perf_counter()
    try:
        found: Segmentation | None = segment(item.scan, network, compute, card)
    except InputError:
        found = None
    seconds = time.perf_counter() - begin
    regions = np.zeros_like(item.regions) if found is None else found.regions
    return Outcome(
        item.name,
        item.head,
        found is not None and found.confident,
        {name: round(value, 4) for name, value in overlaps(confusion(regions, item.regions)).items()},
        _bleeds(item, None if found is None else placing(item, found, network, card, compute)),
        round(seconds, 2),
        item.protocol,
    )


def placing(
    item: Item, found: Segmentation, network: AnatomyNetwork, card: AnatomyCard, compute: Compute
) -> list[Placement]:
    """Place the true microbleeds as the program places findings: on the scan in which they are filled."""
    scan, spots = item.scan, []
    for x, y, z in item.bleeds_mm.tolist():
        voxel = scan.grid.to_ijk(np.array((x, y, z)))
        spots.append(Candidate((x, y, z), 1.0, apparent_diameter_mm(scan.swi, voxel, scan.grid.spacing_mm)))
    return localise(spots, segment_without(scan, found, spots, network, compute, card))


def _bleeds(item: Item, places: Sequence[Placement] | None) -> list[tuple[bool, bool, bool, bool]]:
    """Return for each true microbleed: visible, right group, right MARS region and side, right group by Kim."""
    if places is None:
        return [(visible, False, False, False) for visible in item.visible]
    rows = []
    for placed, true, visible in zip(places, item.places, item.visible, strict=True):
        pair = PlacedPair(true, Place(placed.group, placed.region, placed.side))
        if pair.compared:
            region = pair.right_group and pair.right_region
            rows.append((visible, pair.right_group, region, bool(pair.right_by(KIM))))
    return rows


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return means with intervals over heads."""
    heads = list(dict.fromkeys(one.head for one in outcomes))
    by_head = [[one for one in outcomes if one.head == head] for head in heads]
    scores: dict[str, Any] = {"scans": len(outcomes), "heads": len(heads)}
    scores["confident"] = sum(one.confident for one in outcomes)
    for name in ("brain", *GROUPS):
        known = [[o.dice[name] for o in head if not math.isnan(o.dice[name])] for head in by_head]
        sums = [[sum(values), len(values)] for values in known]
        scores[f"dice_{name}"] = _share(np.array(sums))
    for label, wanted in (("visible", (True,)), ("all", (True, False))):
        for column, what in ((1, "right_group"), (2, "right_region"), (3, "right_group_kim")):
            rows = [[b[column] for o in head for b in o.bleeds if b[0] in wanted] for head in by_head]
            scores[f"{what}_{label}"] = _share(np.array([[sum(row), len(row)] for row in rows]))
            scores[f"bleeds_{label}"] = sum(len(row) for row in rows)
    scores["seconds_median"] = float(np.median([one.seconds for one in outcomes]))
    return scores


def by_protocol(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Return the summary of each protocol: what can be seen of sulci and nuclei differs most between them."""
    protocols = sorted({one.protocol for one in outcomes if one.protocol})
    return {name: summary([one for one in outcomes if one.protocol == name]) for name in protocols}


def _share(pairs: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the ratio of both sums over heads [N, 2] and its interval."""

    def ratio(chosen: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        above, below = np.sum(chosen, axis=0)
        return np.array([above / below if below else np.nan])

    (interval,) = bootstrap(list(pairs), ratio, repeats=2000)
    interval = of_share(interval, int(pairs[:, 1].sum()))
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def markdown(content: dict[str, Any]) -> list[str]:
    """Return the table of one cohort."""
    scores = content["scores"]
    first = scores["swi"]
    lines = [
        f"## Segmentation, cohort `{content['cohort']}`",
        "",
        f"{first['scans']} simulated scans of {first['heads']} heads never used in training, "
        f"{first['bleeds_visible']} visible microbleeds ({first['bleeds_all']} in all). {content['notice']}",
        "",
        "| input | images of heads | Dice lobar | deep | infratentorial | brain | right group "
        "| right MARS region and side | right group by Kim |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, one in scores.items():
        cells = [number_text(one[f"dice_{name}"]) for name in (*GROUPS, "brain")]
        cells += [
            number_text(one[f"{what}_visible"]) for what in ("right_group", "right_region", "right_group_kim")
        ]
        lines.append(f"| {kind} | {one['scans']} of {one['heads']} | {' | '.join(cells)} |")
    paper = " | ".join(f"{PAPER[name]:.3f}" for name in GROUPS)
    lines += [
        f"| Kim et al., their own scans | | {paper} | | | | 0.98 of detections |",
        "",
        "SWI by protocol (field strength and voxel in its name):",
        "",
        "| protocol | scans | Dice lobar | deep | infratentorial | right group |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in content["swi_by_protocol"].items():
        cells = [f"{one[f'dice_{group}']['value']:.3f}" for group in GROUPS]
        lines.append(
            f"| {name} | {one['scans']} | {' | '.join(cells)} | {number_text(one['right_group_visible'])} |"
        )
    lines += [
        "",
        f"Of all microbleeds on SWI, visible or not: right group {number_text(first['right_group_all'])}, "
        f"right region {number_text(first['right_region_all'])}. "
        f"Median time {first['seconds_median']:.1f} s a scan, peak memory of the whole benchmark "
        f"{content['peak_memory_mb'] / 1000:.1f} GB "
        f"({content['hardware']['processor']}, {content['compute']}).",
        "",
        f"Weights `{content['model']}` ({content['model_sha256'][:8]}), commit {content['commit']}, "
        f"{content['date'][:10]}. Remake: `{content['command']}`.",
        "",
    ]
    return lines
