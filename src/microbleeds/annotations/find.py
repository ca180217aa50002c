"""A folder of somebody's labelled scans becomes :class:`LabelledScan` s; the form is found, not asked for.

Images are grouped to scans, label files of any form are matched to them by name and place, and numbers become
RAS mm on the grid of the scan's own file. What can't be understood is refused in one sentence per scan or file.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from microbleeds.annotations.assemble import assembled
from microbleeds.annotations.images import NIFTI, NamedFile, named_file, visit_of
from microbleeds.annotations.labelled_scan import LabelledScan
from microbleeds.annotations.markups import MARKUPS
from microbleeds.annotations.matlab import SUFFIX as MATLAB_SUFFIX
from microbleeds.annotations.matlab import MatFile, inspect
from microbleeds.annotations.scan_files import Refused, ScanFiles, scans_of
from microbleeds.annotations.simulated import is_simulated_layout, simulated_names, simulated_scan
from microbleeds.annotations.sources import LabelFiles, Source, sources_of
from microbleeds.annotations.statement import Statement, read_statement
from microbleeds.annotations.tables import TABLES
from microbleeds.annotations.walk import Walk, walked
from microbleeds.annotations.workbook import WORKBOOKS
from microbleeds.errors import InputError

log = logging.getLogger(__name__)

_LABELS = (*TABLES, *WORKBOOKS, ".xls", MATLAB_SUFFIX)


@dataclass(frozen=True)
class DataSet:
    """What a folder holds.

    Args:
        scans: understood, sorted by name.
        refused: scans and label files that can't be used, with the reason.
        notes: sentences about the data set as a whole.
    """

    scans: tuple[LabelledScan, ...]
    refused: tuple[Refused, ...]
    notes: tuple[str, ...] = ()


def labelled_scans(folder: Path, cache: Path | None = None) -> list[LabelledScan]:
    """Read all labelled scans of a folder, sorted by name; sentences about the whole are logged.

    Args:
        folder: data set in any of the forms of docs/your-data.md.
        cache: where images that can't be used as they are (MATLAB volumes, images with NaN) are converted to;
            without it such a scan is an error.

    Raises:
        InputError: if the folder holds no labelled scan, or anything in it can't be understood.
    """
    data = read_data_set(folder, cache)
    if data.refused:
        first, more = data.refused[0], len(data.refused) - 1
        others = f" ({more} more: run `microbleeds check-data`)" if more else ""
        raise InputError(f"{first.sentence}{others}")
    for note in data.notes:
        log.warning("%s", note)
    return list(data.scans)


def read_data_set(folder: Path, cache: Path | None = None) -> DataSet:
    """Read a folder as :func:`labelled_scans` does, but return what is refused instead of raising.

    Raises:
        InputError: if the folder doesn't exist, holds no image or no label, or its ``labels.json`` is wrong.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the folder of a data set.")
    statement = read_statement(folder)
    if is_simulated_layout(folder):
        return _program_layout(folder)
    images, labels, refused, notes = _sorted_files(folder, statement)
    scans, ungrouped = scans_of(images, folder)
    refused += ungrouped
    if not scans and not refused:
        raise InputError(
            f"{folder} holds no SWI or T2*-weighted image (.nii, .nii.gz or .mat); see docs/your-data.md."
        )
    sources, unmatched, said = sources_of(labels, scans, folder, statement)
    if scans and not any(sources.values()) and not (unmatched or refused):
        raise InputError(
            f"{folder} holds {len(scans)} scans but no labels (masks, tables, workbooks or centres); "
            "see docs/your-data.md for the forms."
        )
    scans = _one_subject(_without_siblings(scans, sources))
    found, failed = assembled(scans, sources, labels.matlab, statement, cache)
    left = [f"{len(scans) - len(found) - len(failed)} scans without labels were left out."]
    notes += said + (left if len(scans) > len(found) + len(failed) else [])
    return DataSet(tuple(found), tuple(refused + unmatched + failed), tuple(notes))


def _program_layout(folder: Path) -> DataSet:
    """Read this program's own layout."""
    scans, refused = [], []
    for name in simulated_names(folder):
        try:
            scans.append(simulated_scan(folder, name))
        except InputError as error:
            refused.append(Refused(name, str(error)))
    return DataSet(tuple(scans), tuple(refused))


