"""Unique identifiers, series numbers and the equipment that stands in every object.

The same result exported again gives the same identifiers, so that an archive never holds it twice; another
result (another record, another time of making, another reading) gives others. Identifiers are ``2.25.`` and the
integer of a version 5 UUID (PS3.5 B.2); they hold nothing of the patient that could be read from them.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom.uid import UID

from microbleeds import __version__
from microbleeds.report.dicom.codes import scheme_identification
from microbleeds.report.dicom.reading import Reading, local_time
from microbleeds.report.record import Finding, Record

MANUFACTURER = "microbleeds (open source)"
MODEL_NAME = "microbleeds"
_NAMESPACE = uuid.UUID("6f0b2a52-6b5f-5f0e-9a53-0d6f4e6b8c11")
# Beyond what scanners and workstations give (1 to a few thousand), and still tied to the source's number.
_SERIES_NUMBER_STEP = 100
_SERIES_OFFSETS = {"sr": 91, "seg": 92, "regions": 93, "report": 94}


@dataclass(frozen=True)
class Stamp:
    """What ties the objects of one result together.

    Args:
        source_uid: Series Instance UID of the images that were searched.
        source_number: their Series Number.
        digest: sha256 of everything that the objects say.
        created: when the result was made; naive local time as DICOM writes it.
        weights_sha256: of the detector; its beginning is the device's serial number.
    """

    source_uid: str
    source_number: int
    digest: str
    created: datetime
    weights_sha256: str

    def uid(self, *names: str) -> UID:
        """Return the identifier of a part of this result."""
        return unique("result", self.source_uid, self.digest, *names)

    def series_number(self, kind: str) -> int:
        """Return the Series Number of ``sr``, ``seg``, ``regions`` or ``report``."""
        return _SERIES_NUMBER_STEP * self.source_number + _SERIES_OFFSETS[kind]

    def tracking_uid(self, finding: Finding) -> UID:
        """Return what names a finding in the SR, in the SEG and after a review alike."""
        return unique("finding", self.source_uid, *(f"{value:.2f}" for value in finding.position_lps_mm))

    def series(self, kind: str) -> dict[str, Any]:
        """Return arguments that every object takes: who made it, when, and in which series."""
        return {
            "series_instance_uid": self.uid(kind, "series"),
            "series_number": self.series_number(kind),
            "series_date": self.created.date(),
            "series_time": self.created.time(),
            "content_date": self.created.date(),
            "content_time": self.created.time(),
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": MODEL_NAME,
            "software_versions": __version__,
            "device_serial_number": self.weights_sha256[:16],
            "coding_schemes": [scheme_identification()],
        }


def unique(*names: str) -> UID:
    """Return an identifier that follows from names alone."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, chr(31).join(names)).int}")


def stamp_of(record: Record, source_uid: str, source_number: int, created: datetime, reading: Reading) -> Stamp:
    """Return the stamp of a result; paths of files on this machine don't enter it."""
    local = local_time(created)
    said = {
        "record": record.model_dump(mode="json", exclude={"scan": {"files"}}),
        "created": local.isoformat(),
        "verdicts": {str(key): value for key, value in sorted(reading.verdicts.items())},
        "reader": [reading.reader, reading.organization, str(reading.signed)],
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return Stamp(source_uid, source_number, digest, local, record.model.sha256)


def tracking_id(finding: Finding) -> str:
    """Return how people name a finding; viewers show it beside the mark."""
    return f"Microbleed {finding.id}"
