"""Dask workers: of this machine, of a scheduler that runs already, or of a SLURM or PBS queue.

Every worker is a process with one task at a time: a scan takes about 1.6 GB at its peak, and a process that dies
takes only its own scan along.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from warnings import catch_warnings, filterwarnings

from microbleeds.errors import InputError
from microbleeds.extras import needing, require

if TYPE_CHECKING:
    from distributed import Client

ClusterKind = Literal["local", "slurm", "pbs"]
#: Measured peaks are 1.4 to 1.6 GB; the rest is room for larger matrices.
SCAN_MEMORY_MB = 2000
_CONNECT_SECONDS = 20
# A task whose worker died comes back at once; `run` tries it again by itself.
_DASK = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.memory.terminate": 0.98,
    # A worker that pauses is given no scan any more; with one scan at a time, pausing would spare nothing.
    "distributed.worker.memory.pause": False,
    "distributed.comm.timeouts.connect": f"{_CONNECT_SECONDS}s",
}


@dataclass(frozen=True)
class PoolSettings:
    """Where and how widely to work.

    Args:
        workers: at most so many; as many as cores and memory allow if ``None``.
        memory_mb: to share among local workers; what is free if ``None``.
        threads: of each worker.
        scheduler: address of a Dask scheduler that runs already.
        cluster: ``local``, or the queue that starts workers.
        options: of dask-jobqueue's cluster (``queue``, ``walltime``, ``memory`` ...).
    """

    workers: int | None = None
    memory_mb: int | None = None
    threads: int = 1
    scheduler: str | None = None
    cluster: ClusterKind = "local"
    options: Mapping[str, Any] = field(default_factory=dict)

    def abreast(self, tasks: int) -> int:
        """Return how many tasks to hand out before their workers are there: all that a queue will start."""
        queued = self.scheduler is None and self.cluster != "local"
        return min(self.workers or tasks, tasks) if queued else 1


@contextmanager
def open_pool(settings: PoolSettings, tasks: int) -> Iterator[Client]:
    """Yield a client of the pool for about ``tasks`` tasks; what was started here ends with the block.

    Raises:
        InputError: if Dask isn't installed, or the scheduler or queue can't be reached.
    """
    require("cohort", "Many scans need")
    import dask
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with ExitStack() as opened:
        opened.enter_context(dask.config.set(_DASK))
        if settings.scheduler is not None:
            target: Any = settings.scheduler
        elif settings.cluster == "local":
            target = opened.enter_context(_local(settings, tasks))
        else:
            target = opened.enter_context(queue_cluster(settings, tasks))
        try:
            client = opened.enter_context(Client(target, timeout=f"{_CONNECT_SECONDS}s", set_as_default=False))
        except (OSError, ValueError) as error:
            raise InputError(
                f"The Dask scheduler {settings.scheduler} can't be reached ({type(error).__name__}); check its "
                "address."
            ) from error
        yield client


def local_workers(settings: PoolSettings, tasks: int, *, cores: int, free_mb: float) -> int:
    """Return how many workers a machine carries: limited by cores, memory, the user and the tasks."""
    by_memory = int(_shared_mb(settings, free_mb) // SCAN_MEMORY_MB)
    by_cores = cores // settings.threads if settings.workers is None else settings.workers
    return max(1, min(by_cores, by_memory, tasks))


def worker_memory_mb(settings: PoolSettings, workers: int, *, free_mb: float) -> float:
    """Return what each local worker may take before it is ended: its share, but never less than a scan needs.

    Where even one scan's need is more than what may be shared, the one worker still gets it if it is free: with
    less, every scan would fail.
    """
    return min(free_mb, max(_shared_mb(settings, free_mb) / workers, SCAN_MEMORY_MB))


def _shared_mb(settings: PoolSettings, free_mb: float) -> float:
    """Return the memory that all local workers share."""
    return free_mb if settings.memory_mb is None else min(settings.memory_mb, free_mb)


def _local(settings: PoolSettings, tasks: int) -> Any:
    """Start worker processes on this machine."""
    from distributed import LocalCluster

    free_mb = free_memory_mb()
    workers = local_workers(settings, tasks, cores=_cores(), free_mb=free_mb)
    with catch_warnings():
        # Its web server takes any free port where the usual one is taken, and says so; nothing looks at it here.
        filterwarnings("ignore", message=r"(?s)\s*Port \d+ is already in use")
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=int(worker_memory_mb(settings, workers, free_mb=free_mb) * 1e6),
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )


def queue_cluster(settings: PoolSettings, tasks: int) -> Any:
    """Return a cluster whose workers a SLURM or PBS queue starts.

    Raises:
        InputError: if dask-jobqueue isn't installed, an option is unknown, or jobs can't be submitted here.
    """
    with needing("cohort", "A queue of jobs needs"):
        from dask_jobqueue import PBSCluster, SLURMCluster
    kinds = {"slurm": SLURMCluster, "pbs": PBSCluster}
    command = {"slurm": "sbatch", "pbs": "qsub"}[settings.cluster]
    if shutil.which(command) is None:
        raise InputError(f"There is no command {command} here; start it on a machine that may submit jobs.")
    # One process with one task at a time per job, whatever the cores that its threads use.
    options: dict[str, Any] = {
        "cores": 1,
        "memory": "4GB",
        "processes": 1,
        "scheduler_options": {"dashboard_address": ":0"},
    } | dict(settings.options)
    if settings.cluster == "slurm":
        options.setdefault("job_cpu", settings.threads)
    else:
        options.setdefault("resource_spec", f"select=1:ncpus={settings.threads}:mem={options['memory']}")
    try:
        cluster = kinds[settings.cluster](**options)
        cluster.scale(jobs=min(settings.workers or tasks, max(1, tasks)))
    except (TypeError, ValueError, OSError) as error:
        raise InputError(
            f"The {settings.cluster.upper()} cluster could not be set up ({error}); check --cluster-options."
        ) from error
    return cluster


def read_options(path: Path) -> dict[str, Any]:
    """Read a YAML file of options of dask-jobqueue.

    Raises:
        InputError: if it can't be read or holds no mapping.
    """
    with needing("cohort", "Cluster options need"):
        import yaml
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"The cluster options {path} can't be read as YAML ({type(error).__name__}).") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"The cluster options {path} hold no names with values, such as `walltime: 01:00:00`.")
    return content


def free_memory_mb() -> float:
    """Return the memory that may be used, in MB (10^6 bytes): what is free, within the limits of a container."""
    import psutil
    from distributed.system import MEMORY_LIMIT

    return float(min(psutil.virtual_memory().available, MEMORY_LIMIT)) / 1e6


def _cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
