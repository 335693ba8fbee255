"""What has been computed once: images as they were read, and similarities, in one SQLite file, `.cache/rows.sqlite`.

Images are kept by a key that stands for the file and the way of reading it, so that a second run reads only what is
new. A killed run keeps what it had read. The file may be deleted at any time.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from dataset_script.records import Facts, Reading

_TABLES = {
    "images": "(id INTEGER PRIMARY KEY, key BLOB UNIQUE, secret TEXT, facts TEXT, fingerprint BLOB, image BLOB)",
    "similarities": "(code TEXT, first TEXT, second TEXT, value REAL, PRIMARY KEY (first, second)) WITHOUT ROWID",
}


class Store:
    """Images on disk by number; pixels are fetched one at a time and never held."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._lock = folder / "rows.sqlite", threading.Lock()
        try:
            self._connection = self._open()
        except sqlite3.OperationalError:  # the disk is full or read-only, not the file damaged
            raise
        except sqlite3.DatabaseError:  # damaged: a cache may be thrown away
            self.path.unlink()
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            if name not in _TABLES:  # an earlier version's
                connection.execute(f'DROP TABLE "{name}"')
        for name, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} {columns}")
        return connection

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def number(self, key: bytes, secret: str) -> int | None:
        """The number of the image with this key; None for one with pseudonyms that another secret made."""
        query = "SELECT id FROM images WHERE key = ? AND (secret IS NULL OR secret = ?)"
        row = self._connection.execute(query, (key, secret)).fetchone()
        return row[0] if row else None

    def add(self, key: bytes, secret: str | None, reading: Reading) -> int:
        """Keep an image, with the next `commit`, and return its number; `secret` is None where it has no pseudonym."""
        query = "INSERT OR REPLACE INTO images (key, secret, facts, fingerprint, image) VALUES (?, ?, ?, ?, ?)"
        values = (key, secret, json.dumps(reading.facts), reading.fingerprint, reading.png)
        number = self._connection.execute(query, values).lastrowid
        assert number is not None  # it is an INSERT
        return number

    def commit(self) -> None:
        """Put on disk what has been added: it outlasts a crash."""
        self._connection.commit()

    def facts(self, number: int) -> Facts:
        """What an image's file gave, and `bytes`, the size of its PNG."""
        query = "SELECT facts, length(image) FROM images WHERE id = ?"
        facts, size = self._connection.execute(query, (number,)).fetchone()
        return json.loads(facts) | {"bytes": size}

    def image(self, number: int) -> bytes:
        """An image as PNG, as it stands in the dataset; safe to call from threads."""
        with self._lock:
            return self._connection.execute("SELECT image FROM images WHERE id = ?", (number,)).fetchone()[0]

    def fingerprints(self, numbers: Sequence[int], size: int) -> np.ndarray:
        """The fingerprints of images, uint8 (N, `size`)."""
        query = "SELECT fingerprint FROM images WHERE id = ?"
        fingerprints = np.empty((len(numbers), size), np.uint8)
        for place, number in enumerate(numbers):
            fingerprints[place] = np.frombuffer(self._connection.execute(query, (number,)).fetchone()[0], np.uint8)
        return fingerprints

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Delete every other image."""
        with self._connection:
            self._connection.execute("CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY)")
            self._connection.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((number,) for number in numbers))
            self._connection.execute("DELETE FROM images WHERE id NOT IN (SELECT id FROM kept)")
            self._connection.execute("DROP TABLE kept")

    def similarities(self, code: str) -> "Similarities":
        """The similarities of pairs computed by `code`; those that other code computed are deleted."""
        with self._lock, self._connection:
            self._connection.execute("DELETE FROM similarities WHERE code != ?", (code,))
        return Similarities(self._connection, self._lock, code)


class Similarities:
    """Similarities by two pixel hashes, on disk; what is added is committed at once."""

    def __init__(self, connection: sqlite3.Connection, lock: threading.Lock, code: str):
        self._connection, self._lock, self._code = connection, lock, code

    def get(self, key: tuple[str, str]) -> float | None:
        """The similarity of a pair, None if it has not been compared."""
        with self._lock:
            query = "SELECT value FROM similarities WHERE first = ? AND second = ?"
            row = self._connection.execute(query, key).fetchone()
        return row[0] if row else None

    def update(self, similarities: Mapping[tuple[str, str], float]) -> None:
        """Add similarities."""
        with self._lock, self._connection:
            rows = ((self._code, *pair, float(value)) for pair, value in similarities.items())
            self._connection.executemany("INSERT OR REPLACE INTO similarities VALUES (?, ?, ?, ?)", rows)
