"""kill -9 at every stage: nothing is lost, nothing is sent twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from little_study import OBJECTS, SECRETS, Archive, free_port, listens, send, study, wait_for

from microbleeds.node.config import Config
from microbleeds.node.queue import Queue

SCRIPT = Path(__file__).parent / "killable.py"

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")


@contextmanager
def running(config: Config, log: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """Start a node and wait until it answers; it is killed at the end."""
    path = config.folder.parent / "settings.json"
    path.write_text(config.model_dump_json(), encoding="utf-8")
    with log.open("a", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(path), *arguments], stderr=stream, stdout=stream
        )
        try:
            wait_for(lambda: process.poll() is not None or listens(config.port))
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield process
        finally:
            process.kill()
            process.wait(30)


def kill(process: subprocess.Popen) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)


def states(config: Config) -> list[str]:
    queue = Queue(config.folder / "queue.sqlite")
    try:
        return [entry.state for entry in queue.studies()]
    finally:
        queue.close()


def finish(config: Config, archive: Archive, log: Path) -> None:
    """Start the node again; everything arrives, once."""
    with running(config, log):
        wait_for(lambda: states(config) == ["done"])
        wait_for(lambda: "done" in log.read_text(encoding="utf-8"))  # said after it is noted
    assert len(archive.stored) == OBJECTS
    assert set(archive.stored.values()) == {1}
    said = log.read_text(encoding="utf-8")
    assert not [secret for secret in SECRETS if secret in said]


Settings = Callable[..., Config]


class TestKill:
    def test_after_receiving(self, settings: Settings, archive: Archive, tmp_path: Path):
        config, log = settings(archive.port), tmp_path / "log"
        with running(config.model_copy(update={"quiet_seconds": 600}), log) as process:
            assert send(config.port, study()) == [0, 0, 0]
            kill(process)
        assert states(config) == ["receiving"]
        finish(config, archive, log)

    def test_while_processing(self, settings: Settings, archive: Archive, tmp_path: Path):
        config, log = settings(archive.port), tmp_path / "log"
        with running(config, log, "hang") as process:
            send(config.port, study())
            wait_for((config.folder / "begun").exists)
            kill(process)
        assert states(config) == ["processing"]
        finish(config, archive, log)

    def test_after_processing(self, settings: Settings, tmp_path: Path):
        port, log = free_port(), tmp_path / "log"
        config = settings(port)
        with running(config, log) as process:
            send(config.port, study())
            wait_for(lambda: states(config) == ["processed"])
            kill(process)
        archive = Archive(port)
        try:
            finish(config, archive, log)
        finally:
            archive.stop()

    def test_while_sending(self, settings: Settings, archive: Archive, tmp_path: Path):
        """The archive has stored the second object and its answer never arrives."""
        number = 2
        config, log = settings(archive.port), tmp_path / "log"
        with running(config, log) as process:
            archive.before_answer = lambda n: kill(process) if n == number else None
            send(config.port, study())
            process.wait(60)
        assert sum(archive.stored.values()) == number
        archive.before_answer = lambda n: None
        finish(config, archive, log)

    def test_while_sending_to_an_archive_that_cannot_be_asked(self, settings: Settings, tmp_path: Path):
        """It gets the same object again: same identifier, same bytes, which is one object to it."""
        archive = Archive(free_port(), findable=False)
        config, log = settings(archive.port), tmp_path / "log"
        try:
            with running(config, log) as process:
                archive.before_answer = lambda n: kill(process) if n == 1 else None
                send(config.port, study())
                process.wait(60)
            archive.before_answer = lambda n: None
            with running(config, log):
                wait_for(lambda: states(config) == ["done"])
            assert sorted(archive.stored.values()) == [1, 1, 2]
            assert {len(contents) for contents in archive.contents.values()} == {1}
        finally:
            archive.stop()
