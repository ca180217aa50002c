"""From a folder to what is right and wrong with its labels, one scan in memory at a time."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations import LabelledScan
from microbleeds.annotations.check import Evidence, Remark, check, check_files, severest
from microbleeds.annotations.find import read_data_set
from microbleeds.annotations.signal import signal_mask
from microbleeds.annotations.together import check_together
from microbleeds.atomic import atomic_folder
from microbleeds.data_check.contact_sheet import Spot, spots_of, write_sheets
from microbleeds.data_check.result import DataCheck, ScanCheck, refused_scan
from microbleeds.errors import InputError
from microbleeds.overwriting import refuse_other_folder
from microbleeds.scan import Scan
from microbleeds.study import load_study

RESULT_FILE = "check.json"


@dataclass(frozen=True, eq=False)
class _Looked:
    """A scan that was looked at."""

    check: ScanCheck
    evidence: Evidence | None = None
    spots: tuple[Spot, ...] = ()
    digest: str = ""


def check_data_set(
    folder: Path,
    out: Path | None = None,
    *,
    find_brain: bool = True,
    overwrite: bool = False,
    announce: Callable[[str], None] = lambda stage: None,
) -> DataCheck:
    """Read, check and draw a folder of labelled scans.

    Args:
        folder: data set in any of the forms of docs/your-data.md; nothing is written into it.
        out: where ``check.json`` and ``contact-sheet-01.png`` ... go; nowhere if ``None``.
        find_brain: find the brain by the anatomy network; else all that has signal counts as brain.
        overwrite: whether an earlier check in ``out`` may be replaced.
        announce: called with what is being done.

    Raises:
        InputError: if the folder holds no labelled scan at all, or ``out`` can't be written.
    """
    with ExitStack() as stack:
        target = None
        if out is not None:
            if Path(folder).resolve() in Path(out).resolve().parents:
                raise InputError(f"The output folder {out} lies within the data; choose another.")
            if overwrite:
                refuse_other_folder(Path(out), "check", (RESULT_FILE,), (Path(folder),), "the data")
            target = stack.enter_context(atomic_folder(out, overwrite=overwrite))
        cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="microbleeds-check-")))
        announce("files")
        data = read_data_set(folder, cache)
        looked = []
        for n, scan in enumerate(data.scans, 1):
            announce(f"{scan.name} ({n} of {len(data.scans)})")
            looked.append(_look(scan, find_brain))
        remarks = [Remark("note", "data-set", sentence) for sentence in data.notes]
        remarks += _same_images(looked) + _missing(looked)
        remarks += check_together([one.evidence for one in looked if one.evidence is not None])
        refused = [refused_scan(one.name, one.sentence) for one in data.refused]
        result = DataCheck(Path(folder), (*(one.check for one in looked), *refused), tuple(remarks))
        if target is not None:
            announce("contact sheets")
            write_sheets([spot for one in looked for spot in one.spots], target)
            text = json.dumps(result.to_dict(), indent=2)
            (target / RESULT_FILE).write_text(text + "\n", encoding="utf-8")
    return result


def _look(labelled: LabelledScan, find_brain: bool) -> _Looked:
    """Check one scan; what makes it unusable becomes a remark."""
    try:
        remarks = check_files(labelled)
        if severest(remarks) == "error":
            return _Looked(_result(labelled, remarks))
        scan = load_study(labelled.swi, labelled.magnitude, labelled.phase)
    except InputError as error:
        return _Looked(_result(labelled, [Remark("error", "unreadable", str(error))]))
    # What the study says about a missing phase is said already.
    remarks += [Remark("warning", "image", w) for w in scan.warnings if not w.startswith("No phase image")]
    brain, source, doubts = _brain(scan, find_brain)
    found, evidence = check(labelled, scan.swi, brain, scan.grid, scan.source_grid)
    spots = spots_of(scan, brain, evidence, labelled.positions_ras_mm, labelled.diameters_mm)
    digest = hashlib.sha256(np.ascontiguousarray(scan.swi).tobytes()).hexdigest()
    result = _result(labelled, [*remarks, *doubts, *found], evidence, source)
    return _Looked(result, evidence, tuple(spots), digest)


def _brain(scan: Scan, find_brain: bool) -> tuple[NDArray[np.bool_], str, list[Remark]]:
    """Return the brain mask, from where it came, and what is doubtful about it."""
    if not find_brain:
        return signal_mask(scan.swi, scan.grid.spacing_mm), "signal", []
    from microbleeds.segmentation import segment  # brings in torch, which nothing else here needs

    try:
        found = segment(scan)
    except InputError as error:
        sentence = f"{error} All that has signal was taken instead."
        return signal_mask(scan.swi, scan.grid.spacing_mm), "signal", [Remark("warning", "brain", sentence)]
    # How good regions are in general is no matter here: only the mask is used.
    doubts = [Remark("warning", "brain", w) for w in found.warnings] if not found.confident else []
    return found.brain, "anatomy network", doubts


def _result(
    scan: LabelledScan, remarks: list[Remark], evidence: Evidence | None = None, brain: str = ""
) -> ScanCheck:
    files = {"swi": scan.swi, "magnitude": scan.magnitude, "phase": scan.phase}
    return ScanCheck(
        name=scan.name,
        subject=scan.subject,
        form=scan.form,
        files={role: str(path) for role, path in files.items() if path is not None},
        microbleeds=len(scan.positions_ras_mm),
        ignored=len(scan.ignored_ras_mm),
        positions_ras_mm=tuple(tuple(round(float(x), 3) for x in p) for p in scan.positions_ras_mm),
        contrasts=() if evidence is None else tuple(round(float(c), 2) for c in evidence.contrasts),
        brain=brain,
        remarks=tuple(remarks),
    )


def _same_images(looked: list[_Looked]) -> list[Remark]:
    """Say which scans hold the same image under two names: they would train and test on one person."""
    names = defaultdict(list)
    for one in looked:
        if one.digest:
            names[one.digest].append(one.check.name)
    return [
        Remark("error", "same-image", f"{', '.join(same)} hold the same image; keep one of them.")
        for same in names.values()
        if len(same) > 1
    ]


def _missing(looked: list[_Looked]) -> list[Remark]:
    """Count over the data set what single scans lack."""
    remarks = []
    lacking = sum("phase" not in one.check.files for one in looked)
    if lacking and lacking < len(looked):
        sentence = f"{lacking} of {len(looked)} scans have no phase image, the others have."
        remarks.append(Remark("warning", "mixed-phase", sentence))
    negative = sum(not one.check.microbleeds for one in looked)
    if negative:
        sentence = f"{negative} of {len(looked)} scans have no microbleed; they count in the false positives."
        remarks.append(Remark("note", "negatives", sentence))
    return remarks
