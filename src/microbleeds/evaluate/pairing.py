"""Findings and truth of one scan, or of a data set: which file belongs to which.

In a data set names tell: a scan is ``sub-001``, or ``sub-001_ses-1`` where sessions are named, as a folder
(``sub-001/``, ``sub-001/ses-1/``) or at the start of a file's name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from microbleeds.errors import InputError
from microbleeds.evaluate.cases import Case
from microbleeds.evaluate.readers import MASKS, TABLES, read_predictions, read_truth

_MIMICS_TABLE = "_mimics.tsv"
_NAME = re.compile(r"(sub-[^_.]+)(?:.*?_(ses-[^_.]+))?")
_SESSION = re.compile(r"ses-[^_.]+")


def read_cases(findings: Path, truths: Path) -> list[Case]:
    """Read one scan (two files) or a data set (two folders with the same ``sub-*`` names).

    Raises:
        InputError: if a scan has no findings (none found isn't the same as not run) or no truth (which isn't the
            same as no microbleeds), or two files may be a scan's.
    """
    findings, truths = Path(findings), Path(truths)
    for path in (findings, truths):
        if not path.exists():
            raise InputError(f"{path} does not exist; check the path.")
    folder = truths / "derivatives" / "truth" if (truths / "derivatives" / "truth").is_dir() else truths
    scans = _truths_in(folder) if folder.is_dir() else {}
    if not scans:
        return [Case(findings.stem or str(findings), read_predictions(findings), read_truth(truths))]
    findings = _results_of_app(findings)
    subjects = [_subject(name) for name in scans]
    found = {name: _findings_of(findings, name, alone=subjects.count(_subject(name)) == 1) for name in scans}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"There are no findings for {missing[0]}{more} in {findings}; run detect on each scan.")
    _refuse_without_truth(findings, scans)
    there = [(name, path) for name, path in found.items() if path is not None]
    return [Case(name, read_predictions(path), read_truth(scans[name])) for name, path in there]


def _results_of_app(folder: Path) -> Path:
    """Return the results within the output folder of the BIDS App; another folder is what it is."""
    results = folder / "results"
    return results if any(results.glob("sub-*/findings.json")) else folder


def _refuse_without_truth(folder: Path, scans: Collection[str]) -> None:
    """Refuse findings of scans that have no truth: left out, their false positives would count nowhere."""
    names = _found_in(folder)
    true, found = Counter(map(_subject, scans)), Counter(map(_subject, names))
    # A session that one side alone names does not matter.
    single = {subject for subject in found if found[subject] == true[subject] == 1}
    extra = sorted(name for name in names if name not in scans and _subject(name) not in single)
    if extra:
        more = f" (and {len(extra) - 1} more)" if len(extra) > 1 else ""
        raise InputError(
            f"{extra[0]}{more} has findings in {folder} but no truth; a scan without microbleeds needs a table "
            "with a header and no rows, findings of any other must be taken away."
        )


def _found_in(folder: Path) -> set[str]:
    """Return the names of the scans that a folder has findings of."""
    names: set[str] = set()
    for path in folder.glob("sub-*"):
        if path.is_file() and path.name.endswith((*TABLES, *MASKS, ".json")):
            names.add(_name_of(path))
        if path.is_dir() and _NAME.fullmatch(path.name):  # a comparison of two sessions has another name
            sessions = [inner for inner in path.glob("ses-*") if inner.is_dir() and _SESSION.fullmatch(inner.name)]
            names |= {_name_of(inner) for inner in sessions or [path]}
    return names


def _truths_in(folder: Path) -> dict[str, Path]:
    """Return the truth of each scan of a data set, a file or the folder that holds it, by name."""
    paths: list[Path] = []
    for path in sorted(folder.glob("sub-*")):
        if path.is_dir():
            paths += sorted(session for session in path.glob("ses-*") if session.is_dir()) or [path]
        elif path.name.endswith((*MASKS, *TABLES)) and not path.name.endswith(_MIMICS_TABLE):
            paths.append(path)
    named: dict[str, Path] = {}
    for path in paths:
        first = named.setdefault(_name_of(path), path)
        if first != path:
            both = f"{first.name} and {path.name} in {folder}"
            raise InputError(f"{both} may both be the truth of {_name_of(path)}; keep one.")
    return named


def _findings_of(folder: Path, name: str, *, alone: bool) -> Path | None:
    """Return a scan's folder or file within the folder of all findings.

    Args:
        folder: of all findings.
        name: of the scan.
        alone: whether it is its subject's only one; then a session that one side alone names does not matter.
    """
    folders = [folder / name, folder.joinpath(*name.split("_"))] + [folder / _subject(name)] * alone
    for inner in folders:
        if inner.is_dir():
            return inner
    files = [path for path in sorted(folder.glob(f"{_subject(name)}[._]*")) if path.is_file()]
    exact = [path for path in files if _name_of(path) == name]
    files = exact or (files if alone else [])
    # A table has its facts in a .json beside it (BIDS) and its voxels in a label image: those are no second list.
    for endings in (TABLES, (".json",), MASKS):
        fitting = [path for path in files if path.name.endswith(endings)]
        if len(fitting) > 1:
            listed = ", ".join(path.name for path in fitting)
            raise InputError(f"{listed} in {folder} may all be the findings of {name}; keep one.")
        if fitting:
            return fitting[0]
    return None


def _subject(name: str) -> str:
    return name.split("_")[0]


def _name_of(path: Path) -> str:
    """Return ``sub-001`` or ``sub-001_ses-1``."""
    if path.is_dir() and path.name.startswith("ses-"):
        return f"{path.parent.name}_{path.name}"
    match = _NAME.match(path.name)
    return "_".join(part for part in match.groups() if part) if match else path.name
