"""Worked examples (docs/fine-tuning.md): ten labelled scans of another scanner, and what they bring.

    python benchmarks/finetune.py build b --anatomy FOLDER --data data/scanner-b
    python benchmarks/finetune.py run b --data data/scanner-b --out runs/scanner-b
    python benchmarks/finetune.py table

and the same with `c` (benchmarks/clinic.py).

`build` needs the public label maps (README, "Data"); scans that are there are kept. `run` fine-tunes the
shipped weights on the ten, lets both search ten others of unseen heads, and writes results/finetune-b.json.
Both times the brain comes from the program's own segmentation; the anatomical rule is not applied. `table`
writes both tables into the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from clinic import LABELLED, SCANNERS, UNSEEN, forget, forget_masks, write_part
from cohort import HERE, commit, hardware
from interval_text import AnyInterval, number_text
from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.evaluate import Interval, bootstrap, froc
from microbleeds.study import SignChoice
from microbleeds.training.cache import cached
from microbleeds.training.collection import open_collection
from microbleeds.training.finetune import FinetuneSettings, finetune
from microbleeds.training.out_of_fold import PooledScores, ScoredScan, pooled, search
from microbleeds.weights import load_detector
from pages import write_part as write_page_part

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Data = Annotated[Path, typer.Option(help="Folder of both data sets.")]
Scanner = Annotated[Literal["b", "c"], typer.Argument(help="See benchmarks/clinic.py.")]
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "fine-tuning.md"
FIGURES = ("sensitivity at 1 FP", "mean sensitivity", "sensitivity, balanced", "FP per scan, balanced")
_OF_A_POINT = ("sensitivity", "false_positives_per_scan")
SIGN: SignChoice = "paramagnetic-dark"  # the clinic knows how its scanner writes phase
NOTICE = (
    "Simulated scans: no real microbleed stands behind any number. Intervals: 95 %, bootstrap over the subjects "
    "of the unseen part; they do not hold what other labelled subjects or another seed would change."
)


@app.command()
def build(
    scanner: Scanner,
    data: Data,
    anatomy: Annotated[Path, typer.Option(help="Folder of the label maps.")],
    subjects: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many of each, for a trial.")
    ] = None,
) -> None:
    """Simulate the ten labelled scans and the ten unseen ones."""
    for part in (LABELLED, UNSEEN):
        missing = [name for name in part.anatomies if not (anatomy / name).exists()]
        if missing:
            raise InputError(f"The folder {anatomy} lacks {', '.join(missing)}.")
        write_part(part, SCANNERS[scanner], anatomy, data / part.name, subjects)
    forget(data / LABELLED.name)
    forget_masks(data / UNSEEN.name)


@app.command()
def run(
    scanner: Scanner,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    steps: Annotated[int, typer.Option(min=1, help="Of fine-tuning.")] = FinetuneSettings.steps,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
) -> None:
    """Fine-tune the shipped weights, search the unseen scans with both, and write what was gained."""
    how, shipped = FinetuneSettings(steps=steps), load_detector(None).card
    card = finetune(data / LABELLED.name, out, how=how, phase_sign=SIGN, device="cpu")
    before = _searched(data, out, None)
    after = _searched(data, out, out / "weights.safetensors")
    scores = {"shipped": pooled(before), "fine-tuned": pooled(after)}
    gain = dict(zip(FIGURES, bootstrap(list(zip(before, after, strict=True)), _gain, repeats=2000), strict=True))
    content = {
        "notice": NOTICE,
        "command": f"python benchmarks/finetune.py run {scanner} --data DATA --out RUN --steps {steps}",
        "scanner": scanner,
        "labelled": _described(data / LABELLED.name),
        "unseen": _described(data / UNSEEN.name),
        "shipped": shipped.name,
        "shipped_sha256": shipped.sha256,
        "fine_tuned": {"sha256": card.sha256, "steps": card.training.steps, "minutes": card.training.minutes},
        "notes": card.training.notes,
        "speed": json.loads((out / "run.json").read_text(encoding="utf-8"))["speed"],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "package_version": __version__,
        "hardware": hardware(),
        "scores": {name: _plain(value) for name, value in scores.items()},
        "gain": {name: vars(interval) for name, interval in gain.items()},
    }
    result = results / f"finetune-{scanner}.json"
    with atomic_file(result) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    Console().print(_table(scores, gain))
    print(f"Result: {result}")


@app.command()
def table(
    results: Annotated[Path, typer.Option(help="Folder of the stored results.")] = RESULTS,
    page: Annotated[Path, typer.Option(help="Page that holds the table.")] = PAGE,
) -> None:
    """Write the tables from the stored results."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("finetune-*.json"))]
    if not read:
        raise InputError(f"{results} holds no result; run `run` first.")
    lines = [line for content in read for line in (*markdown(content), "")][:-1]
    write_page_part("finetune", lines, page)
    print("\n".join(lines))


