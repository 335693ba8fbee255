"""Pseudonyms for patients and file names: keyed hashes that group images and cannot be tested without the key.

A plain hash of a patient number keeps no secret: all numbers of a hospital can be hashed in a second. Hence
HMAC-SHA-256 (RFC 2104) with a random key that stays with the maker of the dataset. Ids that name no patient get none.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from pathlib import Path

from cxr.errors import UserError

_BYTES = 32
_DIGITS = 32
"""Hexadecimal digits of a pseudonym, 128 bits: two of a billion patients share one with a probability of 10^-20."""

_STOP_GAPS = """
    nan none null na n/a n.a. nat <na> unknown unk unkn undefined missing empty blank anonymous anonymized anonymised
    anon anonym anonymisiert anonimo anonimizado anonyme anonymise deidentified de-identified removed redacted patient
    subject id no_id noid test not_available not_available_or_missing not_known unspecified tbd todo 匿名 不明 unbekannt
    desconocido desconhecido inconnu sconosciuto onbekend bilinmiyor неизвестно аноним
    nil no_name noname unnamed unidentified withheld hidden masked dummy private confidential not_recorded not_provided
    not_applicable not_given none_given not_stated keine 无 無 未知 未詳 n/d s/d k.a. k/a n.n. #n/a #ref! #name? #null!
"""
_STOP_GAP_SET = frozenset(_STOP_GAPS.split())


def is_stop_gap(patient_id: str) -> bool:
    """Whether an id is one that tables and anonymisers write where there is none; signs alone are none either."""
    text = re.sub(r"[\s_]+", "_", patient_id.strip().strip("\"'").casefold())
    bare = re.sub(r"^(patient|subject)_|_(patient|subject|id|name)$", "", text)  # `Unknown patient`, `Patient unknown`
    return bool({text, bare} & _STOP_GAP_SET) or not re.search(r"[^\W_]", text) or not text.strip("x")


def new_key() -> bytes:
    """A random key, for a run whose pseudonyms need not match those of other runs."""
    return secrets.token_bytes(_BYTES)


def load_or_make_key(path: Path, published: Path | None = None) -> bytes:
    """Read the key in `path`, or create one there that only its owner can read.

    Args:
        path: the key file, 64 hexadecimal digits.
        published: a folder that will be published; the key must not be in it.

    Raises:
        UserError: if it is in that folder, is not a key, is readable by others, or cannot be read or created.
    """
    path = path.expanduser().absolute()
    if published is not None and path.resolve().is_relative_to(published.expanduser().resolve()):
        raise UserError(f"--patient_key {path} is in {published}, which is published: keep the key elsewhere")
    try:
        if not path.exists():
            _create(path)
        text, others = path.read_text(encoding="ascii").strip(), path.stat().st_mode & 0o077
    except UnicodeDecodeError:
        text, others = "", 0
    except OSError as error:
        raise UserError(f"--patient_key {path}: cannot be read or created ({error.strerror})") from error
    if others:
        raise UserError(f"--patient_key {path} is readable by other users: chmod 600 it")
    return _parse(text, path)


def patient_hash(key: bytes, patient_id: str, issuer: str = "") -> str:
    """The pseudonym of a patient: the same for the same number, issuer and key, otherwise unrelated."""
    return _pseudonym(key, "patient", issuer.strip(), patient_id.strip())


def file_hash(key: bytes, file: str) -> str:
    """A name for a DICOM file in place of its path, which may hold a patient's name: 32 hexadecimal digits and `.dcm`.

    `file` is the path relative to its collection, with `/`; different paths get different names.
    """
    return f"{_pseudonym(key, 'file', file)}.dcm"


def _pseudonym(key: bytes, *parts: str) -> str:
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _create(path: Path) -> None:
    """Write a new key under a temporary name first: of two processes that start together, one whole key wins."""
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
            f"--patient_key {path} holds no key (64 hexadecimal digits): name a new file, and it is created"
        )
    return key
