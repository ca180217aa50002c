"""The whole program on every scan of a data set; findings are kept under a name that says what made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from cohort import commit
from microbleeds.errors import InputError
from microbleeds.evaluate import Case, read_cases
from microbleeds.pipeline import Request, run
from microbleeds.report.run_record import sha256_of
from microbleeds.training.dataset import heads_of
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS
from microbleeds.weights.card import card_sha256
from side_by_side import side_by_side


def made_by(weights: Path | None) -> str:
    """Name of what makes findings: the commit, the detector with its calibration and thresholds, the anatomy.

    Two cards of the same numbers differ after `calibrate`, so the hash is of the card, which holds theirs.
    """
    card = card_sha256(load_detector(weights).card)
    return f"{commit()}-{card[:8]}-{sha256_of(ANATOMY_WEIGHTS)[:8]}"


def search_all(
    data: Path,
    found: Path,
    subjects: int,
    *,
    weights: Path | None = None,
    use: str = "swi+phase",
    operating_point: str = "balanced",
    jobs: int = 1,
) -> list[Case]:
    """Search every scan of a data set and return what was found with the truth, named by data set and scan.

    Args:
        data: folder of the data set.
        found: folder of the results; those that lie there are kept unless the commit in its path is dirty.
        subjects: how many scans the data set must have.
        weights: instead of the shipped ones.
        use: images to give, joined by ``+``.
        operating_point: ``balanced`` or ``screening``.
        jobs: processes side by side.

    Raises:
        InputError: if the data set is not whole.
    """
    scans = sorted(data.glob("sub-*/anat"))
    if len(scans) != subjects or not (data / "participants.tsv").exists():
        raise InputError(f"{data} holds {len(scans)} of {subjects} scans; run `build` first.")
    again = "-dirty" in str(found)
    calls: list[Callable[[], object]] = []
    for anat in scans:
        subject = anat.parent.name
        if (found / subject / "findings.json").exists() and not again:
            continue
        files = {
            "swi": anat / f"{subject}_swi.nii.gz",
            "magnitude": anat / f"{subject}_part-mag_GRE.nii.gz",
            "phase": anat / f"{subject}_part-phase_GRE.nii.gz",
        }
        inputs = {role: files[role] for role in use.split("+")}
        request = Request(
            out=found / subject,
            operating_point=operating_point,  # type: ignore[arg-type]
            weights=weights,
            overwrite=True,
            **inputs,  # type: ignore[arg-type]
        )
        calls.append(partial(run, request))
    side_by_side(calls, jobs, f"{data.parent.name}/{data.name}")
    # The parts of a cohort count subjects and heads from 1 each.
    heads = heads_of(data, [anat.parent.name for anat in scans])
    return [
        replace(case, name=f"{data.name}/{case.name}", head=f"{data.name}/{heads[case.name]}")
        for case in read_cases(found, data)
    ]
