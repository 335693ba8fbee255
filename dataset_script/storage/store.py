"""What has been read once: pictures and their facts in one SQLite file below the dataset, `.cache/rows.sqlite`.

A row is keyed by its file's place and stamp, the picture size and the code that read it, so that a second run reads
only what is new. A killed run keeps what it had read. It may be deleted at any time.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from dataset_script.collections.record import Record
from dataset_script.duplicates.fingerprint import SIZE

_TABLES = (
    "CREATE TABLE IF NOT EXISTS pictures "
    "(id INTEGER PRIMARY KEY, key BLOB UNIQUE, secret TEXT, facts TEXT, fingerprint BLOB, image BLOB)",
    "CREATE TABLE IF NOT EXISTS similarities "
    "(code TEXT, first TEXT, second TEXT, value REAL, PRIMARY KEY (first, second)) WITHOUT ROWID",
)


class Store:
    """Rows on disk; pixels are fetched one at a time and never held."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._lock = folder / "rows.sqlite", threading.Lock()
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError:  # damaged: a cache may be thrown away
            self.path.unlink()
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        for table in _TABLES:
            connection.execute(table)
        return connection

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def number(self, key: bytes, secret: str) -> int | None:
        """The number of the row with this key; None for one with pseudonyms that another secret made."""
        query = "SELECT id FROM pictures WHERE key = ? AND (secret IS NULL OR secret = ?)"
        found = self._connection.execute(query, (key, secret)).fetchone()
        return found[0] if found else None

    def add(self, rows: Iterable[tuple]) -> None:
        """Keep rows of key, secret (None where there is no pseudonym), facts, fingerprint and picture, all or none."""
        packed = ((key, secret, json.dumps(facts), *blobs) for key, secret, facts, *blobs in rows)
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO pictures (key, secret, facts, fingerprint, image) VALUES (?, ?, ?, ?, ?)",
                packed,
            )

    def facts(self, number: int) -> dict:
        """What reading found out about a picture, and `bytes`, the size of its PNG."""
        found = self._connection.execute("SELECT facts, length(image) FROM pictures WHERE id = ?", (number,)).fetchone()
        return json.loads(found[0]) | {"bytes": found[1]}

    def image(self, number: int) -> bytes:
        """A picture as PNG, as it stands in the dataset; threads may ask."""
        with self._lock:
            return self._connection.execute("SELECT image FROM pictures WHERE id = ?", (number,)).fetchone()[0]

    def similarities(self, code: str) -> "Similarities":
        """What comparing pictures gave; `code` stands for how they were compared, and what another way gave goes."""
        with self._lock, self._connection:
            self._connection.execute("DELETE FROM similarities WHERE code != ?", (code,))
        return Similarities(self._connection, self._lock, code)

    def fingerprints(self, numbers: Sequence[int]) -> np.ndarray:
        """The fingerprints of pictures, uint8 (N, size of one)."""
        query = "SELECT fingerprint FROM pictures WHERE id = ?"
        found = np.empty((len(numbers), SIZE), np.uint8)
        for place, number in enumerate(numbers):
            found[place] = np.frombuffer(self._connection.execute(query, (number,)).fetchone()[0], np.uint8)
        return found

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Forget every other row."""
        with self._connection:
            self._connection.execute("CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY)")
            self._connection.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((number,) for number in numbers))
            self._connection.execute("DELETE FROM pictures WHERE id NOT IN (SELECT id FROM kept)")
            self._connection.execute("DROP TABLE kept")


class Similarities:
    """Similarities by two pixel hashes, on disk; what is added is committed at once."""

    def __init__(self, connection: sqlite3.Connection, lock: threading.Lock, code: str):
        self._connection, self._lock, self._code = connection, lock, code

    def get(self, key: tuple[str, str]) -> float | None:
        """The similarity of a pair, None if it has not been compared."""
        with self._lock:
            query = "SELECT value FROM similarities WHERE first = ? AND second = ?"
            found = self._connection.execute(query, key).fetchone()
        return found[0] if found else None

    def update(self, found: Mapping[tuple[str, str], float]) -> None:
        """Add similarities."""
        with self._lock, self._connection:
            rows = ((self._code, *pair, float(value)) for pair, value in found.items())
            self._connection.executemany("INSERT OR REPLACE INTO similarities VALUES (?, ?, ?, ?)", rows)


def key_of(record: Record, settings: bytes) -> bytes:
    """16 bytes that change when the file behind a record or the way of reading it does.

    `settings` stands for all that is the same for every record of a run.
    """
    place = repr((record.source, record.file, record.stamp, getattr(record.opener, "args", None)))
    return hashlib.blake2b(place.encode("utf-8", "surrogateescape") + settings, digest_size=16).digest()
