"""What a check of a data set found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from microbleeds import __version__
from microbleeds.annotations.check import Remark, Severity, severest


@dataclass(frozen=True)
class ScanCheck:
    """What was understood of one scan and what is wrong with it.

    Args:
        name: of the scan, or of a label file that belongs to none.
        subject: whose scan it is; empty if it could not be read.
        form: of its labels.
        files: role to path.
        microbleeds: number of labels.
        ignored: number of places that are neither.
        positions_ras_mm: of the labels.
        contrasts: darkness at each label in units of the clutter around.
        brain: from where the brain mask came.
        remarks: sentences.
    """

    name: str
    subject: str
    form: str
    files: dict[str, str]
    microbleeds: int
    ignored: int
    positions_ras_mm: tuple[tuple[float, ...], ...]
    contrasts: tuple[float, ...]
    brain: str
    remarks: tuple[Remark, ...]

    @property
    def verdict(self) -> str:
        """One word: ``unusable``, ``look`` or ``good``."""
        worst: dict[Severity | None, str] = {"error": "unusable", "warning": "look"}
        return worst.get(severest(self.remarks), "good")


@dataclass(frozen=True)
class DataCheck:
    """What was found in a data set.

    Args:
        folder: of the data set.
        scans: all scans and files that were looked at.
        remarks: sentences about the data set as a whole.
    """

    folder: Path
    scans: tuple[ScanCheck, ...]
    remarks: tuple[Remark, ...]

    @property
    def usable(self) -> bool:
        """Whether every scan, and the data set as a whole, can be used."""
        everything = [*self.remarks, *(remark for scan in self.scans for remark in scan.remarks)]
        return severest(everything) != "error"

    def to_dict(self) -> dict[str, Any]:
        """Return what ``check.json`` holds."""
        return {
            "version": __version__,
            "folder": str(self.folder),
            "usable": self.usable,
            "remarks": [asdict(remark) for remark in self.remarks],
            "scans": [asdict(scan) | {"verdict": scan.verdict} for scan in self.scans],
        }


def refused_scan(name: str, sentence: str) -> ScanCheck:
    """Return the check of a scan or file that can't be used at all."""
    return ScanCheck(name, "", "", {}, 0, 0, (), (), "", (Remark("error", "refused", sentence),))
