"""Scans an hour with one and with two workers: python benchmarks/throughput.py SCANS. Run it on an idle machine.

SCANS is a data set as `microbleeds simulate` writes it (20 full scans for the stored result). Each measurement is
one `microbleeds-bids SCANS OUT participant` into a new folder: start of Python and of the workers, reading,
searching and all derivatives included. Findings must be the same, byte for byte. Writes
benchmarks/results/throughput.json.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from cohort import HERE, commit, hardware
from microbleeds.atomic import atomic_file

START = "import sys; from microbleeds.cli.bids import main; main(sys.argv[1:])"


def searched(scans: Path, out: Path, subjects: list[str], workers: int) -> float:
    """Wall seconds of the participant level."""
    arguments = [str(scans), str(out), "participant", "--n-procs", str(workers), "--participant-label", *subjects]
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", START, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def findings(out: Path) -> dict[str, str]:
    """Hash of each scan's findings."""
    paths = sorted(out.glob("results/*/findings.json"))
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def peaks_mb(out: Path) -> list[float]:
    """Peak resident memory that each scan's worker had reached (MB)."""
    runs = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("results/*/run.json")))
    return [run["peak_memory_mb"] for run in runs if run["peak_memory_mb"] is not None]


def main(
    scans: Annotated[Path, typer.Argument(help="Data set of `microbleeds simulate`.")],
    number: Annotated[int, typer.Option(min=1, help="Scans to search.")] = 20,
    workers: Annotated[list[int], typer.Option(help="Numbers of workers; repeatable.")] = [1, 2],  # noqa: B006
) -> None:
    """Measure and store."""
    subjects = [path.name for path in sorted(scans.glob("sub-*")) if path.is_dir()][:number]
    measured: dict[str, dict[str, float]] = {}
    found: list[dict[str, str]] = []
    for several in workers:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            seconds = searched(scans, out, subjects, several)
            found.append(findings(out))
            measured[str(several)] = {
                "seconds": round(seconds, 1),
                "scans_an_hour": round(3600 * len(subjects) / seconds, 1),
                "peak_memory_mb_of_a_worker": max(peaks_mb(out)),
            }
    content = {
        "command": "python benchmarks/throughput.py SCANS",
        "scans": len(subjects),
        "workers": measured,
        "same_findings": all(one == found[0] for one in found) and len(found[0]) == len(subjects),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": hardware(),
    }
    with atomic_file(HERE / "results" / "throughput.json") as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    typer.echo(json.dumps(content, indent=2))


if __name__ == "__main__":
    typer.run(main)
