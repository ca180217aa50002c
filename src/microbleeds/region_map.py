"""The segmentation alone: one scan of a head becomes a folder with its regions.

The folder appears whole or not at all. It holds `regions.nii.gz` with `regions.tsv` and `regions.json`,
`brain.nii.gz`, `regions.html` and `run.json`; without the first three where the scan shows too little of the head
to tell regions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from microbleeds.atomic import atomic_folder
from microbleeds.compute import choose
from microbleeds.given import make_paths
from microbleeds.overwriting import refuse_other_folder
from microbleeds.report.brain_image import BRAIN_IMAGE, write_brain
from microbleeds.report.record import SegmentationRecord, refuse_unwritable_names
from microbleeds.report.regions_image import region_warnings, segmentation_record, write_regions
from microbleeds.report.regions_page import write_regions_page
from microbleeds.report.run_record import Stopwatch, run_record, sha256_of, write_run_record
from microbleeds.segmentation import anatomy_of, segment
from microbleeds.study import open_scan

_RESULT_FILES = (BRAIN_IMAGE, "regions.html", "run.json")


@dataclass(frozen=True)
class RegionRequest:
    """What to segment, and where the result goes; texts serve as paths.

    Args:
        scan: SWI, T2*-weighted magnitude or T1-weighted image (NIfTI), or a DICOM study.
        out: folder of the result.
        weights: of the anatomy (.safetensors), instead of the shipped ones.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        overwrite: whether an earlier result in ``out`` may be replaced.
    """

    scan: Path
    out: Path
    weights: Path | None = None
    device: str = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        make_paths(self, "scan", "out", "weights")


@dataclass(frozen=True)
class RegionResult:
    """What was found: the segmentation's description and its sentences for the reader."""

    segmentation: SegmentationRecord
    warnings: tuple[str, ...]


def map_regions(request: RegionRequest, announce: Callable[[str], None] = lambda stage: None) -> RegionResult:
    """Segment one scan and write the result.

    Args:
        request: what to do.
        announce: called with the name of each stage as it begins.

    Raises:
        InputError: if the scan or the folder can't be used; nothing is left behind then.
    """
    refuse_unwritable_names(*filter(None, (request.scan, request.out, request.weights)))
    if request.overwrite:
        refuse_other_folder(request.out, "result", _RESULT_FILES, (request.scan,))
    watch = Stopwatch()
    with atomic_folder(request.out, overwrite=request.overwrite) as folder:
        announce("read")
        with watch.stage("read"), open_scan(request.scan) as study:
            scan = study.scan
        announce("segment")
        with watch.stage("segment"):
            compute = choose(request.device)
            network, card = anatomy_of(request.weights)
            segmentation = segment(scan, network, compute, card)
        announce("write")
        with watch.stage("write"):
            write_regions(segmentation, scan, folder)
            write_brain(segmentation.brain, scan, folder)
            write_regions_page(segmentation, scan, folder / "regions.html")
        written = run_record(
            watch,
            options={"scan": dict(scan.files), "device": request.device, "overwrite": request.overwrite},
            inputs_sha256={"scan": sha256_of(request.scan)} if request.scan.is_file() else {},
            weights_sha256={"anatomy": card.sha256},
            compute=compute.describe(),
        )
        write_run_record(written, folder / "run.json")
    return RegionResult(segmentation_record(segmentation), region_warnings(segmentation, scan))
