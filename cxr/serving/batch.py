"""Many pictures at a terminal: find them, ask about each, and let no bad file end the run."""

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cxr import radiograph
from cxr.cli import UserError, one_line
from cxr.serving.answer import Answer
from cxr.serving.predictor import Predictor

COLUMNS = ("file", *Answer.__dataclass_fields__, "error")


@dataclass(frozen=True)
class Row:
    """One file and what came of it: an answer, or the reason why there is none."""

    file: Path
    answer: Answer | None = None
    error: str = ""

    def to_dict(self) -> dict[str, object]:
        """The answer's fields with the file's name, or the name with the error."""
        return {"file": str(self.file), **(self.answer.to_dict() if self.answer else {"error": self.error})}

    def to_row(self) -> dict[str, object]:
        """The same with one value a column."""
        return {"file": str(self.file), **(self.answer.to_row() if self.answer else {"error": self.error})}

    @property
    def sentence(self) -> str:
        """One line for a reader: verdict, numbers, reason, model, revision and disclaimer."""
        if not self.answer:
            return f"{self.file}: no answer: {self.error}"
        given = self.answer
        said = f"{self.file}: {given.sentence} Model {given.model_id}@{given.short_revision}. {given.disclaimer}"
        return f"{said} {given.notice}".rstrip()


def find(paths: Sequence[str]) -> list[Path]:
    """Files, the pictures of folders (searched to the bottom) and of patterns like `ward/*.png`, each once, in order.

    A path that leads nowhere stays in the list, so that it gets its line like any other bad file.
    """
    return list(dict.fromkeys(file for path in paths for file in _expand(path)))


def _expand(path: str) -> Iterable[Path]:
    if Path(path).is_dir():
        return _pictures(Path(path).rglob("*"))
    if not Path(path).exists() and glob.has_magic(path):
        return _matches(path)
    return [Path(path)]


def _matches(pattern: str) -> Iterator[Path]:
    for match in sorted(glob.glob(pattern, recursive=True)):
        yield from _pictures(Path(match).rglob("*")) if Path(match).is_dir() else [Path(match)]


def _pictures(files: Iterable[Path]) -> list[Path]:
    """What a folder is searched for; other files in it are nobody's question. DICOM often has no suffix at all."""
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in radiograph.FORMATS}
    shown = (file for file in files if not file.name.startswith("."))
    return sorted(file for file in shown if file.is_file() and (file.suffix.lower() in known or _is_dicom(file)))


def _is_dicom(file: Path) -> bool:
    return file.suffix.lower() == ".dcm" or (file.name.upper() != "DICOMDIR" and radiograph.is_dicom(file))


def answers(predictor: Predictor, files: Iterable[Path]) -> Iterator[Row]:
    """Ask about one file after the other."""
    for file in files:
        try:
            yield Row(file, predictor.predict(radiograph.read(file)))
        except radiograph.UnreadableImage as error:
            yield Row(file, error=f"the file {error.reason}")
        except UserError as error:
            yield Row(file, error=one_line(error))
