"""The whole way, in one short file: files of a study (NIfTI or DICOM) become a folder with a report.

The folder appears whole or not at all. It holds `findings.json`, `findings.tsv`, `labels.nii.gz`, `brain.nii.gz`,
`report.html` (to send on), `review.html` (to read with) and `run.json`; and `regions.nii.gz`, `regions.tsv` and
`regions.json` where the regions are known, and `dicom/` (SR, SEG, pages) where the study was DICOM.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from microbleeds.annotations.doubts import doubts_about
from microbleeds.atomic import atomic_folder
from microbleeds.compute import Precision
from microbleeds.errors import InputError
from microbleeds.given import make_paths, texts_of
from microbleeds.overwriting import refuse_other_folder
from microbleeds.report.brain_image import write_brain
from microbleeds.report.dicom import write_result as write_dicom_result
from microbleeds.report.html import write_html
from microbleeds.report.labels import write_labels
from microbleeds.report.record import Record, refuse_unwritable_names, write_record
from microbleeds.report.regions_image import write_regions
from microbleeds.report.review.page import write_review
from microbleeds.report.review.signed_folder import refuse_signed
from microbleeds.report.run_record import RunOrigin, Stopwatch, run_record, sha256_of, write_run_record
from microbleeds.report.tsv import write_tsv
from microbleeds.scan import Scan
from microbleeds.search import OperatingPointName, Searcher, refuse_unknown_point
from microbleeds.segmentation import Segmentation
from microbleeds.study import SignChoice, Study, open_scan, refuse_unknown_sign

NO_DICOM = "No DICOM objects were written"
RESULT_FILES = ("findings.json", "run.json")


@dataclass(frozen=True)
class Request:
    """What to search, how, and where the result goes; texts serve as paths.

    Args:
        out: folder of the result.
        swi: susceptibility-weighted image, or a DICOM study (folder or zip); may be absent when there is a
            magnitude.
        magnitude: magnitude before weighting.
        phase: phase image.
        series: which series of the DICOM study to use; chosen by their headers if empty.
        phase_sign: as written by the scanner, or ``auto`` to derive it.
        operating_point: ``balanced``, or ``screening`` to miss less and show more.
        weights: of the detector; the shipped ones if ``None``.
        anatomy_weights: of the segmentation; the shipped ones if ``None``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto`` measures which is faster here; many scans of one cohort are better given one.
        overwrite: whether an earlier result in ``out`` may be replaced.

    Raises:
        InputError: if the phase sign or the operating point is unknown.
    """

    out: Path
    swi: Path | None = None
    magnitude: Path | None = None
    phase: Path | None = None
    series: tuple[str, ...] = ()
    phase_sign: SignChoice = "auto"
    operating_point: OperatingPointName = "balanced"
    weights: Path | None = None
    anatomy_weights: Path | None = None
    device: str = "auto"
    precision: Precision = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        make_paths(self, "out", "swi", "magnitude", "phase", "weights", "anatomy_weights")
        object.__setattr__(self, "series", texts_of(self.series))
        refuse_unknown_point(self.operating_point)
        refuse_unknown_sign(self.phase_sign)

    @property
    def inputs(self) -> dict[str, Path]:
        """Role to path of the given files."""
        roles = {"swi": self.swi, "magnitude": self.magnitude, "phase": self.phase}
        return {role: path for role, path in roles.items() if path is not None}


def run(request: Request, announce: Callable[[str], None] = lambda stage: None) -> Record:
    """Search one scan and write the result.

    Args:
        request: what to do.
        announce: called with the name of each stage as it begins.

    Raises:
        InputError: if the files or the folder can't be used; nothing is left behind then.
    """
    refuse_unwritable_names(*(value for value in vars(request).values() if isinstance(value, Path)))
    if request.overwrite:
        refuse_signed(request.out)
        refuse_other_folder(request.out, "result", RESULT_FILES, request.inputs.values())
    doubts = _doubts(request)
    watch = Stopwatch()

    def stage(name: str) -> Any:
        announce(name)
        return watch.stage(name)

    with atomic_folder(request.out, overwrite=request.overwrite) as folder, ExitStack() as files:
        with stage("read"):
            study = files.enter_context(_opened(request))
            scan = study.scan
        with stage("load weights"):
            searcher = Searcher(
                request.weights,
                request.anatomy_weights,
                operating_point=request.operating_point,
                device=request.device,
                precision=request.precision,
            )
        found = searcher.search(scan, doubts=doubts, stage=stage)
        with stage("report"):
            record = _with_dicom(found.record, study, found.segmentation, folder / "dicom", watch.started)
            inputs = _input_hashes(request, study)
            _write(record, scan, found.segmentation, folder, RunOrigin(watch.started.isoformat(), inputs))
        written = run_record(
            watch,
            # Where it was written says nothing once it is moved, and a folder's name may be the patient's.
            options={name: _plain(v) for name, v in asdict(request).items() if name != "out"} | dict(study.given),
            inputs_sha256=inputs,
            weights_sha256=searcher.weights_sha256,
            compute=searcher.compute.describe(),
        )
        voxels = None if study.dicom is None else dict(study.voxels_sha256)
        write_run_record(written.model_copy(update={"voxels_sha256": voxels}), folder / "run.json")
    return record


def _opened(request: Request) -> AbstractContextManager[Study]:
    return open_scan(
        request.swi,
        request.magnitude,
        request.phase,
        phase_sign=request.phase_sign,
        series=request.series,
    )


def _doubts(request: Request) -> tuple[str, ...]:
    """Return sentences on files that may not be what they were given as; refuse those that surely aren't."""
    swi = () if request.swi is None else doubts_about(request.swi, "swi")
    magnitude = () if request.magnitude is None else doubts_about(request.magnitude, "magnitude")
    return (*swi, *magnitude)


