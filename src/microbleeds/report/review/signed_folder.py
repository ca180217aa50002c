"""A finished result and a reader's verdicts become a folder of the signed result.

It holds `findings.json`, `findings.tsv`, `labels.nii.gz` and `report.html` after the reading, `review.json` (who
decided what and when), and copies of `verdicts.json`, brain, regions and `run.json`. It appears whole or not at
all.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from microbleeds.atomic import atomic_folder
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.overwriting import refuse_other_folder
from microbleeds.report.brain_image import BRAIN_IMAGE, read_brain
from microbleeds.report.html import render_html
from microbleeds.report.labels import write_labels
from microbleeds.report.record import read_record, write_record
from microbleeds.report.review.embedded import ReadBack, read_embedded
from microbleeds.report.review.signed import Review, SignedResult, sign
from microbleeds.report.review.verdicts import read_verdicts
from microbleeds.report.run_record import RunOrigin, sha256_of
from microbleeds.report.searched import read_run
from microbleeds.report.stored_image import read_stored
from microbleeds.report.tsv import write_tsv

FOLDER = "reviewed"
REVIEW = "review.json"
SIGNED_FILES = ("findings.json", REVIEW)

_REGIONS = "regions.nii.gz"
#: Taken over: brain and regions, and how the result was made, so that a signed result can be used elsewhere.
KEPT_FILES = (BRAIN_IMAGE, _REGIONS, "regions.tsv", "regions.json", "run.json")
#: Writes more of a signed result (DICOM objects, say) into its folder, in which all else lies already.
Also = Callable[[Path], None]


def holds_reading(folder: Path) -> bool:
    """Whether a folder is, or holds below it, what a reader signed."""
    return any(folder.rglob(REVIEW))


def refuse_signed(folder: Path) -> None:
    """Refuse to overwrite a folder that holds what a reader signed.

    Raises:
        InputError: if it does.
    """
    if holds_reading(folder):
        raise InputError(
            f"The folder {folder} holds what a reader signed and won't be overwritten; choose another."
        )


def finalise(
    result: Path, verdicts: Path, out: Path | None = None, *, overwrite: bool = False, also: Sequence[Also] = ()
) -> SignedResult:
    """Write the signed result.

    Args:
        result: folder of a finished result, with its `review.html`.
        verdicts: `verdicts.json` as the page exported it.
        out: folder to write; `reviewed` in the result if ``None``.
        overwrite: whether an earlier signed result there may be replaced.
        also: what else to write; if one of them fails nothing is left behind.

    Raises:
        InputError: if the verdicts are no export or of another result, or a file is missing.
    """
    folder = Path(result)
    target = folder / FOLDER if out is None else Path(out)
    if overwrite:
        refuse_other_folder(target, "signed result", SIGNED_FILES)
    if not (folder / "findings.json").is_file():
        raise InputError(f"The folder {folder} holds no findings.json; give the folder of a finished result.")
    findings_sha256 = sha256_of(folder / "findings.json")
    record, given, grid = read_record(folder / "findings.json"), read_verdicts(verdicts), _input_grid(folder)
    signed = sign(record, given, grid, findings_sha256=findings_sha256, verdicts_sha256=sha256_of(verdicts))
    shown = read_embedded(folder / "review.html", record, grid, findings_sha256)
    # The page's codes take in fluid around the brain; a result of an earlier version has nothing better.
    brain = read_brain(folder, shown.scan.grid)
    shown = shown if brain is None else replace(shown, brain=brain)
    if (folder / _REGIONS).is_file():
        read_stored(folder / _REGIONS, "regions")  # damaged ones must not be signed
    with atomic_folder(target, overwrite=overwrite) as made:
        _write(signed, shown, grid, made, _origin(folder))
        shutil.copyfile(verdicts, made / "verdicts.json")
        for path in [folder / name for name in KEPT_FILES if (folder / name).is_file()]:
            shutil.copyfile(path, made / path.name)
        for write in also:
            write(made)
    return signed


def write_review_record(review: Review, path: Path) -> None:
    """Write `review.json`."""
    Path(path).write_text(review.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _origin(folder: Path) -> RunOrigin | None:
    """Return when and in what files a result was searched, if it says."""
    run = read_run(folder)
    return None if run is None else RunOrigin(run.started, run.inputs_sha256)


def _write(signed: SignedResult, shown: ReadBack, grid: Grid, folder: Path, origin: RunOrigin | None) -> None:
    """Write the files of the signed result."""
    write_record(signed.record, folder / "findings.json")
    write_tsv(signed.record, folder / "findings.tsv")
    write_labels(signed.record.findings, grid, folder / "labels.nii.gz")
    write_review_record(signed.review, folder / REVIEW)
    page = render_html(signed.record, shown.scan, shown.brain, shown.regions, signed.review.sentence, origin)
    (folder / "report.html").write_text(page, encoding="utf-8")


def _input_grid(folder: Path) -> Grid:
    """Return the grid of the input file, which the labels lie on."""
    path = folder / "labels.nii.gz"
    return read_stored(path, "label image", "give the folder of a finished result")[1]
