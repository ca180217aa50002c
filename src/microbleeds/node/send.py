"""Sending: C-STORE to a destination, and C-FIND to ask whether an object has arrived.

An object whose sending was cut off may or may not have arrived. The destination is asked before it is sent again;
one that can't be asked gets it again under the same identifier and with the same bytes, which archives take for
the same object.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from microbleeds.node.config import Config, Destination
from microbleeds.node.tls import client_context

# Success, and the warnings of PS3.4 B.2.3 with which an object was stored nevertheless.
_STORED = {0x0000, 0xB000, 0xB006, 0xB007}
_PENDING = {0xFF00, 0xFF01}
_TIMEOUT_SECONDS = 60


class UnreachableError(Exception):
    """The destination accepts no association, or broke it off."""


class RefusedError(Exception):
    """An object is not taken, and trying again changes nothing."""


class Sender:
    """The sending half of a node."""

    def __init__(self, config: Config) -> None:
        """Prepare to send."""
        self._config = config
        self._destinations = {name_of(destination): destination for destination in config.destinations}

    @contextmanager
    def connected(self, name: str, paths: list[Path]) -> Iterator[Association]:
        """Open an association for some files.

        Raises:
            UnreachableError: if the destination doesn't accept it.
            RefusedError: if it is no longer in the settings; no time brings it back, a person does.
        """
        destination = self._destinations.get(name)
        if destination is None:
            raise RefusedError("it is no longer a destination in the settings")
        entity = AE(self._config.ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_SECONDS
        entity.connection_timeout = _TIMEOUT_SECONDS
        for sop_class, syntax in sorted({_context(path) for path in paths}):
            entity.add_requested_context(sop_class, syntax)
        entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
        association = entity.associate(
            destination.host, destination.port, ae_title=destination.ae_title, **self._encryption(destination)
        )
        if not association.is_established:
            raise UnreachableError("it accepted no association")
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _encryption(self, destination: Destination) -> dict[str, Any]:
        """Return the arguments for TLS, if the destination wants it."""
        if not destination.tls or self._config.tls is None:
            return {}
        return {"tls_args": (client_context(self._config.tls), destination.host)}


def name_of(destination: Destination) -> str:
    """Return what a destination is called in queue and logs."""
    return f"{destination.ae_title}@{destination.host}:{destination.port}"


def store(association: Association, path: Path) -> None:
    """Send one object.

    Raises:
        RefusedError: if the destination doesn't store it.
        UnreachableError: if no answer came; it may have arrived.
    """
    try:
        status = association.send_c_store(path)
    except (RuntimeError, ValueError) as error:
        if not association.is_established:
            raise UnreachableError("the association was broken off") from error
        raise RefusedError("the destination doesn't take objects of this kind") from error
    if "Status" not in status:
        raise UnreachableError("the destination gave no answer")
    if int(status.Status) not in _STORED:
        raise RefusedError(f"the destination answered with status 0x{int(status.Status):04X}")


def has_arrived(association: Association, path: Path) -> bool:
    """Ask whether the destination holds an object; ``False`` if it can't be asked.

    Raises:
        UnreachableError: if no answer came.
    """
    header = pydicom.dcmread(path, stop_before_pixels=True)
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = header.StudyInstanceUID
    query.SeriesInstanceUID = header.SeriesInstanceUID
    query.SOPInstanceUID = header.SOPInstanceUID
    try:
        answers = list(association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind))
    except (RuntimeError, ValueError):
        return False
    if not answers or "Status" not in answers[-1][0]:
        raise UnreachableError("the destination gave no answer")
    found = [identifier for status, identifier in answers if status.Status in _PENDING and identifier is not None]
    return any(str(identifier.get("SOPInstanceUID", "")) == str(header.SOPInstanceUID) for identifier in found)


def _context(path: Path) -> tuple[str, str]:
    """Return class and transfer syntax of a file."""
    meta = pydicom.filereader.read_file_meta_info(path)
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
