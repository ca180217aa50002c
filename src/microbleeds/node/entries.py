"""What stands in the queue: studies, their images, and the objects that go out.

A study goes ``receiving`` -> ``processing`` -> ``processed`` -> ``done``, or ends as ``failed``. Each of its
objects goes ``waiting`` -> ``sending`` -> ``sent``, for each destination.

Conventions:
    * Times are seconds since 1970.
    * A study is named by its token; its UID stands in the table for the archive's sake, no patient's name does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["receiving", "processing", "processed", "done", "failed"]
ENDED_WHILE_PROCESSING = "The program ended while it processed this study."

SCHEMA = """
CREATE TABLE IF NOT EXISTS study (
    token TEXT PRIMARY KEY,
    uid TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    changed REAL NOT NULL,
    not_before REAL NOT NULL DEFAULT 0,
    late INTEGER NOT NULL DEFAULT 0,
    sentence TEXT,
    digest TEXT
);
CREATE TABLE IF NOT EXISTS image (
    uid TEXT PRIMARY KEY,
    token TEXT NOT NULL REFERENCES study (token) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS object (
    uid TEXT NOT NULL,
    destination TEXT NOT NULL,
    token TEXT NOT NULL REFERENCES study (token) ON DELETE CASCADE,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (uid, destination)
);
CREATE INDEX IF NOT EXISTS image_of_study ON image (token);
"""


@dataclass(frozen=True)
class QueuedStudy:
    """A study and where it stands.

    Args:
        token: its name here.
        state: see the module.
        attempts: how often it was begun to be processed.
        images: how many were received.
        sentence: why it failed, or what went wrong last.
        changed: when its last image came or its state changed.
        digest: of the result that was sent last.
    """

    token: str
    state: State
    attempts: int
    images: int
    sentence: str | None
    changed: float
    digest: str | None


@dataclass(frozen=True)
class QueuedObject:
    """An object for one destination; ``interrupted`` if an earlier try ended without an answer."""

    uid: str
    destination: str
    path: Path
    interrupted: bool
    attempts: int
