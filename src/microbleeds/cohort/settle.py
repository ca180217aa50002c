"""Settle once for a whole run what a worker must not decide by itself: device, precision and weights.

bfloat16 or float32 is a matter of measuring (see :mod:`microbleeds.compute`); two workers that measured for
themselves could differ, and so would their findings. What was settled is kept beside the results, so that a run
that goes on later settles the same.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from microbleeds.atomic import atomic_file
from microbleeds.cohort.task import SearchOptions
from microbleeds.compute import choose
from microbleeds.report.record import Strict
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_store import load_anatomy
from microbleeds.weights.card import card_sha256

if TYPE_CHECKING:
    from distributed import Client


class Settled(Strict):
    """What a run computes on, and what was asked for."""

    asked_device: str
    device: str
    precision: Literal["bfloat16", "float32"]
    threads: int


def with_weights(options: SearchOptions) -> SearchOptions:
    """Fill in the hashes of the weights.

    Raises:
        InputError: if the weights can't be used.
    """
    _, anatomy = load_anatomy()
    cards = {"detector": load_detector(options.weights).card, "anatomy": anatomy}
    return replace(options, weights_sha256={name: card_sha256(card) for name, card in cards.items()})


def settled(options: SearchOptions, client: Client, memory: Path) -> SearchOptions:
    """Fill in device and precision: as an earlier run settled them, else as one worker measures them.

    Args:
        options: as asked for.
        client: of the pool; the workers' machine counts, not this one.
        memory: file that keeps what was settled.
    """
    found = _remembered(memory)
    asked = (options.device, options.threads)
    if found is None or (found.asked_device, found.threads) != asked:
        device, precision = client.submit(measure, *asked, pure=False).result()
        found = Settled(asked_device=options.device, device=device, precision=precision, threads=options.threads)
        with atomic_file(memory) as partial:
            partial.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    wanted = found.precision if options.precision == "auto" else options.precision
    return replace(options, device=found.device, precision=wanted)


def measure(device: str, threads: int) -> tuple[str, Literal["bfloat16", "float32"]]:
    """Return device and precision that suit this machine."""
    compute = choose(device, threads=threads)
    return str(compute.device), "bfloat16" if "bfloat16" in str(compute.dtype) else "float32"


def _remembered(memory: Path) -> Settled | None:
    try:
        return Settled.model_validate_json(memory.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
