"""Benchmark of the follow-up: build pairs of visits, search both, compare, score what is called new.

    python benchmarks/followup.py build retest --anatomy FOLDER --data data/followup
    python benchmarks/followup.py score retest --data data/followup
    python benchmarks/followup.py choose --data data/followup-validation

`build` needs the public label maps (README, "Data"). `score` writes benchmarks/results/followup-NAME.json.
`choose` shows, on the validation pairs alone, what each low cut of the rule would give with each new cut and dark
share; the rule in `microbleeds/followup/rule.py` holds the choice. What was searched by the same commit is not
searched again, nor what lies in the folder given with --found. The target, set before: at least 90 % of the new
ones found at no more than 0.3 falsely new per pair.

How it is scored, written before the test pairs were looked at:

* A lesion called new is a hit if one of the truly new microbleeds that are visible at follow-up (docs/scoring.md)
  lies within 5 mm, one to one.
* One that lies within 5 mm of a truly new microbleed that is not visible is neither a hit nor false.
* Everything else called new is falsely new: old microbleeds, also those that the baseline did not show, old
  mineralisation and every mimic. Pairs without new microbleeds count.
* A pair whose alignment fails has found nothing.
* Intervals: 95 %, 2,000 bootstrap draws over pairs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cohort import HERE, commit, hardware
from interval_text import number_text
from microbleeds import __version__
from microbleeds.atomic import atomic_file, atomic_folder
from microbleeds.errors import InputError
from microbleeds.evaluate import match
from microbleeds.evaluate.intervals import bootstrap, of_rate, of_share
from microbleeds.evaluate.tables import Table as Rows
from microbleeds.evaluate.tables import read_table
from microbleeds.followup import Comparison, Rule, aria_h_class, load_visit, read_comparison
from microbleeds.followup.compare import compare_visits, lesion_records, write_comparison
from microbleeds.followup.counting import count
from microbleeds.followup.differences import why_not_alike
from microbleeds.followup.matching import VisitFindings, match_findings
from microbleeds.followup.rigid import distances_mm
from microbleeds.pipeline import Request, run
from microbleeds.read.nifti import read_nifti
from microbleeds.report.brain_image import read_brain
from microbleeds.report.record import Record, read_record
from microbleeds.simulate.protocol import DEFAULT_PROTOCOL
from microbleeds.simulate.visit_dataset import simulate_visits
from microbleeds.simulate.visits import VisitSettings
from program import made_by
from side_by_side import side_by_side

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Data = Annotated[Path, typer.Option(help="Folder of the pairs.")]
Found = Annotated[
    Path | None,
    typer.Option(
        help="Folder of results; what it holds is taken as it is. Else below DATA, by commit and weights."
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes side by side.")]
RADIUS_MM = 5.0
LOW_CUTS = (0.012, 0.05, 1.01)
NEW_CUTS = (None, 0.12, 0.06, 0.03, 0.02)
DARK_SHARES = (None, 0.2, 0.35, 0.5)
LEAST_FOUND, MOST_FALSELY_NEW = 0.9, 0.3
SESSIONS = ("ses-01", "ses-02")


@dataclass(frozen=True)
class Part:
    """Pairs of one kind: their protocols at baseline and at follow-up (``same``: and the same scanner)."""

    name: str
    pairs: int
    seed: int
    protocol: str
    followup_protocol: str


@dataclass(frozen=True)
class Cohort:
    """Heads, seeds and protocols."""

    heads: tuple[int, ...]
    parts: tuple[Part, ...]
    profile: str = "mixed"
    burden: str = "natural"

    @property
    def anatomies(self) -> list[str]:
        """File names of the label maps."""
        return [f"training_seg_{head:02d}.nii.gz" for head in self.heads]


COHORTS = {
    "validation": Cohort(
        (11, 12, 13),
        (
            Part("same", 12, 1000500, DEFAULT_PROTOCOL, "same"),
            Part("changed", 10, 1000600, "mixed", "other"),
        ),
    ),
    "test": Cohort(
        (14, 15, 16),
        (
            Part("same", 20, 2000500, DEFAULT_PROTOCOL, "same"),
            Part("changed", 10, 2000600, "mixed", "other"),
        ),
    ),
    # Drawn when the detector was trained anew, since the rule was refined after `test` had been scored.
    "retest": Cohort(
        (14, 15, 16),
        (
            Part("same", 20, 2000700, DEFAULT_PROTOCOL, "same"),
            Part("changed", 10, 2000800, "mixed", "other"),
        ),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What became of one pair.

    Args:
        new_visible: truly new microbleeds that can be seen; ``found`` of them were called new.
        falsely_new: called new without being so.
        new_detected: of ``new_visible``, those that the follow-up's search counts at all, new or not.
        falsely_lost: microbleeds visible at both visits that are called no longer seen.
        class_right: whether the class of ARIA-H is that of the visible new microbleeds.
        error_mm: true error of the alignment, 95th percentile over the brain; ``stated_mm`` is the stated one.
    """

    name: str
    part: str
    aligned: bool
    new_visible: int
    found: int
    falsely_new: int
    new_detected: int
    falsely_lost: int
    class_right: bool
    error_mm: float
    stated_mm: float


