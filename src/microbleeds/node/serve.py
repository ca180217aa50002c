"""A node as a whole: it listens, works, and ends without losing anything."""

from __future__ import annotations

import logging
import threading
import warnings
from types import TracebackType

from microbleeds.errors import InputError
from microbleeds.node.config import Config
from microbleeds.node.queue import Queue
from microbleeds.node.receive import Receiver
from microbleeds.node.spool import Spool
from microbleeds.node.work import Process, Worker

_PAUSE_SECONDS = 0.5
logger = logging.getLogger(__name__)


class Node:
    """Receives in the background and works in the thread that calls :meth:`run`.

    Example:
        ``with Node(config, process) as node: node.run()``
    """

    def __init__(self, config: Config, process: Process) -> None:
        """Prepare; entering the context starts to listen.

        Args:
            config: the settings.
            process: searches a study, see :data:`microbleeds.node.work.Process`.

        Raises:
            InputError: if the folder can't be written.
        """
        self._config = config
        self._spool = Spool(config)
        self.queue = Queue(self._spool.queue)
        self._receiver = Receiver(config, self._spool, self.queue)
        self._worker = Worker(config, self._spool, self.queue, process)
        self._ended = threading.Event()

    def __enter__(self) -> Node:
        """Take up what the last run left, and listen."""
        self._worker.recover()
        try:
            self._receiver.start()
        except OSError as error:
            address = f"{self._config.address}:{self._config.port}"
            raise InputError(f"The node can't listen at {address} ({error.strerror or error}).") from error
        logger.info("%s listens on port %d", self._config.ae_title, self._config.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to listen; what isn't done is done after the next start."""
        self._receiver.stop()
        self.queue.close()

    def run(self) -> None:
        """Work until :meth:`end` is called."""
        while not self._ended.is_set():
            if not self._worker.step(self._receiver.busy()):
                self._ended.wait(_PAUSE_SECONDS)

    def end(self) -> None:
        """Let :meth:`run` return after the step that it is at."""
        self._ended.set()


def discreet_logging(level: int = logging.INFO) -> None:
    """Log the node's own lines alone: libraries put names, values of headers and whole data sets into theirs."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=level, force=True)
    for name in ("pynetdicom", "pydicom", "highdicom", "py.warnings"):
        library = logging.getLogger(name)
        library.handlers = [logging.NullHandler()]
        library.propagate = False
    warnings.simplefilter("ignore")
