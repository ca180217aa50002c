"""`microbleeds node`: a DICOM node between scanner or archive and the detector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microbleeds.cli.choices import OperatingPoint
from microbleeds.extras import require

if TYPE_CHECKING:
    from microbleeds.node.config import Config
    from microbleeds.node.work import Process


def node(
    config: Annotated[Path | None, typer.Option(help="Settings (TOML); flags win over them.")] = None,
    *,
    folder: Annotated[Path | None, typer.Option(help="Where studies, results and the queue lie.")] = None,
    ae_title: Annotated[str | None, typer.Option(help="AE title of the node (MICROBLEEDS if left out).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (11112 if left out).")] = None,
    caller: Annotated[
        list[str] | None, typer.Option(help="AE title that may send; repeatable, all others are refused.")
    ] = None,
    destination: Annotated[
        list[str] | None, typer.Option(metavar="AE@HOST:PORT", help="Archive that gets the results; repeatable.")
    ] = None,
    quiet_seconds: Annotated[
        float | None, typer.Option(help="A study is complete after so long without an image (60 if left out).")
    ] = None,
    operating_point: Annotated[
        OperatingPoint, typer.Option(help="Screening misses less and shows more that is none.")
    ] = OperatingPoint.BALANCED,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    status: Annotated[bool, typer.Option("--status", help="Show the queue and leave.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Take up failed studies again.")] = False,
) -> None:
    """Receive DICOM studies, search them, and send report, segmentations and pages to an archive."""
    from microbleeds.node.config import parse_destination, read_config

    flags = {
        "folder": folder,
        "ae_title": ae_title,
        "port": port,
        "callers": tuple(caller or ()),
        "destinations": tuple(parse_destination(text) for text in destination or ()),
        "quiet_seconds": quiet_seconds,
    }
    settings = read_config(config, flags)
    if status:
        _show(settings)
    else:
        require("node", "The node needs")
        _serve(settings, _detector(operating_point, device), retry_failed=retry_failed)


def _show(settings: Config) -> None:
    """Print the queue."""
    from datetime import datetime

    from rich.console import Console
    from rich.table import Table

    from microbleeds.errors import InputError
    from microbleeds.node.queue import Queue
    from microbleeds.node.spool import QUEUE

    path = settings.folder / QUEUE
    if not path.exists():
        raise InputError(f"The folder {settings.folder} holds no queue yet; start the node first.")
    table = Table("study", "state", "images", "tries", "since", "what happened")
    for study in Queue(path).studies():
        since = datetime.fromtimestamp(study.changed).isoformat(" ", "seconds")
        counts = (str(study.images), str(study.attempts))
        table.add_row(study.token, study.state, *counts, since, study.sentence or "")
    Console().print(table)


def _serve(settings: Config, process: Process, *, retry_failed: bool) -> None:
    """Run until SIGINT or SIGTERM."""
    import signal

    from microbleeds.node.serve import Node, discreet_logging

    discreet_logging()
    running = Node(settings, process)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.end())
    if retry_failed:
        typer.echo(f"{running.queue.retry_failed()} failed studies are taken up again.")
    typer.echo("Research use. Not a medical device.")
    with running:
        running.run()


def _detector(operating_point: OperatingPoint, device: str) -> Process:
    """Return what searches a study: the whole pipeline, and its result as DICOM."""
    import hashlib

    from microbleeds.node.work import Outcome

    def process(images: Path, out: Path) -> Outcome:
        # Heavy; a node that has nothing to do yet listens at once.
        from microbleeds.errors import InputError
        from microbleeds.pipeline import NO_DICOM, Request, run

        request = Request(out=out, swi=images, operating_point=operating_point.value, device=device)
        record = run(request)
        failed = [sentence for sentence in record.warnings if NO_DICOM in sentence]
        if failed:
            raise InputError(failed[0])
        said = record.model_dump_json(exclude={"scan": {"files"}, "warnings": True})
        return Outcome(tuple(sorted((out / "dicom").glob("*.dcm"))), hashlib.sha256(said.encode()).hexdigest())

    return process