@dataclass(frozen=True, eq=False)
class Pair:
    """A pair that was searched and aligned before: what any rule needs, read once.

    Args:
        part: its kind.
        subject: its name.
        comparison: by whatever rule.
        visits: candidates of baseline and follow-up.
        records: of both.
    """

    part: str
    subject: str
    comparison: Comparison
    visits: tuple[VisitFindings, VisitFindings]
    records: tuple[Record, Record]


@app.command()
def build(
    name: str,
    data: Data,
    anatomy: Annotated[Path, typer.Option(help="Folder of the label maps.")],
    jobs: Jobs = 1,
) -> None:
    """Simulate the pairs; what was broken off goes on where it stood."""
    cohort = _cohort(name)
    missing = [file for file in cohort.anatomies if not (anatomy / file).exists()]
    if missing:
        raise InputError(f"The folder {anatomy} lacks {', '.join(missing)}.")
    for part in cohort.parts:
        simulate_visits(
            data / part.name,
            heads=part.pairs,
            seed=part.seed,
            settings=VisitSettings(part.protocol, part.followup_protocol, cohort.profile, cohort.burden),
            anatomies=[anatomy / file for file in cohort.anatomies],
            jobs=jobs,
            resume=True,
            progress=lambda done, total, part=part: print(f"{part.name}: {done} of {total}", flush=True),
        )


@app.command()
def score(
    name: str,
    data: Data,
    found: Found = None,
    jobs: Jobs = 1,
    results: Annotated[Path, typer.Option(help="Folder of the result.")] = HERE / "results",
) -> None:
    """Search and compare every pair and score what is called new."""
    cohort = _cohort(name)
    outcomes = [outcome(data, pair, Rule()) for pair in _compared(cohort, data, found, jobs)]
    groups = {"all": outcomes} | {
        part.name: [one for one in outcomes if one.part == part.name] for part in cohort.parts
    }
    path = results / f"followup-{name}.json"
    content = {
        "notice": "Simulated scans: no real microbleed stands behind any number. Intervals are over pairs.",
        "command": f"python benchmarks/followup.py score {name} --data DATA",
        "cohort": asdict(cohort),
        "rule": asdict(Rule()),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "package_version": __version__,
        "hardware": hardware(),
        "scores": {group: summary(members) for group, members in groups.items() if members},
        "pairs": [asdict(one) for one in outcomes],
    }
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    Console().print(_table({group: members for group, members in groups.items() if members}))
    print(f"Scores: {path}")


@app.command()
def choose(data: Data, found: Found = None, jobs: Jobs = 1) -> None:
    """Show what each low cut gives with each new cut and dark share on the validation pairs.

    The last low cut is no second threshold. A dark share that is off does not ask how dark the other scan is. A
    new cut that is off finds nothing by comparing; one at or below the low cut is left out, since what baseline
    may have need not be new.
    """
    pairs = list(_compared(_cohort("validation"), data, found, jobs))
    table = Table(
        "low cut",
        "new cut",
        "dark share",
        "found",
        "of",
        "falsely new per pair",
        "falsely lost per pair",
        "on target",
    )
    for dark in DARK_SHARES:
        for low in LOW_CUTS:
            for new in (cut for cut in NEW_CUTS if cut is None or cut > low):
                table.add_row(*_by_rule(data, pairs, Rule(low_cut=low, new_cut=new, dark_share=dark)))
        table.add_section()
    Console().print(table)


def _by_rule(data: Path, pairs: Sequence[Pair], rule: Rule) -> list[str]:
    """Return what a rule gives on some pairs: a row of `choose`."""
    outcomes = [outcome(data, pair, rule) for pair in pairs]
    found, visible = sum(o.found for o in outcomes), sum(o.new_visible for o in outcomes)
    false = float(np.mean([o.falsely_new for o in outcomes]))
    lost = float(np.mean([o.falsely_lost for o in outcomes]))
    good = found >= LEAST_FOUND * visible and false <= MOST_FALSELY_NEW
    cuts = [
        f"{rule.low_cut:g}",
        *("off" if cut is None else f"{cut:g}" for cut in (rule.new_cut, rule.dark_share)),
    ]
    return [*cuts, str(found), str(visible), f"{false:.2f}", f"{lost:.2f}", "yes" if good else ""]


