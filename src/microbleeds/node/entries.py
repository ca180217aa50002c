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

# An archive that files a study anew under another UID may keep the UIDs of its images.
_IMAGES = """CREATE TABLE IF NOT EXISTS image (
    uid TEXT NOT NULL,
    token TEXT NOT NULL REFERENCES study (token) ON DELETE CASCADE,
    PRIMARY KEY (token, uid)
)"""
SCHEMA = f"""
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
{_IMAGES};
CREATE TABLE IF NOT EXISTS object (
    uid TEXT NOT NULL,
    destination TEXT NOT NULL,
    token TEXT NOT NULL REFERENCES study (token) ON DELETE CASCADE,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (uid, destination)
);
"""

#: Key of the images in queues of earlier versions, where each was of one study alone, and what mends that.
OLD_IMAGE_KEY = ["uid"]
MIGRATE_IMAGES = (
    "ALTER TABLE image RENAME TO old_image",
    "DROP INDEX IF EXISTS image_of_study",
    _IMAGES,
    "INSERT INTO image (uid, token) SELECT uid, token FROM old_image",
    "DROP TABLE old_image",
)


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
