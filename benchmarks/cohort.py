"""Cohort definitions of benchmarks/cohorts, and where numbers were made."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch

from microbleeds.compute import choose

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """A data set of the cohort: with or without microbleeds."""

    name: str
    subjects: int
    burden: str
    seed: int
    scans_per_head: int = 1


@dataclass(frozen=True)
class Cohort:
    """Seeds, heads and protocol of a cohort."""

    name: str
    about: str
    anatomies: list[str]
    protocol: str
    profile: str
    parts: list[Part]


def cohort_named(name: str) -> Cohort:
    """Read a cohort definition."""
    content = json.loads((HERE / "cohorts" / f"{name}.json").read_text(encoding="utf-8"))
    return Cohort(**{**content, "parts": [Part(**part) for part in content["parts"]]})


def commit() -> str:
    """The commit of the checkout, with ``-dirty`` where the package or the benchmarks differ from it."""
    revision = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--", "../src", "*.py", "*.json", "cohorts", ":!results")
    return f"{revision or 'unknown'}{'-dirty' if changed else ''}"


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False)
    return result.stdout.strip()


def hardware() -> dict[str, object]:
    """What the numbers were made on; ``precision`` is what a search on the CPU takes unless told otherwise."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    precision = str(choose("cpu").dtype).removeprefix("torch.")
    return {
        "processor": model,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
