r"""Benchmark of the segmentation: Dice of the groups, places of the true microbleeds, time and memory.

    python benchmarks/anatomy.py score mixed --data data/mixed --anatomy FOLDER
    python benchmarks/anatomy.py card validation --data data/validation
    python benchmarks/anatomy.py removal validation --data data/validation --found FINDINGS
    python benchmarks/anatomy.py table

`score` needs the cohort's scans (`python benchmarks/detection.py build mixed --anatomy FOLDER --data
data/mixed`) and the label maps for painted images. `removal` shows what each threshold of the rule on places
would remove and lose, from the findings that `detection.py score` keeps below the data. `table` writes
docs/results.md. How it is scored: docs/scoring.md.
"""

from __future__ import annotations

import json
import math
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import nibabel as nib
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cohort import HERE, Cohort, cohort_named, commit, hardware
from microbleeds.atomic import atomic_file
from microbleeds.compute import Compute, choose
from microbleeds.errors import InputError
from microbleeds.evaluate.cases import Case, read_cases
from microbleeds.evaluate.intervals import bootstrap
from microbleeds.evaluate.matching import match
from microbleeds.evaluate.overlap import confusion, overlaps
from microbleeds.evaluate.placement import Place, PlacedPair
from microbleeds.evaluate.tables import read_table
from microbleeds.geometry import canonical, grid_of
from microbleeds.localise import localise
from microbleeds.networks.anatomy import AnatomyNetwork
from microbleeds.report.run_record import sha256_of
from microbleeds.scan import Candidate, Scan
from microbleeds.segmentation import Segmentation, segment
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.study import load_study
from microbleeds.training.anatomy import contrast
from microbleeds.training.anatomy.scores import draw_example
from microbleeds.training.dataset import heads_of, subject_names
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_card import SHIPPED, AnatomyCard, load_anatomy
from pages import RESULTS_PAGE, write_part

GROUPS = ("lobar", "deep", "infratentorial")
PAPER = {"lobar": 0.904, "deep": 0.854, "infratentorial": 0.925}  # Kim et al., their own 3 T SWI
PAINTED_PER_HEAD = 4
THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Data = Annotated[Path, typer.Option(help="Folder of the cohort's scans.")]
Results = Annotated[Path, typer.Option(help="Folder of the results.")]