def markdown(content: Mapping[str, Any]) -> list[str]:
    """Return the table of a stored result as lines of Markdown."""
    scores, gain, hardware = content["scores"], content["gain"], content["hardware"]
    both = (scores["shipped"], scores["fine-tuned"])
    rows = [
        ("sensitivity at 1 false positive per scan", *(one["sensitivity_at"]["1"] for one in both), FIGURES[0]),
        ("mean sensitivity, 1/8 to 8 false positives", *(one["mean_sensitivity"] for one in both), FIGURES[1]),
    ]
    for point, gains in (("balanced", FIGURES[2:]), ("screening", ("", ""))):
        for name, key, gained in zip(("sensitivity", "false positives per scan"), _OF_A_POINT, gains, strict=True):
            rows.append((f"{point}: {name}", *(one["operating"][point][key] for one in both), gained))
    lines = [
        f"**Scanner {content['scanner'].upper()}**",
        "",
        f"| on the {content['unseen']['scans']} unseen scans, {content['unseen']['microbleeds']} microbleeds "
        f"| shipped (`{content['shipped']}`) | fine-tuned | gain |",
        "|---|---|---|---|",
    ]
    for about, one, other, gained in rows:
        lines.append(f"| {about} | {_cell(one)} | {_cell(other)} | {_cell(gain.get(gained), sign=True)} |")
    tuned, speed = content["fine_tuned"], content["speed"]
    return [
        *lines,
        "",
        f"{tuned['steps']} steps, without preparing the scans: {tuned['minutes']:.0f} minutes "
        f"({hardware['processor']}, {speed['compute']}). Commit {content['commit']}, {content['date'][:10]}.",
    ]


def _cell(interval: AnyInterval | None, sign: bool = False) -> str:
    """Return a cell of the table; gains bear their sign."""
    if interval is None:
        return ""
    text = number_text(interval, 2)
    return text if not sign or text.startswith("-") else f"+{text}"


def _searched(data: Path, out: Path, weights: Path | None) -> list[ScoredScan]:
    """Search the unseen scans."""
    detector = load_detector(weights)
    scans = open_collection(data / UNSEEN.name, phase_sign=SIGN).scans
    subjects = cached(scans, out / "cache" / "unseen", detector.card.preparation)
    return search(subjects, [scan.group for scan in scans], 0, detector, choose("cpu"))


def _figures(scans: Sequence[ScoredScan]) -> NDArray[np.float64]:
    """The numbers of ``FIGURES`` [4]."""
    curve = froc([scan.result() for scan in scans])
    kept = [scan.result(scan.points.balanced) for scan in scans]
    hits = sum(int(result.hit.sum()) for result in kept)
    wrong = sum(int((~result.hit).sum()) for result in kept)
    total = sum(len(scan.bleeds_mm) for scan in scans)
    found = hits / total if total else float("nan")
    return np.array([float(curve.sensitivity_at(1.0)), curve.mean_sensitivity, found, wrong / len(scans)])


def _gain(pairs: Sequence[tuple[ScoredScan, ScoredScan]]) -> NDArray[np.float64]:
    """Fine-tuned minus shipped, on the same subjects [4]."""
    return _figures([after for _, after in pairs]) - _figures([before for before, _ in pairs])


def _described(folder: Path) -> dict[str, object]:
    """How many scans and microbleeds a data set has."""
    scans = open_collection(folder).scans
    return {"scans": len(scans), "microbleeds": sum(scan.bleeds() for scan in scans)}


def _plain(scores: PooledScores) -> dict[str, object]:
    """Scores without the curve's points."""
    return {name: value for name, value in scores.to_dict().items() if name != "curve"}


def _table(scores: dict[str, PooledScores], gain: dict[str, Interval]) -> Table:
    """Show both, and the gain."""
    rows = {name: _shown(value) for name, value in scores.items()}
    table = Table("", *rows, "gain")
    for number, name in enumerate(FIGURES):
        table.add_row(name, *(number_text(row[number], 2) for row in rows.values()), number_text(gain[name], 2))
    return table


def _shown(scores: PooledScores) -> list[Interval]:
    """The intervals of ``FIGURES``."""
    balanced = scores.operating["balanced"]
    return [
        scores.sensitivity_at["1"],
        scores.mean_sensitivity,
        balanced["sensitivity"],
        balanced["false_positives_per_scan"],
    ]


if __name__ == "__main__":
    app()
