"""Columns of many values in little memory: a row takes six hundred bytes as Python objects, one to two hundred so.

Whole numbers need no class of their own: `array.array` is such a column.
"""

import math
from array import array
from collections.abc import Hashable
from typing import Any, Generic, Protocol, TypeVar

Word = TypeVar("Word", bound=Hashable)


class Column(Protocol):
    """Values that are added one by one and looked up by their row's number."""

    def append(self, value: Any, /) -> None:
        """Add a value."""
        ...

    def __getitem__(self, at: int, /) -> Any: ...

    def __len__(self) -> int: ...


class Floats:
    """Numbers of which some are missing (None)."""

    def __init__(self) -> None:
        self._values = array("d")

    def __len__(self) -> int:
        return len(self._values)

    def append(self, value: float | None) -> None:
        """Add a number."""
        self._values.append(math.nan if value is None else value)

    def __getitem__(self, at: int) -> float | None:
        value = self._values[at]
        return None if math.isnan(value) else value


class Words(Generic[Word]):
    """Values that many rows share, each held once and numbered."""

    def __init__(self) -> None:
        self._numbers = array("i")
        self._values: list[Word] = []
        self._number_of: dict[Word, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def append(self, value: Word) -> None:
        """Add a value."""
        self._numbers.append(self._number(value))

    def __getitem__(self, at: int) -> Word:
        return self._values[self._numbers[at]]

    def _number(self, value: Word) -> int:
        number = self._number_of.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number


class Texts:
    """Strings that differ from row to row, one after the other in one buffer. Lone surrogates are kept."""

    def __init__(self) -> None:
        self._buffer, self._ends = bytearray(), array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, text: str) -> None:
        """Add a string."""
        self._buffer += self._pack(text)
        self._ends.append(len(self._buffer))

    def __getitem__(self, at: int) -> str:
        return self._unpack(bytes(self._buffer[self._ends[at] : self._ends[at + 1]]))

    def _pack(self, text: str) -> bytes:
        return text.encode("utf-8", "surrogatepass")

    def _unpack(self, packed: bytes) -> str:
        return packed.decode("utf-8", "surrogatepass")


class Hashes(Texts):
    """Hexadecimal strings, in half the bytes."""

    def _pack(self, text: str) -> bytes:
        return bytes.fromhex(text)

    def _unpack(self, packed: bytes) -> str:
        return packed.hex()