def _cohort(name: str) -> Cohort:
    if name not in COHORTS:
        raise InputError(f"There is no cohort called {name!r}; choose one of {', '.join(COHORTS)}.")
    return COHORTS[name]


def _compared(cohort: Cohort, data: Path, found: Path | None, jobs: int) -> Iterator[Pair]:
    """Search and compare every pair, or read what was found before."""
    again = found is None and "-dirty" in commit()
    found = found or data / "found" / made_by(None)
    for part in cohort.parts:
        pairs = [
            (folder.name, found / part.name / folder.name) for folder in sorted((data / part.name).glob("sub-*"))
        ]
        calls = [partial(_compare, data / part.name, subject, out, again) for subject, out in pairs]
        side_by_side(calls, jobs, part.name)
        for subject, out in pairs:
            yield _pair(part.name, subject, out)


def _compare(data: Path, subject: str, found: Path, again: bool) -> None:
    """Search both visits of a pair and compare them, where that was not done before."""
    for session in SESSIONS:
        _search(data, subject, session, found / session, again)
    out = found / "comparison"
    if again or not (out / "comparison.json").exists():
        baseline, followup = (load_visit(found / session) for session in SESSIONS)
        comparison = compare_visits(baseline, followup)
        with atomic_folder(out, overwrite=True) as folder:
            write_comparison(comparison, baseline, followup, folder)


def _pair(part: str, subject: str, found: Path) -> Pair:
    """Read a pair that was compared."""
    (one, first), (two, second) = (_visit_of(found / session) for session in SESSIONS)
    comparison = read_comparison(found / "comparison" / "comparison.json")
    return Pair(part, subject, comparison, (one, two), (first, second))


def _search(data: Path, subject: str, session: str, out: Path, again: bool) -> None:
    """Search one visit."""
    if again or not (out / "findings.json").exists():
        stem = data / subject / session / "anat" / f"{subject}_{session}"
        swi, phase = (Path(f"{stem}_{name}.nii.gz") for name in ("swi", "part-phase_GRE"))
        run(Request(out=out, swi=swi, phase=phase, overwrite=True))


def _visit_of(result: Path) -> tuple[VisitFindings, Record]:
    """Read a visit's candidates and the brain that was searched."""
    record = read_record(result / "findings.json")
    swi, grid = read_nifti(Path(record.scan.files["swi"]))
    return VisitFindings(record.findings, grid, read_brain(result, grid), swi), record


def _matched_again(pair: Pair, rule: Rule) -> Comparison:
    """Return what a rule makes of a pair: its lesions, counts and class."""
    comparison, (baseline, followup) = pair.comparison, pair.visits
    if not comparison.registration.succeeded:
        return comparison
    if why_not_alike(*pair.records) is not None:
        rule = replace(rule, new_cut=None)
    spacings = [baseline.grid.spacing_mm, followup.grid.spacing_mm]
    tolerance_mm = rule.tolerance_mm(comparison.registration.error_mm, spacings)
    reach_mm = rule.dark_reach_mm(comparison.registration.error_mm)
    map_ = np.array(comparison.registration.followup_from_baseline)
    lesions = lesion_records(match_findings(baseline, followup, map_, rule, tolerance_mm, reach_mm), map_)
    counts = count(lesions)
    return comparison.model_copy(
        update={"lesions": lesions, "counts": counts, "aria_h": aria_h_class(counts["new"].total)}
    )


