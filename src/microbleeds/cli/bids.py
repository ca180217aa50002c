"""`microbleeds-bids BIDS_DIR OUT_DIR participant|group`: the BIDS App.

Its arguments follow the convention of BIDS Apps (several labels after one flag, underscores or hyphens), which is
why it isn't one of the verbs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from microbleeds import __version__
from microbleeds.cli.refusals import leave, refuse_empty
from microbleeds.cli.signals import end_cleanly
from microbleeds.errors import InputError

if TYPE_CHECKING:
    from microbleeds.bids.app import AppRequest
    from microbleeds.cohort.task import Outcome

LEVELS = ("participant", "group")
CLUSTERS = ("local", "slurm", "pbs")
SOME_FAILED = 3


def is_bids_call(arguments: Sequence[str], verbs: Collection[str]) -> bool:
    """Whether ``microbleeds ARGUMENTS`` names a data set instead of a verb."""
    if not arguments or arguments[0] in verbs or arguments[0].startswith("-"):
        return False
    return Path(arguments[0]).is_dir() or (len(arguments) > 2 and arguments[2] in LEVELS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the BIDS App and leave with its exit code: 2 for bad input, 3 if some scans failed, 1 for a fault."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    end_cleanly()
    try:
        refuse_empty(given)
        failed = _run(options)
    except Exception as error:
        leave(error, debug=options.debug, again="with --debug")
    sys.exit(SOME_FAILED if failed else 0)


def parser() -> argparse.ArgumentParser:
    """Return the arguments of the BIDS App."""
    made = argparse.ArgumentParser(
        prog="microbleeds-bids",
        description="Find cerebral microbleeds in a BIDS data set. Research use. Not a medical device.",
    )
    made.add_argument("bids_dir", type=Path, help="root of the data set")
    made.add_argument("output_dir", type=Path, help="root of the derivatives")
    made.add_argument("analysis_level", choices=LEVELS, help="search every participant, or sum up the group")
    made.add_argument("--version", action="version", version=f"microbleeds {__version__}")
    made.add_argument("--debug", action="store_true", help="show the traceback of an unexpected error")
    made.add_argument(
        "--skip-bids-validation",
        "--skip_bids_validation",
        action="store_true",
        help="accepted for convention: names are read one by one here, whether the data set is valid or not",
    )
    _add_selection(made.add_argument_group("which scans"))
    _add_search(made.add_argument_group("how to search"))
    _add_pool(made.add_argument_group("where to work"))
    return made


def _add_selection(part: Any) -> None:
    part.add_argument(
        "--participant-label",
        "--participant_label",
        nargs="+",
        default=[],
        metavar="LABEL",
        help="of subjects; all if absent",
    )
    part.add_argument(
        "--session-label",
        "--session_label",
        nargs="+",
        default=[],
        metavar="LABEL",
        help="of sessions; all if absent",
    )
    part.add_argument("--acquisition-label", metavar="LABEL", help="acq to take where a session has several")
    part.add_argument("--run-label", metavar="LABEL", help="run to take where a session has several")


def _add_search(part: Any) -> None:
    part.add_argument("--weights", type=Path, help="weights (.safetensors) instead of the shipped")
    part.add_argument("--operating-point", choices=("balanced", "screening"), default="balanced")
    part.add_argument("--phase-sign", choices=("auto", "paramagnetic-bright", "paramagnetic-dark"), default="auto")
    part.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def _add_pool(part: Any) -> None:
    part.add_argument(
        "--n-procs", "--n-cpus", "--n_cpus", "--nprocs", type=int, help="workers; by cores and memory if absent"
    )
    part.add_argument(
        "--mem-mb", "--mem_mb", type=int, help="memory to share among workers; what is free if absent"
    )
    part.add_argument("--omp-nthreads", type=int, default=1, help="threads of each worker (default 1)")
    part.add_argument("--dask-scheduler", metavar="ADDRESS", help="a Dask scheduler that runs already")
    part.add_argument("--cluster", choices=CLUSTERS, default="local", help="what starts the workers")
    part.add_argument("--cluster-options", type=Path, metavar="YAML", help="options of dask-jobqueue's cluster")


def _run(options: argparse.Namespace) -> bool:
    """Run a level; return whether any scan failed."""
    from microbleeds.bids.app import group, participants

    request = _request(options)
    if options.analysis_level == "group":
        rows = group(request)
        failed = [row for row in rows if row["state"] == "failed"]
        for row in failed:
            typer.echo(f"{row['scan']}: {row['message']}", err=True)
        typer.echo(f"{len(rows)} scans, {len(failed)} failed: {options.output_dir / 'group_microbleeds.html'}")
        return bool(failed)
    with progress() as announce:
        outcomes = participants(request, announce)
    typer.echo(summed_up(outcomes))
    return any(outcome.state == "failed" for outcome in outcomes)


def summed_up(outcomes: Sequence[Outcome]) -> str:
    """Say how many scans and follow-ups were done, kept, absent and failed."""
    words = {"done": "done", "kept": "kept", "absent": "without a suitable image", "failed": "failed"}
    return ", ".join(f"{sum(o.state == state for o in outcomes)} {said}" for state, said in words.items()) + "."


def _request(options: argparse.Namespace) -> AppRequest:
    from microbleeds.bids.app import AppRequest
    from microbleeds.cohort.task import SearchOptions

    return AppRequest(
        bids_dir=options.bids_dir,
        out_dir=options.output_dir,
        subjects=tuple(options.participant_label),
        sessions=tuple(options.session_label),
        acquisition=options.acquisition_label,
        run=options.run_label,
        options=SearchOptions(
            operating_point=options.operating_point,
            phase_sign=options.phase_sign,
            weights=options.weights,
            device=options.device,
            threads=options.omp_nthreads,
        ),
        pool=pool_settings(
            options.n_procs,
            options.mem_mb,
            options.omp_nthreads,
            options.dask_scheduler,
            options.cluster,
            options.cluster_options,
        ),
    )


def pool_settings(
    workers: int | None,
    memory_mb: int | None,
    threads: int,
    scheduler: str | None,
    cluster: str,
    cluster_options: Path | None,
) -> Any:
    """Return :class:`microbleeds.cohort.pool.PoolSettings` from what was given on the command line.

    Raises:
        InputError: if a number is below 1, there is no such cluster, or the options can't be read or don't belong
            to the cluster.
    """
    from microbleeds.cohort.pool import PoolSettings, read_options

    for name, number in (("workers", workers), ("megabytes", memory_mb), ("threads", threads)):
        if number is not None and number < 1:
            raise InputError(f"The number of {name} must be at least 1, got {number}.")
    if cluster not in CLUSTERS:
        raise InputError(f"There is no cluster {cluster!r}; choose one of {', '.join(CLUSTERS)}.")
    if cluster_options is not None and cluster == "local":
        raise InputError("Cluster options were given without a cluster; add --cluster slurm or --cluster pbs.")
    if scheduler is not None and cluster != "local":
        raise InputError("A Dask scheduler and a cluster were given; choose one.")
    return PoolSettings(
        workers=workers,
        memory_mb=memory_mb,
        threads=threads,
        scheduler=scheduler,
        cluster=cluster,  # type: ignore[arg-type]
        options={} if cluster_options is None else read_options(cluster_options),
    )


@contextmanager
def progress() -> Iterator[Callable[[str, int, int, Outcome | None], None]]:
    """Show a bar for each kind of work, and the sentence of each scan that fails as it does."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as shown:
        bars: dict[str, Any] = {}

        def announce(what: str, done: int, total: int, latest: Outcome | None) -> None:
            if what not in bars:
                bars[what] = shown.add_task(what, total=total)
            shown.update(bars[what], completed=done, total=total)
            if latest is not None and latest.state == "failed":
                console.print(f"{latest.name}: {latest.sentence}", style="red", highlight=False, markup=False)

        yield announce
