"""Whether a finished result still answers its task: one hash over inputs, weights, options and version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microbleeds import __version__
from microbleeds.cohort.task import ScanTask
from microbleeds.errors import InputError
from microbleeds.read.inheritance import sidecars
from microbleeds.report.run_record import sha256_of


def scan_fingerprint(task: ScanTask) -> str:
    """Return the fingerprint of a scan's task.

    Raises:
        InputError: if an input isn't there.
    """
    options = task.options
    return digest(
        {
            "inputs": {role: [str(path), path_sha256(path)] for role, path in sorted(task.inputs.items())},
            "weights": dict(sorted(options.weights_sha256.items())),
            "operating_point": options.operating_point,
            "phase_sign": options.phase_sign,
            "device": options.device,
            "precision": options.precision,
            "threads": options.threads,
        }
    )


def digest(what: Mapping[str, Any]) -> str:
    """Return the sha256 of a description and this program's version."""
    text = json.dumps({"version": __version__, **what}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def path_sha256(path: Path) -> str:
    """Return the sha256 of a file, or of a DICOM folder's names and contents, sidecars included.

    Raises:
        InputError: if it isn't there, or is a link to a file that isn't.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listed = "".join(f"{file.relative_to(path)} {sha256_of(file)}\n" for file in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a link to a file that isn't here; fetch it (`datalad get`) first.")
    if not path.is_file():
        raise InputError(f"The file {path} isn't there; check the path.")
    own = sha256_of(path)
    theirs = [sha256_of(sidecar) for sidecar in sidecars(path)]
    return hashlib.sha256(" ".join([own, *theirs]).encode()).hexdigest() if theirs else own
