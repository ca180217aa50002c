"""What is where, in SQLite, so that it is still known after the plug was pulled.

Every change is on disk when its method returns. What stands in it: :mod:`entries`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from microbleeds.node.entries import (
    ENDED_WHILE_PROCESSING,
    MIGRATE_IMAGES,
    OLD_IMAGE_KEY,
    SCHEMA,
    QueuedObject,
    QueuedStudy,
    State,
)


class Queue:
    """The queue on disk; safe to use from several threads of one process."""

    def __init__(self, path: Path) -> None:
        """Open or make the queue."""
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # FULL: a commit is on the platter, not only in the log's buffer; C-STORE answers after it.
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA foreign_keys=ON")
        self._connection.executescript(SCHEMA)
        self._migrate()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[tuple]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def _migrate(self) -> None:
        """Let the queue of an earlier version hold an image of several studies."""
        if self._image_key() != OLD_IMAGE_KEY:
            return
        with self._change() as db:
            if self._image_key() == OLD_IMAGE_KEY:  # still: another program may have opened the queue as well
                for statement in MIGRATE_IMAGES:
                    db.execute(statement)

    def _image_key(self) -> list[str]:
        """Return the columns that tell one image from another."""
        return [name for _, name, _, _, _, place in self._rows("PRAGMA table_info(image)") if place]

    # Receiving

    def knows(self, token: str, image_uid: str) -> bool:
        """Whether a study has an image already; the study then is as fresh as if the image had come anew."""
        with self._change() as db:
            # Or a study that is sent again might be dropped half-way, and the rest would look like a new one.
            found = db.execute(
                "UPDATE study SET changed = ? WHERE token = (SELECT token FROM image WHERE token = ? AND uid = ?)",
                (time.time(), token, image_uid),
            )
            return bool(found.rowcount)

    def received(self, token: str, study_uid: str, image_uid: str) -> None:
        """Note an image that is on disk; a finished study is taken up again, a running one is noted as late."""
        with self._change() as db:
            db.execute(
                "INSERT INTO study (token, uid, state, changed) VALUES (?, ?, 'receiving', ?) "
                "ON CONFLICT (token) DO UPDATE SET changed = excluded.changed, "
                "late = CASE WHEN state IN ('processing', 'processed') THEN 1 ELSE 0 END, "
                "attempts = CASE WHEN state IN ('done', 'failed') THEN 0 ELSE attempts END, "
                "not_before = CASE WHEN state IN ('done', 'failed') THEN 0 ELSE not_before END, "
                "digest = CASE WHEN state = 'failed' THEN NULL ELSE digest END, "
                "state = CASE WHEN state IN ('done', 'failed') THEN 'receiving' ELSE state END",
                (token, study_uid, time.time()),
            )
            db.execute("INSERT OR IGNORE INTO image (uid, token) VALUES (?, ?)", (image_uid, token))

    # Processing

    def complete(self, quiet_seconds: float, busy: Sequence[str] = ()) -> str | None:
        """Return a study that is complete and may be processed now, the longest waiting first."""
        now = time.time()
        rows = self._rows(
            "SELECT token FROM study WHERE state = 'receiving' AND changed <= ? AND not_before <= ? "
            "ORDER BY changed",
            now - quiet_seconds,
            now,
        )
        return next((token for (token,) in rows if token not in busy), None)

    def begin(self, token: str) -> int:
        """Note that a study is being processed and return which try this is."""
        with self._change() as db:
            db.execute(
                "UPDATE study SET state = 'processing', attempts = attempts + 1, late = 0 WHERE token = ?",
                (token,),
            )
        return int(self._rows("SELECT attempts FROM study WHERE token = ?", token)[0][0])

    def processed(
        self, token: str, objects: Sequence[tuple[str, Path]], destinations: Sequence[str], digest: str
    ) -> None:
        """Note the objects of a study for each destination, or that the same result went out before."""
        with self._change() as db:
            (sent_before, late) = db.execute("SELECT digest, late FROM study WHERE token = ?", (token,)).fetchone()
            if late:
                self._to(db, token, "receiving")
                db.execute("UPDATE study SET attempts = 0 WHERE token = ?", (token,))
                return
            if sent_before == digest:
                self._to(db, token, "done")
                return
            # What an earlier result left unsent is superseded, and its files are gone.
            db.execute("DELETE FROM object WHERE token = ? AND state != 'sent'", (token,))
            db.executemany(
                "INSERT OR IGNORE INTO object (uid, destination, token, path, state) "
                "VALUES (?, ?, ?, ?, 'waiting')",
                [(uid, name, token, str(path)) for uid, path in objects for name in destinations],
            )
            db.execute("UPDATE study SET digest = ? WHERE token = ?", (digest, token))
            self._to(db, token, "processed")

    # Sending

    def to_send(self) -> str | None:
        """Return a processed study whose objects may be sent now."""
        rows = self._rows(
            "SELECT token FROM study WHERE state = 'processed' AND not_before <= ? ORDER BY changed LIMIT 1",
            time.time(),
        )
        return rows[0][0] if rows else None

    def unsent(self, token: str) -> list[QueuedObject]:
        """Return the objects of a study that aren't known to have arrived."""
        rows = self._rows(
            "SELECT uid, destination, path, state, attempts FROM object WHERE token = ? AND state != 'sent' "
            "ORDER BY destination, path",
            token,
        )
        return [QueuedObject(uid, name, Path(path), state == "sending", n) for uid, name, path, state, n in rows]

    def sending(self, item: QueuedObject) -> None:
        """Note that an object is about to leave: from here on it may have arrived."""
        self._set_object(item, "sending")

    def sent(self, item: QueuedObject) -> None:
        """Note that an object has arrived."""
        self._set_object(item, "sent")

    def refused(self, item: QueuedObject) -> int:
        """Note that the destination refused an object, and return how often it has."""
        with self._change() as db:
            db.execute(
                "UPDATE object SET state = 'waiting', attempts = attempts + 1 WHERE uid = ? AND destination = ?",
                (item.uid, item.destination),
            )
        return item.attempts + 1

    def _set_object(self, item: QueuedObject, state: str) -> None:
        with self._change() as db:
            db.execute(
                "UPDATE object SET state = ? WHERE uid = ? AND destination = ?",
                (state, item.uid, item.destination),
            )

    # Ends and new beginnings

    def finish(self, token: str) -> None:
        """Note that all objects of a study were sent; one with late images is taken up again."""
        with self._change() as db:
            (late,) = db.execute("SELECT late FROM study WHERE token = ?", (token,)).fetchone()
            self._to(db, token, "receiving" if late else "done")

    def postpone(self, token: str, seconds: float, sentence: str) -> None:
        """Try a study again later; what was processed stays processed."""
        with self._change() as db:
            db.execute(
                "UPDATE study SET not_before = ?, sentence = ?, "
                "state = CASE state WHEN 'processing' THEN 'receiving' ELSE state END WHERE token = ?",
                (time.time() + seconds, sentence, token),
            )

    def fail(self, token: str, sentence: str) -> None:
        """Give a study up and keep the sentence; one with late images is taken up again as new."""
        with self._change() as db:
            (late,) = db.execute("SELECT late FROM study WHERE token = ?", (token,)).fetchone()
            self._to(db, token, "receiving" if late else "failed")
            if late:
                # Without the digest: a result that was refused is not one that went out.
                db.execute("UPDATE study SET attempts = 0, digest = NULL WHERE token = ?", (token,))
            db.execute("UPDATE study SET sentence = ? WHERE token = ?", (sentence, token))

    def recover(self, retries: int) -> None:
        """After a start: what was being processed is begun again, unless it has ended the program too often."""
        with self._change() as db:
            db.execute(
                "UPDATE study SET state = 'failed', sentence = ? WHERE state = 'processing' AND attempts >= ?",
                (ENDED_WHILE_PROCESSING, retries),
            )
            db.execute("UPDATE study SET state = 'receiving' WHERE state = 'processing'")

    def retry_failed(self) -> int:
        """Take up all failed studies again: unsent objects are sent, the rest is processed. Return how many."""
        with self._change() as db:
            db.execute(
                "UPDATE study SET state = 'processed', not_before = 0, changed = ? WHERE state = 'failed' "
                "AND token IN (SELECT token FROM object WHERE state != 'sent')",
                (time.time(),),
            )
            resumed = db.execute("SELECT changes()").fetchone()[0]
            db.execute("UPDATE object SET attempts = 0 WHERE state != 'sent'")
            db.execute(
                "UPDATE study SET state = 'receiving', attempts = 0, not_before = 0 WHERE state = 'failed'",
            )
            return int(resumed + db.execute("SELECT changes()").fetchone()[0])

    def expired(self, seconds: float) -> list[str]:
        """Return the studies that ended so long ago."""
        rows = self._rows(
            "SELECT token FROM study WHERE state IN ('done', 'failed') AND changed <= ?", time.time() - seconds
        )
        return [token for (token,) in rows]

    def forget(self, token: str, seconds: float, drop: Callable[[str], None]) -> None:
        """Drop a study and its files, if it still is one that ended so long ago; it is new if it comes again.

        Args:
            token: its name.
            seconds: as for :meth:`expired`; images may have come since that was asked.
            drop: removes its files.
        """
        with self._change() as db:
            found = db.execute(
                "DELETE FROM study WHERE token = ? AND state IN ('done', 'failed') AND changed <= ?",
                (token, time.time() - seconds),
            )
            if found.rowcount:
                # Before the commit: a study that is forgotten but still on disk would never be dropped.
                drop(token)

    def studies(self) -> list[QueuedStudy]:
        """Return everything, last changed first."""
        rows = self._rows(
            "SELECT token, state, attempts, (SELECT count(*) FROM image WHERE image.token = study.token), "
            "sentence, changed, digest FROM study ORDER BY changed DESC"
        )
        return [QueuedStudy(*row) for row in rows]

    @staticmethod
    def _to(db: sqlite3.Connection, token: str, state: State) -> None:
        db.execute(
            "UPDATE study SET state = ?, changed = ?, not_before = 0, late = 0 WHERE token = ?",
            (state, time.time(), token),
        )
