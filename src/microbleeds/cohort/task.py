"""What a worker is asked to do, and what became of it.

An :class:`Outcome` is written to the task's ``note`` by whoever knows it first: the worker, or the parent when the
worker died. It is the memory of a killed run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field, ValidationError

from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.compute import Precision
from microbleeds.given import make_paths
from microbleeds.report.record import Strict, writable
from microbleeds.search import OperatingPointName
from microbleeds.study import SignChoice

State = Literal["done", "kept", "failed", "absent"]


@dataclass(frozen=True)
class SearchOptions:
    """How every scan of a run is searched; decided once, so that workers can't differ.

    Args:
        operating_point: as in :class:`microbleeds.pipeline.Request`.
        phase_sign: as in :class:`microbleeds.pipeline.Request`.
        weights: of the detector; the shipped ones if ``None``.
        weights_sha256: name to hash of the card of all weights in use.
        device: torch device.
        precision: of convolutions.
        threads: of a worker.
    """

    operating_point: OperatingPointName = "balanced"
    phase_sign: SignChoice = "auto"
    weights: Path | None = None
    weights_sha256: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    precision: Precision = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        make_paths(self, "weights")


@dataclass(frozen=True)
class ScanOrigin:
    """Whose scan it is and why these files; ``None`` and empty where a data set has no such names."""

    subject: str | None = None
    session: str | None = None
    stem: str | None = None
    notes: tuple[str, ...] = ()


class Task(Protocol):
    """Anything that a pool can carry out."""

    @property
    def name(self) -> str:
        """Unique in its run."""

    @property
    def note(self) -> Path:
        """Where its outcome is written."""

    @property
    def origin(self) -> ScanOrigin:
        """Whose it is."""


@dataclass(frozen=True)
class ScanTask:
    """Search one scan.

    Args:
        name: unique in its run; a file name.
        inputs: role (``swi``, ``magnitude``, ``phase``) to path.
        out: folder of the result.
        note: file of the outcome.
        options: how to search.
        origin: whose scan it is.
    """

    name: str
    inputs: Mapping[str, Path]
    out: Path
    note: Path
    options: SearchOptions
    origin: ScanOrigin = ScanOrigin()


class Outcome(Strict, extra="ignore"):
    """What became of a task.

    ``done`` and ``kept`` (done by an earlier run; with a sentence if it would be done in another way now) have a
    result; ``failed`` and ``absent`` (there is no such image) have a sentence. Where the result lies follows from
    the name, since output folders are moved and mounted elsewhere; notes of earlier versions hold a path, which is
    ignored.
    """

    schema_version: Literal["1.0.0"] = "1.0.0"
    program_version: str = __version__
    name: str
    state: State
    sentence: str | None = None
    fingerprint: str | None = Field(default=None, description="Hash of inputs, weights and options.")
    seconds: float | None = None
    traceback: str | None = Field(default=None, description="Of a fault of the program.")
    subject: str | None = None
    session: str | None = None
    stem: str | None = Field(default=None, description="Beginning of the names of the derivatives.")
    notes: list[str] = Field(default_factory=list, description="Why these files were taken.")

    @property
    def succeeded(self) -> bool:
        """Whether there is a result."""
        return self.state in ("done", "kept")


def outcome_of(
    task: Task,
    state: State,
    *,
    sentence: str | None = None,
    fingerprint: str | None = None,
    seconds: float | None = None,
    traceback: str | None = None,
) -> Outcome:
    """Describe what became of a task."""
    return Outcome(
        name=task.name,
        state=state,
        sentence=None if sentence is None else writable(sentence),
        fingerprint=fingerprint,
        seconds=None if seconds is None else round(seconds, 2),
        traceback=traceback,
        subject=task.origin.subject,
        session=task.origin.session,
        stem=task.origin.stem,
        notes=[writable(note) for note in task.origin.notes],
    )


def write_outcome(outcome: Outcome, note: Path) -> None:
    """Write an outcome whole or not at all."""
    with atomic_file(note) as partial:
        partial.write_text(outcome.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_outcome(note: Path) -> Outcome | None:
    """Return what was written, ``None`` if nothing readable is there (the task is done again then)."""
    try:
        return Outcome.model_validate_json(Path(note).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None


def read_outcomes(folder: Path) -> list[Outcome]:
    """Return all outcomes of a folder, sorted by name."""
    read = (read_outcome(path) for path in sorted(Path(folder).glob("*.json")))
    return [outcome for outcome in read if outcome is not None]
