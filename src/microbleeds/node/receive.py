"""Receiving: C-ECHO and C-STORE, from callers on a list only.

An image is answered with success when it is on the disk and in the queue; one that its study has already is
answered with success and not kept again. Objects that aren't MR images without colour (reports, segmentations, our
own results) are answered with success and not kept: archives send whole studies and would take a refusal for a
fault.
"""

from __future__ import annotations

import io
import logging
import threading
from collections import Counter
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from microbleeds.node.config import Config
from microbleeds.node.discretion import token_of
from microbleeds.node.queue import Queue
from microbleeds.node.spool import Spool
from microbleeds.node.tls import server_context
from microbleeds.read.dicom.headers import MR_IMAGES

SUCCESS, OUT_OF_RESOURCES, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
_TAGS = ["StudyInstanceUID", "SOPInstanceUID", "SOPClassUID"]
logger = logging.getLogger(__name__)


class Receiver:
    """The listening half of a node."""

    def __init__(self, config: Config, spool: Spool, queue: Queue) -> None:
        """Prepare to listen; :meth:`start` listens."""
        self._config, self._spool, self._queue = config, spool, queue
        self._lock = threading.Lock()
        self._open: dict[object, Counter[str]] = {}
        self._entity = AE(config.ae_title)
        self._entity.require_called_aet = True
        self._entity.require_calling_aet = list(config.callers)
        for context in AllStoragePresentationContexts:
            self._entity.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
        self._entity.add_supported_context(Verification)

    def start(self) -> None:
        """Listen in the background.

        Raises:
            OSError: if the address or the port can't be had.
        """
        handlers: list[Any] = [
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]
        context = None if self._config.tls is None else server_context(self._config.tls)
        address = (self._config.address, self._config.port)
        self._entity.start_server(address, block=False, evt_handlers=handlers, ssl_context=context)

    def stop(self) -> None:
        """End all associations and stop to listen."""
        self._entity.shutdown()

    def busy(self) -> list[str]:
        """Return the studies of which an association that is still open has brought images."""
        with self._lock:
            return [token for tokens in self._open.values() for token in tokens]

    def _echo(self, event: Event) -> int:
        logger.info("echo from %s", event.assoc.requestor.ae_title)
        return SUCCESS

    def _rejected(self, event: Event) -> None:
        logger.warning("refused an association from %s", event.assoc.requestor.ae_title)

    def _closed(self, event: Event) -> None:
        with self._lock:
            tokens = self._open.pop(event.assoc, Counter())
        for token, number in tokens.items():
            logger.info("study %s: %d images from %s", token, number, event.assoc.requestor.ae_title)

    def _store(self, event: Event) -> int:
        """Answer one C-STORE."""
        # By the reader's own list: a study of what it doesn't know, such as colour maps, could only fail.
        if str(event.request.AffectedSOPClassUID) not in MR_IMAGES:
            return SUCCESS
        content = event.encoded_dataset()
        refusal = self._spool.refuses(len(content))
        if refusal is not None:
            logger.error("refused an image: %s", refusal)
            return OUT_OF_RESOURCES
        try:
            header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=_TAGS)
            study_uid, image_uid = str(header.StudyInstanceUID), str(header.SOPInstanceUID)
        except (InvalidDicomError, AttributeError, ValueError, EOFError):
            logger.error("refused an image that can't be read")
            return NOT_UNDERSTOOD
        return self._keep(event, study_uid, image_uid, content)

    def _keep(self, event: Event, study_uid: str, image_uid: str, content: bytes) -> int:
        """Bring an image to the disk, then to the queue, then say so."""
        token = token_of(study_uid)
        with self._lock:
            self._open.setdefault(event.assoc, Counter())[token] += 1
        with self._spool.lock:
            if self._queue.knows(token, image_uid):
                return SUCCESS
            try:
                self._spool.keep(token, image_uid, content)
            except OSError as error:
                logger.error("an image can't be written: %s", error.strerror)
                return OUT_OF_RESOURCES
            self._queue.received(token, study_uid, image_uid)
        return SUCCESS
