"""Ports, settings and an archive for the tests of the node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from little_study import Archive, free_port

from microbleeds.node.config import Config


@pytest.fixture
def archive() -> Iterator[Archive]:
    made = Archive(free_port())
    yield made
    made.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Config]:
    """Make settings for a node that sends to an archive's port."""

    def make(archive_port: int, **others: Any) -> Config:
        values = {
            "folder": tmp_path / "node",
            "callers": ["SCANNER"],
            "destinations": [{"ae_title": "PACS", "host": "127.0.0.1", "port": archive_port}],
            "address": "127.0.0.1",
            "port": free_port(),
            "quiet_seconds": 0.2,
            "retry_seconds": 0.1,
            "least_free_gigabytes": 0,
        }
        return Config.model_validate(values | others)

    return make
