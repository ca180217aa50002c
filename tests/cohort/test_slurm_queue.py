"""A queue of SLURM starts the workers: needs one of which this machine is a node."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from test_cohort_run import GOOD, tasks

from little_cohort import little_search
from microbleeds.cohort.pool import PoolSettings, open_pool
from microbleeds.cohort.run import run_all

pytest.importorskip("dask_jobqueue")


def queue_takes_jobs() -> bool:
    """Whether this machine itself is a free node: another one would not see the test's files."""
    if shutil.which("sinfo") is None or shutil.which("sbatch") is None:
        return False
    command = ["sinfo", "--noheader", "--format=%T %n", f"--nodes={platform.node().split('.')[0]}"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0 and any(state in asked.stdout for state in ("idle", "mixed"))


@pytest.mark.skipif(not queue_takes_jobs(), reason="this machine is no free node of a SLURM queue")
def test_jobs_of_slurm_write_what_local_workers_write(tmp_path: Path) -> None:
    # Workers of a job import what they are to do as any program does.
    path = [f"export PYTHONPATH={':'.join(str(Path(__file__).parents[n]) for n in (0, 1))}"]
    options = {
        "memory": "2GB", "walltime": "00:10:00", "log_directory": str(tmp_path / "logs"),
        "local_directory": str(tmp_path / "local"), "job_script_prologue": path,
    }  # fmt: skip
    names = [*GOOD, "broken"]
    with open_pool(PoolSettings(cluster="slurm", workers=2, options=options), len(names)) as client:
        client.wait_for_workers(2, timeout=120)
        outcomes = run_all(tasks(tmp_path / "slurm", names), little_search, client)
    assert [outcome.state for outcome in outcomes] == ["done", "done", "done", "failed"]
    assert outcomes[-1].sentence == "The image is broken."
    with open_pool(PoolSettings(workers=1), len(GOOD)) as client:
        run_all(tasks(tmp_path / "local_", GOOD), little_search, client)
    for name in GOOD:
        one, other = ((tmp_path / where / name / "findings.json").read_bytes() for where in ("slurm", "local_"))
        assert one == other