def outcome(data: Path, pair: Pair, rule: Rule) -> Outcome:
    """Score what a rule makes of one pair."""
    subject, comparison = pair.subject, _matched_again(pair, rule)
    truth = data / pair.part / "derivatives" / "truth" / subject
    table = read_table(truth / "ses-02" / "anat" / f"{subject}_ses-02_microbleeds.tsv")
    before = read_table(truth / "ses-01" / "anat" / f"{subject}_ses-01_microbleeds.tsv")
    visible, new = table.flags("visible", True), table.flags("new", False)
    position = table.positions_mm()
    called = _positions([lesion.followup.position_ras_mm for lesion in comparison.of("new")])
    scores = np.array([lesion.followup.score or 0.0 for lesion in comparison.of("new")])
    matched = match(called, scores, position[new & visible], position[new & ~visible], RADIUS_MM)
    counted = _positions([n.followup.position_ras_mm for n in comparison.lesions if n.followup.counted])
    seen = match(counted, np.ones(len(counted)), position[new & visible], None, RADIUS_MM)
    lost = _positions([lesion.baseline.position_ras_mm for lesion in comparison.of("no-longer-seen")])
    both = set(_lesions(table, visible)) & set(_lesions(before, before.flags("visible", True)))
    stays = np.isin(before.numbers("lesion"), sorted(both))
    gone = match(lost, np.ones(len(lost)), before.positions_mm()[stays], None, RADIUS_MM)
    visible_new = int((new & visible).sum())
    return Outcome(
        name=subject,
        part=pair.part,
        aligned=comparison.registration.succeeded,
        new_visible=visible_new,
        found=int(matched.found.sum()),
        falsely_new=int(matched.false_positive.sum()),
        new_detected=int(seen.found.sum()),
        falsely_lost=int(gone.found.sum()),
        class_right=comparison.aria_h == aria_h_class(visible_new),
        error_mm=_true_error_mm(truth, subject, comparison),
        stated_mm=comparison.registration.error_mm,
    )


def _lesions(table: Rows, visible: NDArray[np.bool_]) -> list[float]:
    """Numbers of the visible lesions."""
    return [float(n) for n in table.numbers("lesion")[visible]]


def _positions(positions: Sequence[tuple[float, float, float]]) -> NDArray[np.float64]:
    return np.array(positions, dtype=np.float64).reshape(-1, 3)


def _true_error_mm(truth: Path, subject: str, comparison: Comparison) -> float:
    """Distance between the found and the true map, 95th percentile over the brain."""
    content = json.loads((truth / "ses-02" / "anat" / f"{subject}_ses-02_from-baseline_xfm.json").read_text())
    points = _brain_points(truth / "ses-01" / "anat" / f"{subject}_ses-01_desc-brain_mask.nii.gz")
    found = np.array(comparison.registration.followup_from_baseline)
    return round(float(np.percentile(distances_mm(found, np.array(content["matrix"]), points), 95)), 3)


@cache
def _brain_points(mask: Path) -> NDArray[np.float64]:
    """Every 2,000th voxel of a brain, RAS mm [N, 3]; `choose` asks for each many times."""
    inside, grid = read_nifti(mask)
    return grid.to_mm(np.argwhere(inside > 0)[::2000])


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Sensitivity, false calls and the rest, with intervals over pairs."""
    names = ("sensitivity", "falsely_new_per_pair", "detected_share", "falsely_lost_per_pair", "class_right")
    visible, pairs = sum(o.new_visible for o in outcomes), len(outcomes)
    totals = (visible, pairs, visible, pairs, pairs)
    bounds = (of_share, of_rate, of_share, of_rate, of_share)
    drawn = bootstrap(list(outcomes), _statistics, repeats=2000)
    intervals = [bound(interval, total) for bound, interval, total in zip(bounds, drawn, totals, strict=True)]
    return {
        "pairs": len(outcomes),
        "aligned": sum(o.aligned for o in outcomes),
        "new_visible": sum(o.new_visible for o in outcomes),
        "found": sum(o.found for o in outcomes),
        "falsely_new": sum(o.falsely_new for o in outcomes),
        **{name: asdict(interval) for name, interval in zip(names, intervals, strict=True)},
        "alignment_error_mm": {
            "median": float(np.median([o.error_mm for o in outcomes])),
            "largest": max(o.error_mm for o in outcomes),
            "stated_median": float(np.median([o.stated_mm for o in outcomes])),
        },
    }


def _statistics(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    visible = sum(o.new_visible for o in outcomes) or np.nan
    return np.array(
        [
            sum(o.found for o in outcomes) / visible,
            np.mean([o.falsely_new for o in outcomes]),
            sum(o.new_detected for o in outcomes) / visible,
            np.mean([o.falsely_lost for o in outcomes]),
            np.mean([o.class_right for o in outcomes]),
        ]
    )


def _table(groups: dict[str, list[Outcome]]) -> Table:
    table = Table("", *groups)
    summaries = [summary(members) for members in groups.values()]
    for field in ("pairs", "aligned", "new_visible", "found", "falsely_new"):
        table.add_row(field.replace("_", " "), *(str(one[field]) for one in summaries))
    for field in ("sensitivity", "falsely_new_per_pair", "falsely_lost_per_pair", "class_right"):
        table.add_row(field.replace("_", " "), *(number_text(one[field]) for one in summaries))
    return table


if __name__ == "__main__":
    app()