@dataclass(frozen=True, eq=False)
class Item:
    """One image with its truth.

    Args:
        head: scans of one head belong together.
        regions: uint8 [X, Y, Z], true region codes.
        bleeds_mm: float [N, 3] of the true microbleeds, with their ``places`` and whether each is ``visible``.
    """

    name: str
    head: str
    scan: Scan
    regions: NDArray[np.uint8]
    bleeds_mm: NDArray[np.float64]
    places: Sequence[Place] = ()
    visible: Sequence[bool] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one image: Dice by structure, and for each bleed (visible, right group, right region)."""

    name: str
    head: str
    confident: bool
    dice: dict[str, float]
    bleeds: list[tuple[bool, bool, bool]]
    seconds: float


@app.command()
def score(
    name: str,
    data: Data,
    anatomy: Annotated[Path, typer.Option(help="Folder of the label maps.")],
    weights: Annotated[Path, typer.Option(help="Instead of the shipped weights.")] = SHIPPED,
    results: Results = HERE / "results",
) -> None:
    """Segment every scan as SWI, magnitude and brain-extracted SWI, and painted images; compare with the truth."""
    cohort, (network, card), compute = cohort_named(name), load_anatomy(weights), choose()
    inputs = {}
    for kind in ("swi", "magnitude", "brain-extracted"):
        inputs[kind] = [
            _outcome(item, network, card, compute) for item in track(list_of(cohort, data, kind), kind)
        ]
    for kind in ("t1-like", "t2star-like"):
        inputs[kind] = [
            _outcome(item, network, card, compute) for item in track(painted(cohort, anatomy, kind), kind)
        ]
    content = {
        "notice": "Simulated scans: no real microbleed stands behind any number. Intervals are over heads, all of "
        "them deformations of the label maps named, so they understate what another head would change. T1-like "
        "and T2*-like images are painted straight from the label maps, some brain-extracted or cut.",
        "command": f"python benchmarks/anatomy.py score {name} --data DATA --anatomy FOLDER"
        + ("" if weights == SHIPPED else f" --weights {weights.name}"),
        "cohort": name,
        "about": cohort.about,
        "heads": cohort.anatomies,
        "seeds": {part.name: part.seed for part in cohort.parts},
        "model": card.name,
        "model_sha256": sha256_of(weights),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": hardware(),
        "compute": compute.describe(),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "scores": {kind: summary(outcomes) for kind, outcomes in inputs.items()},
        "scans": {kind: [vars(one) for one in outcomes] for kind, outcomes in inputs.items()},
    }
    path = results / f"anatomy-{name}-{card.name}.json"
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    Console().print(_shown(content["scores"]))  # type: ignore[arg-type]
    print(f"Scores: {path}")


@app.command()
def card(
    name: str,
    data: Data,
    weights: Annotated[Path, typer.Option(help="Weights whose card gets the figures.")] = SHIPPED,
) -> None:
    """Write the figures of the validation heads (SWI) into the card of the weights."""
    if name != "validation":
        raise InputError(f"The cohort {name} is for tests; the card holds figures of the cohort validation.")
    (network, loaded), compute = load_anatomy(weights), choose()
    items = list_of(cohort_named(name), data, "swi")
    outcomes = [_outcome(item, network, loaded, compute) for item in track(items)]
    found = summary(outcomes)
    names = (*(f"dice_{group}" for group in ("brain", *GROUPS)), "right_group_all", "right_region_all")
    figures = {f"validation_{key}": round(found[key]["value"], 4) for key in names}
    scores = {key: value for key, value in loaded.scores.items() if not key.startswith("validation_")} | figures
    with atomic_file(weights.with_suffix(".json")) as partial:
        partial.write_text(
            loaded.model_copy(update={"scores": scores}).model_dump_json(indent=2) + "\n", encoding="utf-8"
        )
    print(json.dumps(figures, indent=1))


@app.command()
def removal(
    name: str,
    found: Annotated[Path, typer.Option(help="Folder of findings, by part and subject.")],
    data: Data,
) -> None:
    """Show what each threshold of the rule on places removes and loses (validation heads alone)."""
    if name != "validation":
        raise InputError(
            f"The cohort {name} is for tests; the threshold is chosen on the cohort validation alone."
        )
    cohort, cut = cohort_named(name), load_detector().card.operating_points.balanced
    cases: list[tuple[Case, NDArray[np.float64]]] = []
    for part in cohort.parts:
        for case in read_cases(found / part.name, data / part.name):
            record = json.loads((found / part.name / case.name / "findings.json").read_text(encoding="utf-8"))
            shares = [f["parenchyma_share"] for f in record["findings"]]
            cases.append((case, np.array([1.0 if share is None else share for share in shares])))
    table = Table("least parenchyma", "hits", "false positives")
    for threshold in (0.0, *THRESHOLDS):
        hits, false = np.sum([_counted(case, shares, threshold, cut) for case, shares in cases], axis=0)
        table.add_row(f"{threshold:g}", str(hits), str(false))
    Console().print(table)


@app.command()
def table(results: Results = HERE / "results", page: Path = RESULTS_PAGE) -> None:
    """Write the tables of the segmentation into the page of results."""
    lines: list[str] = []
    shipped = sha256_of(SHIPPED)
    for path in sorted(results.glob("anatomy-*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["cohort"] != "validation" and content["model_sha256"] == shipped:
            lines += markdown(content)
    write_part("anatomy", lines, page)
    print("\n".join(lines))


def list_of(cohort: Cohort, data: Path, kind: str) -> list[Item]:
    """Return what to segment of a cohort; images are read when they are asked for."""
    items = []
    for part in cohort.parts:
        folder = data / part.name
        names = subject_names(folder)
        if len(names) != part.subjects or not (folder / "participants.tsv").exists():
            raise InputError(f"{folder} holds {len(names)} of {part.subjects} scans; run `build` first.")
        heads = heads_of(folder, names)
        items += [LazyItem(folder, name, f"{part.name}/{heads[name]}", kind) for name in names]
    return items  # type: ignore[return-value]


@dataclass(frozen=True)
class LazyItem:
    """A scan of a data set, and as what it is to be segmented."""

    folder: Path
    name: str
    head: str
    kind: str

    def read(self) -> Item:
        """Read the scan and its truth."""
        anat = self.folder / self.name / "anat"
        truth = self.folder / "derivatives" / "truth" / self.name / "anat"
        if self.kind == "magnitude":
            scan = load_study(magnitude=anat / f"{self.name}_part-mag_GRE.nii.gz")
        else:
            scan = load_study(swi=anat / f"{self.name}_swi.nii.gz")
        if self.kind == "brain-extracted":
            scan = replace(scan, swi=scan.swi * _codes(truth / f"{self.name}_desc-brain_mask.nii.gz"))
        table = read_table(truth / f"{self.name}_microbleeds.tsv")
        places = [
            Place(g, r, s) for g, r, s in zip(*(table.text(c) for c in ("group", "region", "side")), strict=True)
        ]
        regions = _codes(truth / f"{self.name}_dseg.nii.gz")
        visible = [bool(v) for v in table.flags("visible", True)]
        return Item(self.name, self.head, scan, regions, table.positions_mm(), places, visible)


def painted(cohort: Cohort, anatomy: Path, kind: str) -> Iterator[Item]:
    """Paint images of the cohort's label maps in T1-like or T2*-like contrast, other shapes each."""
    shares = {"t1-like": (0.0, 1.0), "t2star-like": (1.0, 0.0)}[kind]
    kept = contrast.SWI_SHARE, contrast.T1_SHARE
    contrast.SWI_SHARE, contrast.T1_SHARE = shares
    try:
        for number, file in enumerate(cohort.anatomies):
            head = load_label_map(anatomy / file)
            for draw in range(PAINTED_PER_HEAD):
                example = draw_example(head, 2_000_000 + 1000 * number + draw)
                name = f"{head.name}-{draw}"
                yield Item(name, head.name, example.scan, example.regions, np.zeros((0, 3)))
    finally:
        contrast.SWI_SHARE, contrast.T1_SHARE = kept


