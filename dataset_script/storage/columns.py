"""Many rows in little memory: Python objects would take six hundred bytes and more a row, columns a hundred or two."""

from array import array
from collections.abc import Hashable, Mapping, Sequence


class Columns:
    """Values of many rows by column.

    Numbers stand in arrays, a missing one as NaN. Words are values that many rows share, each held once and numbered.
    Texts are a row's own, one after the other in one buffer.
    """

    def __init__(self, numbers: Mapping[str, str], words: Sequence[str], texts: Sequence[str]) -> None:
        """Make the columns, empty; `numbers` gives each of them its type as `array` names it."""
        self._numbers = {name: array(kind) for name, kind in numbers.items()}
        self._codes = {name: array("i") for name in words}
        self._places = {name: place for place, name in enumerate(texts)}
        self._words: list[Hashable] = []
        self._code_of: dict[Hashable, int] = {}
        self._text, self._ends = bytearray(), array("q", [0])
        self._count = 0

    def __len__(self) -> int:
        """How many rows there are."""
        return self._count

    def append(self, values: Mapping) -> None:
        """Add a row, of which every column must be given; texts may be `str` or `bytes`."""
        for name, numbers in self._numbers.items():
            value = values[name]
            numbers.append(float("nan") if value is None else value)
        for name, codes in self._codes.items():
            codes.append(self._code(values[name]))
        for name in self._places:
            value = values[name]
            self._text += value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
            self._ends.append(len(self._text))
        self._count += 1

    def number(self, name: str, at: int) -> float | int:
        """A number of a row."""
        return self._numbers[name][at]

    def word(self, name: str, at: int) -> Hashable:
        """A word of a row."""
        return self._words[self._codes[name][at]]

    def raw(self, name: str, at: int) -> bytes:
        """A text of a row as bytes."""
        place = at * len(self._places) + self._places[name]
        return bytes(self._text[self._ends[place] : self._ends[place + 1]])

    def text(self, name: str, at: int) -> str:
        """A text of a row."""
        return self.raw(name, at).decode("utf-8", "surrogatepass")

    def _code(self, word: Hashable) -> int:
        code = self._code_of.setdefault(word, len(self._words))
        if code == len(self._words):
            self._words.append(word)
        return code
