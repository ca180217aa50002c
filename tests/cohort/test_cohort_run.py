"""Many tasks on worker processes: failures, dead workers, going on after a kill, and the number of workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import killable_cohort
import pytest

from little_cohort import image, little_search
from microbleeds.cohort.pool import (
    SCAN_MEMORY_MB,
    ClusterKind,
    PoolSettings,
    local_workers,
    open_pool,
    queue_cluster,
    read_options,
    worker_memory_mb,
)
from microbleeds.cohort.run import run_all
from microbleeds.cohort.settle import settled
from microbleeds.cohort.task import Outcome, ScanTask, SearchOptions, read_outcomes
from microbleeds.errors import InputError

pytest.importorskip("distributed")

pytestmark = pytest.mark.slow


def tasks(folder: Path, names: list[str], options: SearchOptions | None = None) -> list[ScanTask]:
    made = []
    for seed, name in enumerate(names):
        swi = folder.parent / "in" / f"{name}.nii.gz"
        if not swi.exists():
            image(swi, seed)
        note = folder / "notes" / f"{name}.json"
        made.append(ScanTask(name, {"swi": swi}, folder / name, note, options or SearchOptions()))
    return made


GOOD, BAD = ["a", "b", "c"], ["broken", "deadly", "faulty"]


class TestRun:
    @pytest.fixture(scope="class")
    def runs(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome], list[Outcome]]:
        """All tasks on two workers, then the good ones again on one worker."""
        folder = tmp_path_factory.mktemp("runs")
        names = ["a", "broken", "b", "deadly", "faulty", "c"]
        arrived: list[Outcome] = []
        with open_pool(PoolSettings(workers=2), len(names)) as client:
            assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2
            outcomes = run_all(tasks(folder / "two", names), little_search, client, arrived.append)
        memory = folder / "settings.json"
        with open_pool(PoolSettings(workers=1), len(GOOD)) as client:
            options = settled(SearchOptions(device="cpu"), client, memory)
            assert options.precision in ("bfloat16", "float32")
            other = "float32" if options.precision == "bfloat16" else "bfloat16"
            memory.write_text(memory.read_text().replace(options.precision, other))
            # What an earlier run settled holds, whatever is measured now.
            options = settled(SearchOptions(device="cpu"), client, memory)
            assert options.precision == other
            run_all(tasks(folder / "one", GOOD, options), little_search, client)
        assert [outcome.name for outcome in outcomes] == names
        return folder, outcomes, arrived

    def test_one_row_each_whatever_happens(self, runs: tuple[Path, list[Outcome], list[Outcome]]) -> None:
        folder, outcomes, arrived = runs
        # A worker that dies takes results along that nobody fetched; they are found kept at the second try.
        assert all(outcome.succeeded == (outcome.name in GOOD) for outcome in outcomes)
        said = {outcome.name: outcome.sentence or "" for outcome in outcomes}
        assert said["broken"] == "The image is broken."
        assert "died twice" in said["deadly"]
        assert "ZeroDivisionError" in said["faulty"]
        assert sorted(outcome.name for outcome in arrived) == sorted(GOOD + BAD)
        notes = {one.name: one.state for one in read_outcomes(folder / "two" / "notes")}
        assert notes == dict.fromkeys(GOOD, "done") | dict.fromkeys(BAD, "failed")

    def test_two_workers_write_the_same_bytes_as_one(
        self, runs: tuple[Path, list[Outcome], list[Outcome]]
    ) -> None:
        for name in GOOD:
            one, two = ((runs[0] / number / name / "findings.json").read_bytes() for number in ("one", "two"))
            assert one == two


class TestKill:
    def test_a_killed_run_goes_on_where_it_stood(self, tmp_path: Path) -> None:
        program = Path(__file__).with_name("killable_cohort.py")
        process = subprocess.Popen([sys.executable, str(program), str(tmp_path)], start_new_session=True)
        first = tmp_path / "notes" / "a.json"
        try:
            for _ in range(1800):
                if first.exists() or process.poll() is not None:
                    break
                time.sleep(0.1)
            assert process.poll() is None, "it was killed before its end"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # its worker too
            process.wait()
        before = {one.name: one.state for one in read_outcomes(tmp_path / "notes")}
        assert before["a"] == "done"
        assert "c" not in before
        with open_pool(PoolSettings(workers=1), 3) as client:
            outcomes = run_all(killable_cohort.tasks(tmp_path), little_search, client)
        expected = {name: "kept" if name in before else "done" for name in ("a", "b", "c")}
        assert {outcome.name: outcome.state for outcome in outcomes} == expected
        assert not list(tmp_path.glob("*/.partial*"))


class TestPool:
    def test_a_scheduler_that_runs_already(self, tmp_path: Path) -> None:
        from distributed import LocalCluster

        with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            address = cluster.scheduler_address
            with open_pool(PoolSettings(scheduler=address), 4) as client:
                outcomes = run_all(tasks(tmp_path / "out", [*GOOD, "broken"]), little_search, client)
            assert [outcome.state for outcome in outcomes] == ["done", "done", "done", "failed"]
            with open_pool(PoolSettings(scheduler=address), 1) as client:  # it is not ours to end
                assert len(client.scheduler_info(n_workers=-1)["workers"]) == 1

    @pytest.mark.parametrize(
        ("settings", "tasks_", "cores", "free_mb", "workers"),
        [
            (PoolSettings(), 100, 8, 64_000, 8),
            (PoolSettings(), 100, 8, 4_000, 2),
            (PoolSettings(), 3, 8, 64_000, 3),
            (PoolSettings(threads=4), 100, 8, 64_000, 2),
            (PoolSettings(workers=5), 100, 2, 64_000, 5),
            (PoolSettings(memory_mb=4_100), 100, 8, 64_000, 2),
            (PoolSettings(), 100, 8, 500, 1),
        ],
    )
    def test_sized_to_the_machine(
        self, settings: PoolSettings, tasks_: int, cores: int, free_mb: float, workers: int
    ) -> None:
        assert local_workers(settings, tasks_, cores=cores, free_mb=free_mb) == workers

    @pytest.mark.parametrize(
        ("settings", "workers", "free_mb", "each_mb"),
        [
            (PoolSettings(), 4, 64_000, 16_000),
            (PoolSettings(memory_mb=8_000), 4, 64_000, 2_000),
            (PoolSettings(memory_mb=8_000), 2, 6_000, 3_000),
            (PoolSettings(memory_mb=1_000), 1, 64_000, SCAN_MEMORY_MB),
            (PoolSettings(memory_mb=1_000), 1, 500, 500),
        ],
    )
    def test_workers_share_what_the_user_gave(
        self, settings: PoolSettings, workers: int, free_mb: float, each_mb: float
    ) -> None:
        assert worker_memory_mb(settings, workers, free_mb=free_mb) == each_mb

    def test_a_worker_is_limited_to_its_share_and_never_pauses(self) -> None:
        with open_pool(PoolSettings(workers=1, memory_mb=2_000), 1) as client:
            (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
            assert worker["memory_limit"] == 2_000_000_000
            (paused,) = client.run(lambda dask_worker: dask_worker.memory_manager.memory_pause_fraction).values()
            assert paused is False

    def test_no_scheduler_at_the_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("microbleeds.cohort.pool._CONNECT_SECONDS", 1)
        with (
            pytest.raises(InputError, match="can't be reached"),
            open_pool(PoolSettings(scheduler="tcp://127.0.0.1:1"), 1),
        ):
            pass

    def test_options_of_a_queue(self, tmp_path: Path) -> None:
        path = tmp_path / "slurm.yaml"
        path.write_text("queue: long\nwalltime: '02:00:00'\n")
        assert read_options(path) == {"queue": "long", "walltime": "02:00:00"}
        path.write_text("- a list\n")
        with pytest.raises(InputError, match="names with values"):
            read_options(path)

    @pytest.mark.parametrize(
        ("kind", "command", "lines"),
        [
            ("slurm", "sbatch", ["#SBATCH -p long", "#SBATCH -t 02:00:00", "#SBATCH --cpus-per-task=3"]),
            ("pbs", "qsub", ["#PBS -q long", "#PBS -l walltime=02:00:00", "ncpus=3"]),
        ],
    )
    def test_jobs_of_a_queue(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ClusterKind, command: str, lines: list[str]
    ) -> None:
        """A stand-in for the queue keeps the scripts that it is given."""
        pytest.importorskip("dask_jobqueue")
        path = os.environ["PATH"]
        monkeypatch.setenv("PATH", str(tmp_path))  # this machine may have a queue
        with pytest.raises(InputError, match=f"no command {command}"):
            queue_cluster(PoolSettings(cluster=kind), 3)
        program = tmp_path / command
        program.write_text(f'#!/bin/sh\ncp "$1" "{tmp_path}/job.$$"\necho Submitted batch job $$\n')
        program.chmod(0o755)
        for ending in ("scancel", "qdel"):
            (tmp_path / ending).write_text("#!/bin/sh\n")
            (tmp_path / ending).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{path}")
        options = {"queue": "long", "walltime": "02:00:00", "log_directory": str(tmp_path / "logs")}
        with queue_cluster(PoolSettings(workers=2, threads=3, cluster=kind, options=options), 5) as cluster:
            cluster.sync(cluster._correct_state)
            scripts = [path.read_text() for path in tmp_path.glob("job.*")]
        assert len(scripts) == 2
        assert all(line in script for script in scripts for line in lines)
        assert all("--nthreads 1 " in script for script in scripts)
        with pytest.raises(InputError, match="no_such_option"):
            queue_cluster(PoolSettings(cluster=kind, options={"no_such_option": 1}), 3)