def _codes(path: Path) -> NDArray[np.uint8]:
    """Read whole numbers on the canonical grid."""
    image = nib.load(path)
    return canonical(np.asarray(image.dataobj).astype(np.uint8), grid_of(image))[0]


def _outcome(item: Item | LazyItem, network: AnatomyNetwork, card: AnatomyCard, compute: Compute) -> Outcome:
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
        _bleeds(item, found),
        round(seconds, 2),
    )


def _bleeds(item: Item, found: Segmentation | None) -> list[tuple[bool, bool, bool]]:
    """Return for each true microbleed: visible, right group, right MARS region and side."""
    if found is None:
        return [(visible, False, False) for visible in item.visible]
    candidates = [Candidate((float(x), float(y), float(z)), 1.0) for x, y, z in item.bleeds_mm]
    rows = []
    for placed, true, visible in zip(localise(candidates, found), item.places, item.visible, strict=True):
        pair = PlacedPair(true, Place(placed.group, placed.region, placed.side))
        if pair.compared:
            rows.append((visible, pair.right_group, pair.right_group and pair.right_region))
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
        for column, what in ((1, "right_group"), (2, "right_region")):
            rows = [[b[column] for o in head for b in o.bleeds if b[0] in wanted] for head in by_head]
            scores[f"{what}_{label}"] = _share(np.array([[sum(row), len(row)] for row in rows]))
            scores[f"bleeds_{label}"] = sum(len(row) for row in rows)
    scores["seconds_median"] = float(np.median([one.seconds for one in outcomes]))
    return scores


def _share(pairs: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the ratio of both sums over heads [N, 2] and its interval."""

    def ratio(chosen: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        above, below = np.sum(chosen, axis=0)
        return np.array([above / below if below else np.nan])

    (interval,) = bootstrap(list(pairs), ratio, repeats=2000)
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _counted(case: Case, shares: NDArray[np.float64], threshold: float, cut: float) -> NDArray[np.int64]:
    """Return hits and false positives of one scan if that threshold held."""
    found, truth = case.predictions, case.truth
    chosen = (found.scores >= cut) & (shares >= threshold)
    result = match(found.positions_mm[chosen], found.scores[chosen], truth.counted_mm, truth.ignored_mm, 5.0)
    return np.array([result.hit.sum(), result.false_positive.sum()], dtype=np.int64)


def _shown(scores: dict[str, dict[str, Any]]) -> Table:
    """Return a table for the terminal."""
    rows = [key for key, value in next(iter(scores.values())).items() if isinstance(value, dict)]
    table = Table("", *scores)
    for row in rows:
        table.add_row(row, *(_text(scores[kind][row]) for kind in scores))
    return table


def _text(interval: dict[str, float | None], digits: int = 3) -> str:
    """A value with its interval."""
    value, low, high = interval["value"], interval["low"], interval["high"]
    if value is None or value != value:
        return "n/a"
    return f"{value:.{digits}f}" + (
        "" if low is None or high is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    )


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
        "| input | Dice lobar | deep | infratentorial | brain | right group | right MARS region and side |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, one in scores.items():
        cells = [_text(one[f"dice_{name}"]) for name in (*GROUPS, "brain")]
        cells += [_text(one[f"{what}_visible"]) for what in ("right_group", "right_region")]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    paper = " | ".join(f"{PAPER[name]:.3f}" for name in GROUPS)
    lines += [
        f"| Kim et al., their own scans | {paper} | | 0.98 of detections | |",
        "",
        f"Of all microbleeds on SWI, visible or not: right group {_text(first['right_group_all'])}, right region "
        f"{_text(first['right_region_all'])}. Median time {first['seconds_median']:.1f} s a scan, peak memory of "
        f"the whole benchmark {content['peak_memory_mb'] / 1000:.1f} GB ({content['hardware']['processor']}, "
        f"{content['compute']}).",
        "",
        f"Weights `{content['model']}` ({content['model_sha256'][:8]}), commit {content['commit']}, "
        f"{content['date'][:10]}. Remake: `{content['command']}`.",
        "",
    ]
    return lines


if __name__ == "__main__":
    app()