def _sorted_files(
    folder: Path, statement: Statement
) -> tuple[list[NamedFile], LabelFiles, list[Refused], list[str]]:
    """Tell images from label files."""
    images: list[NamedFile] = []
    masks: list[NamedFile] = []
    tables: list[Path] = []
    books: list[Path] = []
    matlab: dict[Path, MatFile] = {}
    refused: list[Refused] = []
    walk = walked(folder)
    refused += _unreachable(walk, folder, statement)
    for path in walk.files:
        name = path.name.lower()
        if name.endswith(NIFTI):
            file = named_file(path, folder, statement)
            (masks if file.role == "mask" else images).append(file)
        elif name.endswith((*TABLES, MARKUPS)):
            tables.append(path)
        elif name.endswith((*WORKBOOKS, ".xls")) and not name.startswith("~$"):
            books.append(path)
        elif name.endswith(MATLAB_SUFFIX):
            try:
                matlab[path] = inspect(path)
            except InputError as error:
                refused.append(Refused(path.name, str(error)))
    images += [
        _volume(path, role, folder, statement)
        for path, file in matlab.items()
        for role in file.volumes
        if role != "other"
    ]
    notes = [
        f"{path.name} holds {', '.join(file.set_aside)}, which is never opened; save what is needed as matrices."
        for path, file in matlab.items()
        if file.set_aside
    ]
    return images, LabelFiles(tuple(masks), tuple(tables), tuple(books), matlab), refused, notes


def _volume(path: Path, role: str, folder: Path, statement: Statement) -> NamedFile:
    """Name a volume of a MATLAB file by its variable's role."""
    file = named_file(path, folder, statement)
    return NamedFile(path, role, file.folder_key, file.rest, file.entities)  # type: ignore[arg-type]


def _without_siblings(scans: Sequence[ScanFiles], sources: Mapping[str, list[Source]]) -> list[ScanFiles]:
    """Leave out what has no labels where another image of its session has: it shows the bleeds of that one."""
    labelled = {scan.session for scan in scans if sources.get(scan.name)}
    left: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for scan in scans:
        if scan.session in labelled and not sources.get(scan.name):
            words = "_".join(scan.key[len(scan.session) :])
            left[scan.session].append(words or ", ".join(path.name for path in scan.images.values()))
    kept = []
    for scan in scans:
        others = left.get(scan.session, [])
        said = f"Other images of its session have no labels and were left out: {', '.join(others)}."
        if sources.get(scan.name) and others:
            kept.append(replace(scan, warnings=(*scan.warnings, said)))
        elif scan.session not in labelled or sources.get(scan.name):
            kept.append(scan)
    return kept


def _one_subject(scans: list[ScanFiles]) -> list[ScanFiles]:
    """Warn, at the first, where all scans are taken for visits of one subject: V1 and V2 may be volunteers."""
    visits = [visit_of(scan.session) for scan in scans]
    if len({scan.subject for scan in scans}) > 1 or len(set(visits)) < 2:
        return scans
    said = (
        f"All {len(scans)} scans were taken for visits of one subject, {scans[0].subject}, since "
        f"{', '.join(visits[:3])}{' ...' if len(visits) > 3 else ''} look like visits or dates; if they are "
        f"people, name the files sub-{visits[0]}_swi.nii.gz and so on."
    )
    return [replace(scans[0], warnings=(*scans[0].warnings, said)), *scans[1:]]


def _unreachable(walk: Walk, folder: Path, statement: Statement) -> list[Refused]:
    """Refuse what may hold images or labels and can't be read; a scan would else count as one without labels."""
    refused = [
        Refused(path.name, f"The folder {path} can't be read; give yourself the right to, or take it away.")
        for path in walk.closed
    ]
    dead = [path for path in walk.dead if _may_count(path, folder, statement)]
    if dead:
        names = ", ".join(path.relative_to(folder).as_posix() for path in dead[:3])
        more = f" and {len(dead) - 3} more" if len(dead) > 3 else ""
        sentence = (
            f"Links to nothing: {names}{more}; fetch what they stand for (`datalad get`), or take them away."
        )
        refused.append(Refused(dead[0].name, sentence))
    return refused


def _may_count(path: Path, folder: Path, statement: Statement) -> bool:
    """Whether what isn't there would have been an image that is used, labels, what states them, or a folder."""
    name = path.name.lower()
    if name.endswith(NIFTI):
        return named_file(path, folder, statement).role != "other"
    return name.endswith((*_LABELS, ".json")) or not path.suffix
