"""Pseudonyms for patients and file names: keyed hashes that group, and that nobody without the key can try out.

A plain hash of a patient number is no secret: all numbers of a hospital are hashed in a second. Hence HMAC-SHA-256
(RFC 2104) under a random key that stays with whoever made the dataset.
"""

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from pathlib import Path

from cxr.errors import UserError

_BYTES = 32
_DIGITS = 32
"""Hexadecimal digits of a pseudonym: 128 bits, where two of a billion patients meet with odds of 1 to 10^20."""


def new_key() -> bytes:
    """A random key, for a run whose pseudonyms need not meet those of any other run."""
    return secrets.token_bytes(_BYTES)


def load_or_make_key(path: Path, published: Path | None = None) -> bytes:
    """Read the key in `path`, or make one there that only its owner can read.

    Args:
        path: the key file, 64 hexadecimal digits.
        published: a folder that others will see; the key may not lie in it.

    Raises:
        UserError: if it lies there, is no key, is readable by others, or cannot be read or made.
    """
    path = path.expanduser().absolute()
    if published is not None and path.resolve().is_relative_to(published.expanduser().resolve()):
        raise UserError(f"--patient_key {path} lies in {published}, which is published: keep the key elsewhere")
    try:
        if not path.exists():
            _make(path)
        text, others = path.read_text(encoding="ascii").strip(), path.stat().st_mode & 0o077
    except UnicodeDecodeError:
        text, others = "", 0
    except OSError as error:
        raise UserError(f"--patient_key {path}: cannot be read or made ({error.strerror})") from error
    if others:
        raise UserError(f"--patient_key {path} is open to other users: chmod 600 it")
    return _parse(text, path)


def key_id(key: bytes) -> str:
    """What may be published of a key: pseudonyms of two datasets meet only where these eight digits are the same."""
    return _pseudonym(key, "key")[:8]


def patient_hash(key: bytes, patient_id: str, issuer: str = "") -> str:
    """The pseudonym of a patient: equal for the same number of the same issuer under the same key, else unrelated."""
    return _pseudonym(key, "patient", issuer.strip(), patient_id.strip())


def file_hash(key: bytes, file: str) -> str:
    """What a dataset calls a DICOM file instead of its path, which may hold a name: 32 hexadecimal digits and `.dcm`.

    `file` is the path relative to its collection, with `/`; different paths get different names.
    """
    return f"{_pseudonym(key, 'file', file)}.dcm"


def _pseudonym(key: bytes, *parts: str) -> str:
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _make(path: Path) -> None:
    """Write a new key under a name of its own first: of two processes that start together, one key wins, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(new_key().hex() + "\n")
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def _parse(text: str, path: Path) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < _BYTES:
        raise UserError(
            f"--patient_key {path} holds no key (64 hexadecimal digits): name a new file, it is made for you"
        )
    return key
