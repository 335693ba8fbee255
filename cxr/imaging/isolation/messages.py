"""What passes between the two processes: JSON and bytes, never pickle, because a decoder may have been taken over."""

import json
import struct
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np

from cxr.imaging.dicom.header import DicomHeader
from cxr.imaging.limits import MAX_PIXELS
from cxr.imaging.radiograph import Radiograph

_LENGTHS = struct.Struct("<QQ")

Facts = dict[str, Any]


def send(stream: BinaryIO, facts: Facts, content: bytes | memoryview) -> None:
    """Write one message.

    Raises:
        OSError: if the other side is gone.
    """
    head = json.dumps(facts).encode()
    for part in (_LENGTHS.pack(len(head), len(content)), head, content):
        rest = memoryview(part)
        while rest:
            rest = rest[stream.write(rest) :]


def receive(stream: BinaryIO, most: int) -> tuple[Facts, bytearray]:
    """Read one message of at most `most` bytes beside its facts.

    Raises:
        EOFError: if the other side is gone, or sends what is no message.
    """
    head, content = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if head > most or content > most:
        raise EOFError("no message")
    return json.loads(_exactly(stream, head)), _exactly(stream, content)


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    """The next `size` bytes of an unbuffered stream.

    Raises:
        EOFError: if it ends before.
    """
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]  # raw and buffered streams have it
        if not count:
            raise EOFError("the other side is gone")
        rest = rest[count:]
    return content


def send_radiograph(stream: BinaryIO, read: Radiograph) -> None:
    """Write what a file gave."""
    facts = {name: value for name, value in vars(read).items() if name not in ("pixels", "header")}
    header = None if read.header is None else asdict(read.header)
    pixels = np.ascontiguousarray(read.pixels)
    send(stream, {"shape": pixels.shape, "header": header, "facts": facts}, pixels.reshape(-1).data)


def receive_radiograph(stream: BinaryIO) -> Radiograph | str:
    """What a file gave, or the reason why it was refused.

    Raises:
        EOFError: if the other side is gone, or sends what is no answer.
    """
    answer, content = receive(stream, MAX_PIXELS)
    if "refused" in answer:
        return str(answer["refused"])
    try:
        pixels = np.frombuffer(content, np.uint8).reshape(answer["shape"])
        header = None if answer["header"] is None else DicomHeader(**answer["header"])
        return Radiograph(pixels, header=header, **answer["facts"])
    except (KeyError, TypeError, ValueError) as error:
        raise EOFError("no answer") from error
