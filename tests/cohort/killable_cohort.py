"""A cohort run in a process of its own that a test kills: three scans, one worker, a moment for each."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from little_cohort import image, little_search
from microbleeds.cohort.pool import PoolSettings, open_pool
from microbleeds.cohort.run import run_all
from microbleeds.cohort.task import Outcome, ScanTask, SearchOptions

NAMES = ["a", "b", "c"]


def tasks(folder: Path) -> list[ScanTask]:
    made = []
    for seed, name in enumerate(NAMES):
        swi = folder / "in" / f"{name}.nii.gz"
        if not swi.exists():
            image(swi, seed)
        made.append(
            ScanTask(name, {"swi": swi}, folder / name, folder / "notes" / f"{name}.json", SearchOptions())
        )
    return made


def unhurried(task: ScanTask) -> Outcome:
    """Search after a moment, so that a kill finds work to be done."""
    time.sleep(1)
    return little_search(task)


if __name__ == "__main__":
    with open_pool(PoolSettings(workers=1), len(NAMES)) as pool:
        run_all(tasks(Path(sys.argv[1])), unhurried, pool)
