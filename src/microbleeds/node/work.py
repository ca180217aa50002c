"""From received to sent: complete studies are processed one at a time, and what they gave is sent.

Each step is noted in the queue before and after it, so that whatever is cut off is taken up where it stood.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pynetdicom.association import Association

from microbleeds.errors import InputError
from microbleeds.node.config import Config
from microbleeds.node.discretion import cleared
from microbleeds.node.queue import Queue, QueuedObject
from microbleeds.node.send import RefusedError, Sender, UnreachableError, has_arrived, name_of, store
from microbleeds.node.spool import Spool

_HOUR = 3600
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a study.

    Args:
        objects: DICOM files to send.
        digest: of what they say; a study that is processed again (late images) is sent only if it changed.
    """

    objects: tuple[Path, ...]
    digest: str


#: Searches the DICOM files of a folder, writes into another (which doesn't exist yet), and says what to send.
Process = Callable[[Path, Path], Outcome]


class Worker:
    """Takes studies from the queue; one step at a time."""

    def __init__(self, config: Config, spool: Spool, queue: Queue, process: Process) -> None:
        """Prepare to work."""
        self._config, self._spool, self._queue, self._process = config, spool, queue, process
        self._sender = Sender(config)

    def recover(self) -> None:
        """Take up what the last run left."""
        self._spool.tidy()
        self._queue.recover(self._config.retries)

    def step(self, busy: Sequence[str] = ()) -> bool:
        """Do the next thing that is due; return whether there was any.

        Args:
            busy: studies of which images may still come.
        """
        token = self._queue.to_send()
        if token is not None:
            self._send(token)
            return True
        token = self._queue.complete(self._config.quiet_seconds, busy)
        if token is not None:
            self._search(token)
            return True
        seconds = self._config.keep_hours * _HOUR
        expired = [token for token in self._queue.expired(seconds) if token not in busy]
        for token in expired:
            with self._spool.lock:
                self._queue.forget(token, seconds, self._spool.drop)
        return bool(expired)

    def _search(self, token: str) -> None:
        """Process one study."""
        attempt = self._queue.begin(token)
        logger.info("study %s: complete, processing (try %d of %d)", token, attempt, self._config.retries)
        began = time.monotonic()
        self._spool.clear_result(token)
        try:
            outcome = self._process(self._spool.images(token), self._spool.results(token))
            objects = [(_uid_of(path), path) for path in outcome.objects]
        except InputError as error:
            # The same images would give the same sentence again.
            self._fail(token, str(error))
            return
        except Exception as error:
            sentence = f"An unexpected error, {type(error).__name__}: {error}"
            if attempt >= self._config.retries:
                self._fail(token, sentence)
            else:
                self._postpone(token, sentence)
            return
        if not objects:
            self._fail(token, "The search wrote nothing to send.")
            return
        self._spool.measure()
        names = [name_of(destination) for destination in self._config.destinations]
        self._queue.processed(token, objects, names, outcome.digest)
        logger.info("study %s: processed in %.0f s, %d objects", token, time.monotonic() - began, len(objects))

    def _send(self, token: str) -> None:
        """Send what isn't known to have arrived, to each destination by one association.

        One destination's fault keeps nothing from the others: all are tried before the study fails or is put off.
        """
        down: list[str] = []
        refused: list[str] = []
        for name, items in groupby(self._queue.unsent(token), key=lambda item: item.destination):
            try:
                self._send_to(name, list(items), token)
            except UnreachableError as error:
                down.append(f"Not sent to {name}: {error}.")
            except RefusedError as error:
                refused.append(f"Not sent to {name}: {error}.")
            except (OSError, InvalidDicomError) as error:
                refused.append(f"Not sent to {name}: a result can't be read ({type(error).__name__}).")
        if down:
            # A destination that is down for a night is no fault of the study: it is tried without end, and a study
            # that another refuses waits for it, since nothing is sent of a failed one.
            self._postpone(token, " ".join(down + refused))
        elif refused:
            self._fail(token, " ".join(refused))
        elif not self._queue.unsent(token):
            self._queue.finish(token)
            logger.info("study %s: done", token)

    def _send_to(self, name: str, items: list[QueuedObject], token: str) -> None:
        """Send objects to one destination.

        Raises:
            UnreachableError: if the destination can't be reached.
            RefusedError: if it has refused an object too often.
        """
        with self._sender.connected(name, [item.path for item in items]) as association:
            for item in items:
                if item.interrupted and has_arrived(association, item.path):
                    self._queue.sent(item)
                    continue
                self._store(association, item, token)

    def _store(self, association: Association, item: QueuedObject, token: str) -> None:
        """Send one object and note what came of it."""
        self._queue.sending(item)
        try:
            store(association, item.path)
        except RefusedError as error:
            if self._queue.refused(item) >= self._config.retries:
                raise
            raise UnreachableError(str(error)) from error
        self._queue.sent(item)
        logger.info("study %s: sent %s to %s", token, item.path.name, item.destination)

    def _fail(self, token: str, sentence: str) -> None:
        clear = cleared(sentence, self._spool.images(token))
        logger.error("study %s: failed. %s", token, clear)
        self._queue.fail(token, clear)

    def _postpone(self, token: str, sentence: str) -> None:
        clear = cleared(sentence, self._spool.images(token))
        logger.warning("study %s: tried again in %g s. %s", token, self._config.retry_seconds, clear)
        self._queue.postpone(token, self._config.retry_seconds, clear)


def _uid_of(path: Path) -> str:
    """Return the SOP Instance UID of an object."""
    return str(pydicom.filereader.read_file_meta_info(path).MediaStorageSOPInstanceUID)