def _with_dicom(
    record: Record, study: Study, segmentation: Segmentation, folder: Path, created: datetime
) -> Record:
    """Write the result of a DICOM study as DICOM; where that can't be, the record says why and the rest stays."""
    if study.dicom is None:
        return record
    try:
        write_dicom_result(record, study.scan, segmentation, study.dicom.main, folder, created=created)
    except OSError:
        raise
    except Exception as error:  # headers that can be read need not be fit to be copied, each in its own way
        shutil.rmtree(folder, ignore_errors=True)
        unforeseen = f"The headers can't be copied ({type(error).__name__})."  # its text may quote one
        why = str(error) if isinstance(error, InputError) else unforeseen
        sentence = f"{why} {NO_DICOM}; the other files are complete."
        return record.model_copy(update={"warnings": [*record.warnings, sentence]})
    return record


def _write(record: Record, scan: Scan, segmentation: Segmentation, folder: Path, origin: RunOrigin) -> None:
    """Write everything but the run record and DICOM."""
    write_record(record, folder / "findings.json")
    write_tsv(record, folder / "findings.tsv")
    write_labels(record.findings, scan.source_grid, folder / "labels.nii.gz")
    write_brain(segmentation.brain, scan, folder)
    write_regions(segmentation, scan, folder)
    write_html(record, scan, segmentation.brain, folder / "report.html", segmentation.regions, origin)
    write_review(
        record,
        scan,
        segmentation.brain,
        segmentation.regions if segmentation.located else None,
        folder / "review.html",
        findings_sha256=sha256_of(folder / "findings.json"),
    )


def _input_hashes(request: Request, study: Study) -> dict[str, str]:
    """Return role to the sha256 of its file, of a DICOM volume to one sha256 over its files in slice order."""
    hashes = {role: sha256_of(path) for role, path in request.inputs.items() if path.is_file()}
    if study.dicom is None:
        return hashes
    for role, volume in study.dicom.chosen.items():
        digest = hashlib.sha256()
        for path in dict.fromkeys(volume.files):
            digest.update(bytes.fromhex(sha256_of(path)))
        hashes[role] = digest.hexdigest()
    return hashes


def _plain(value: Any) -> Any:
    """Return paths as text."""
    return str(value) if isinstance(value, Path) else value
