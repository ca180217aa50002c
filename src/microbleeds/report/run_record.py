"""`run.json`: how a result was made: versions, options, seconds per stage, memory, platform, hashes."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from microbleeds import __version__

_PACKAGES = (
    "numpy", "scipy", "nibabel", "torch", "safetensors", "pydantic", "pillow", "jinja2", "pydicom", "highdicom",
)  # fmt: skip


class RunRecord(BaseModel):
    """What `run.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: str = "1.1.0"
    program_version: str
    started: str
    options: dict[str, Any]
    inputs_sha256: dict[str, str]
    weights_sha256: dict[str, str]
    seconds: dict[str, float]
    total_seconds: float
    peak_memory_mb: float | None
    compute: str
    python: str
    packages: dict[str, str]
    platform: str
    cores: int
    #: Of a scan read from DICOM: role to :func:`microbleeds.read.part.voxels_sha256` of each volume. Up to schema
    #: 1.0.0 it is one hash alone, of the magnitude, or of the SWI where there was none.
    voxels_sha256: dict[str, str] | str | None = None


@dataclass(frozen=True)
class RunOrigin:
    """What ties a page to a case and a run: when it was searched, and hashes of the input by role.

    It stands on the page and in `run.json`, not in `findings.json`: the same input gives that to the byte.
    """

    started: str
    inputs_sha256: dict[str, str]

    @property
    def time(self) -> str:
        """The start, to the minute in UTC where it can be read as a time."""
        try:
            return f"{datetime.fromisoformat(self.started).astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
        except ValueError:
            return self.started


@dataclass
class Stopwatch:
    """Seconds of named stages, in the order in which they ran."""

    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; a stage that runs twice adds up."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


def run_record(
    watch: Stopwatch,
    *,
    options: dict[str, Any],
    inputs_sha256: dict[str, str],
    weights_sha256: dict[str, str],
    compute: str,
) -> RunRecord:
    """Describe a run that is about to end."""
    seconds = {name: round(value, 3) for name, value in watch.seconds.items()}
    return RunRecord(
        program_version=__version__,
        started=watch.started.isoformat(timespec="seconds"),
        options=options,
        inputs_sha256=inputs_sha256,
        weights_sha256=weights_sha256,
        seconds=seconds,
        total_seconds=round(sum(watch.seconds.values()), 3),
        peak_memory_mb=peak_memory_mb(),
        compute=compute,
        python=platform.python_version(),
        packages=package_versions(),
        platform=f"{platform.system()} {platform.machine()}",
        cores=cores(),
    )


def write_run_record(run: RunRecord, path: Path) -> None:
    """Write `run.json`."""
    Path(path).write_text(run.model_dump_json(indent=2) + "\n", encoding="utf-8")


def package_versions() -> dict[str, str]:
    """Return versions of the packages that shape a result, without importing them."""
    versions: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def peak_memory_mb() -> float | None:
    """Return this process's peak resident memory in MB (10^6 bytes); ``None`` where unknown (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, Linux kibibytes.
    return round(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6, 1)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
