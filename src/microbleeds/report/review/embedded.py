"""The volumes of a `review.html`, read back: a signed report needs pictures, and the page holds what they need."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, grid_of
from microbleeds.report.record import Record
from microbleeds.report.review.volumes import BRAIN
from microbleeds.scan import Scan

# The largest page is limited to 40 MB; a gigabyte of voxels can't come from one that we wrote.
_MOST_BYTES = 1_000_000_000


@dataclass(frozen=True, eq=False)
class ReadBack:
    """What a page shows.

    Args:
        scan: the part of the scan that the page holds, in the page's precision.
        brain: [X, Y, Z] mask on ``scan.grid`` of the brain and the fluid around it.
        regions: [X, Y, Z] codes on ``scan.grid``; ``None`` if the page knows none.
    """

    scan: Scan
    brain: NDArray[np.bool_]
    regions: NDArray[np.uint8] | None


def read_embedded(path: Path, record: Record, source_grid: Grid, findings_sha256: str) -> ReadBack:
    """Read the volumes of a page.

    Args:
        path: `review.html`.
        record: the result that the page shows.
        source_grid: grid of the input file.
        findings_sha256: hash of the result's `findings.json`.

    Raises:
        InputError: if the page can't be read or shows another result.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        facts = json.loads(_block(text, "facts") or "{}")
        if facts.get("findings_sha256") != findings_sha256:
            raise InputError(f"The page {path} shows another result; make it again with `microbleeds review`.")
        swi, grid = _volume(text, "volume-swi")
        codes, _ = _volume(text, "volume-codes")
        phase = None if _block(text, "volume-phase") is None else _volume(text, "volume-phase")[0]
    except (OSError, UnicodeDecodeError, ValueError, binascii.Error, zlib.error, ImageFileError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The page {path} can't be read; make it again with `microbleeds review`.") from error
    kinds = np.asarray(codes, dtype=np.uint8)
    known = bool(facts.get("located"))
    return ReadBack(
        scan=Scan(kind=record.scan.kind, grid=grid, source_grid=source_grid, swi=swi, phase_rad=phase),
        brain=kinds > 0,
        regions=np.where(kinds == BRAIN, 0, kinds).astype(np.uint8) if known else None,
    )


def _block(text: str, name: str) -> str | None:
    """Return what a data block of the page holds."""
    found = re.search(rf'<script type="application/[a-z-]+" id="{name}">([^<]*)</script>', text)
    return None if found is None else found.group(1)


def _volume(text: str, name: str) -> tuple[NDArray[np.float32], Grid]:
    """Unpack a volume of the page."""
    unpacker = zlib.decompressobj(31)
    raw = unpacker.decompress(base64.b64decode(_block(text, name) or "", validate=True), _MOST_BYTES)
    if not unpacker.eof:
        raise ValueError("the volume is larger than a page's can be")
    image = nib.Nifti1Image.from_bytes(raw)
    return np.asarray(image.dataobj, dtype=np.float32), grid_of(image)
