"""Two visits become a folder that says what is new: scans are searched first, results are taken as they are.

The folder appears whole or not at all. It holds `comparison.json`, `comparison.tsv` and `comparison.html`, and
`baseline/` or `followup/`, as :mod:`microbleeds.pipeline` writes them, of what was searched here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from microbleeds.atomic import atomic_folder
from microbleeds.compute import choose
from microbleeds.errors import InputError
from microbleeds.followup import Comparison, Visit, compare_visits, load_visit, write_comparison
from microbleeds.followup.files import RECORD
from microbleeds.followup.study_files import files_searched, must_be_searched, study_files
from microbleeds.given import make_paths
from microbleeds.overwriting import refuse_other_folder
from microbleeds.pipeline import Request, run
from microbleeds.report.record import refuse_unwritable_names
from microbleeds.report.review.signed_folder import refuse_signed
from microbleeds.report.searched import read_run
from microbleeds.search import OperatingPointName, refuse_unknown_point
from microbleeds.study import SignChoice, refuse_unknown_sign


@dataclass(frozen=True)
class ComparisonRequest:
    """What to compare, and where the comparison goes; texts serve as paths.

    Args:
        baseline: the earlier visit: result of :func:`microbleeds.pipeline.run`, SWI, study folder or DICOM study.
        followup: the later visit, the same choice.
        out: folder of the comparison.
        baseline_scan: scan of an earlier result, if it isn't where it was searched.
        followup_scan: likewise.
        phase_sign: of what is searched: as written by the scanner, or ``auto`` to derive it.
        operating_point: of what is searched: ``balanced`` or ``screening``.
        weights: of the detector; the shipped ones if ``None``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        overwrite: whether an earlier comparison in ``out`` may be replaced.

    Raises:
        InputError: if the phase sign or the operating point is unknown.
    """

    baseline: Path
    followup: Path
    out: Path
    baseline_scan: Path | None = None
    followup_scan: Path | None = None
    phase_sign: SignChoice = "auto"
    operating_point: OperatingPointName = "balanced"
    weights: Path | None = None
    device: str = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        make_paths(self, "baseline", "followup", "out", "baseline_scan", "followup_scan", "weights")
        refuse_unknown_point(self.operating_point)
        refuse_unknown_sign(self.phase_sign)

    @property
    def visits(self) -> dict[str, Path]:
        """Name to path of either visit."""
        return {"baseline": self.baseline, "followup": self.followup}


def compare(request: ComparisonRequest, announce: Callable[[str], None] = lambda stage: None) -> Comparison:
    """Align two visits of one person, say which microbleeds are new, stable or no longer seen, and write it.

    Where the scans can't be aligned nothing is matched, ``registration.succeeded`` is false, and that is written.

    Args:
        request: what to do.
        announce: called with the name of each stage as it begins.

    Raises:
        InputError: if the visits or the folder can't be used; nothing is left behind then.
    """
    paths = request.visits
    refuse_unwritable_names(*paths.values())
    if request.overwrite:
        refuse_signed(request.out)
        visits_held = "a visit that is to be compared"
        refuse_other_folder(request.out, "comparison", (RECORD,), paths.values(), visits_held)
    studies = {name: study_files(path) for name, path in paths.items() if must_be_searched(path)}
    scans = _moved(request, studies) | studies
    _refuse_idle(request, studies)
    with atomic_folder(request.out, overwrite=request.overwrite) as folder:
        visits: dict[str, Visit] = {}
        compute = choose(request.device)
        for name, path in paths.items():
            result = path
            if name in studies:
                result = folder / name
                _search(studies[name], result, request, announce)
            announce(f"{name}: read")
            shown = _named(path, result, studies.get(name, {}))
            visits[name] = load_visit(result, scan=scans.get(name), name=shown, compute=compute)
        announce("compare")
        comparison = compare_visits(visits["baseline"], visits["followup"])
        write_comparison(comparison, visits["baseline"], visits["followup"], folder)
    return comparison


def _refuse_idle(request: ComparisonRequest, studies: Mapping[str, object]) -> None:
    """Refuse options of a search where neither visit is searched: they would seem to have counted.

    Raises:
        InputError: if one was given.
    """
    given = {
        "--operating-point": request.operating_point != "balanced",
        "--phase-sign": request.phase_sign != "auto",
        "--weights": request.weights is not None,
    }
    idle = [name for name, asked in given.items() if asked]
    if idle and not studies:
        raise InputError(
            f"Both visits are results, which were searched already, so {idle[0]} has nothing to do; leave it out,"
            " or give the scans."
        )


def _search(
    files: Mapping[str, Path], out: Path, request: ComparisonRequest, announce: Callable[[str], None]
) -> None:
    """Search one visit."""
    asked = Request(
        out,
        swi=files.get("swi"),
        magnitude=files.get("magnitude"),
        phase=files.get("phase"),
        phase_sign=request.phase_sign,
        operating_point=request.operating_point,
        weights=request.weights,
        device=request.device,
    )
    run(asked, announce=announce)


def _named(path: Path, result: Path, searched: Mapping[str, Path]) -> str:
    """Return what a visit is called: its path, of a DICOM study as the search noted it, without the patient."""
    role = next((role for role, file in searched.items() if file == path), None)
    found = None if role is None else read_run(result)
    return str(path) if role is None or found is None else str(found.options[role])


def _moved(request: ComparisonRequest, studies: Mapping[str, object]) -> dict[str, dict[str, Path]]:
    """Return the files of the scans that the user says lie elsewhere now, by visit."""
    scans = {"baseline": request.baseline_scan, "followup": request.followup_scan}
    given = {name: path for name, path in scans.items() if path is not None}
    needless = next((name for name in given if name in studies), None)
    if needless is not None:
        raise InputError(f"--{needless}-scan is for a result; the {needless} is a scan itself.")
    return {name: files_searched(path, read_run(request.visits[name])) for name, path in given.items()}
