"""The application: its verbs, and what becomes of an error.

Bad input is one sentence on stderr and exit code 2; anything unexpected is a short message and exit code 1,
with the traceback after ``microbleeds --debug``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from microbleeds import __version__
from microbleeds.cli import bids
from microbleeds.cli.check_data import check_data
from microbleeds.cli.compare import compare
from microbleeds.cli.cross_validate import cross_validate
from microbleeds.cli.demo import demo
from microbleeds.cli.detect import detect
from microbleeds.cli.evaluate import evaluate
from microbleeds.cli.export_dicom import export_dicom
from microbleeds.cli.finalize import finalize
from microbleeds.cli.finetune import finetune
from microbleeds.cli.info import info
from microbleeds.cli.many import many
from microbleeds.cli.node import node
from microbleeds.cli.refusals import leave, refuse_empty
from microbleeds.cli.regions import regions
from microbleeds.cli.review import review
from microbleeds.cli.schema import schema
from microbleeds.cli.series import series
from microbleeds.cli.signals import end_cleanly
from microbleeds.cli.simulate import simulate
from microbleeds.cli.simulate_visits import simulate_visits
from microbleeds.cli.train import train
from microbleeds.cli.train_anatomy import train_anatomy

app = typer.Typer(
    name="microbleeds",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find cerebral microbleeds on susceptibility-weighted MRI. Research use. Not a medical device.",
)
for verb in (
    demo,
    detect,
    regions,
    series,
    review,
    finalize,
    compare,
    export_dicom,
    many,
    node,
    evaluate,
    check_data,
    simulate,
    simulate_visits,
    train,
    finetune,
    cross_validate,
    train_anatomy,
    info,
    schema,
):
    app.command()(verb)


def _show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        typer.echo(f"microbleeds {__version__}")
        raise typer.Exit


@app.callback()
def options(
    # ``main`` looks for --debug in the arguments, since errors reach it after this function has returned.
    _debug: bool = typer.Option(False, "--debug", help="Show the traceback of an unexpected error."),
    _version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Find cerebral microbleeds on susceptibility-weighted MRI. Research use. Not a medical device."""


def verbs() -> set[str]:
    """Return the names of all verbs."""
    return {str(name) for name in getattr(typer.main.get_command(app), "commands", {})}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    end_cleanly()
    if bids.is_bids_call(given, verbs()):
        bids.main(given)
    try:
        refuse_empty(given)
        app(args=given, prog_name="microbleeds")
    except Exception as error:
        leave(error, debug="--debug" in given, again="as `microbleeds --debug ...`")
