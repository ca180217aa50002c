"""Time and memory of whole processes: python benchmarks/speed.py [--anatomy FOLDER]. Run it on an idle machine.

Writes benchmarks/results/speed.json: the median, least and most of several runs of simulating one full subject
(384 x 448 x 72), of a further scan of the same head, of `microbleeds detect` with its report, and of
`microbleeds regions`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from cohort import HERE, commit, hardware
from microbleeds.atomic import atomic_file

SUBJECT = "sub-001"


def measured(arguments: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident memory (MB, 10^6 bytes; Linux counts KiB) of one command."""
    started = time.monotonic()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "microbleeds", *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"microbleeds {' '.join(arguments)} failed")
    return time.monotonic() - started, usage.ru_maxrss * 1024 / 1e6


def main(
    anatomy: Annotated[Path | None, typer.Option(help="Folder of label maps instead of the MNI152 head.")] = None,
    runs: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Measure and store."""
    heads = [] if anatomy is None else ["--anatomy", str(anatomy)]
    common = ["--seed", "7", "--protocol", "3t-0.5x0.5x2", "--burden", "some", *heads]
    seconds: dict[str, list[float]] = {"simulate": [], "simulate_again": [], "detect": [], "regions": []}
    memory: dict[str, list[float]] = {"simulate": [], "detect": [], "regions": []}
    with tempfile.TemporaryDirectory() as folder:
        data, more, found, where = (Path(folder) / name for name in ("data", "more", "found", "regions"))
        for _ in range(runs):
            for path in (data, more, found, where):
                shutil.rmtree(path, ignore_errors=True)
            one, peak = measured(["simulate", str(data), "--subjects", "1", *common])
            three, _ = measured(["simulate", str(more), "--subjects", "3", "--scans-per-head", "3", *common])
            anat = data / SUBJECT / "anat"
            files = [
                str(anat / f"{SUBJECT}_swi.nii.gz"),
                "--phase",
                str(anat / f"{SUBJECT}_part-phase_GRE.nii.gz"),
            ]
            search, search_peak = measured(["detect", *files, "--out", str(found)])
            parts, parts_peak = measured(["regions", files[0], "--out", str(where)])
            times = (one, (three - one) / 2, search, parts)
            for name, value in zip(seconds, times, strict=True):
                seconds[name].append(round(value, 2))
            for name, value in zip(memory, (peak, search_peak, parts_peak), strict=True):
                memory[name].append(round(value))
    content = {
        "command": "python benchmarks/speed.py" + ("" if anatomy is None else " --anatomy FOLDER"),
        "scan": "384 x 448 x 72 voxels; start of Python, reading, and writing of all files included",
        "runs": runs,
        "seconds": {name: {"median": median(v), "least": min(v), "most": max(v)} for name, v in seconds.items()},
        "peak_memory_mb": {name: max(v) for name, v in memory.items()},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": hardware(),
    }
    with atomic_file(HERE / "results" / "speed.json") as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    typer.run(main)
