"""Words that the project used to have of its own, and what is written instead: none may come back.

`python tests/project/test_vocabulary.py [FOLDER]` lists every use.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXCLUDED = re.compile(r"LICENSE|docs/results/\w+/\w+\.json|tests/project/test_vocabulary\.py|.*\.png")


class Retired(NamedTuple):
    """A pattern (case matters), the word to write instead, and lines that may match: files, lines, why."""

    pattern: str
    instead: str
    allowed: tuple[tuple[str, str, str], ...] = ()


_OLD_CARD = (
    r"docs/results/\w+/README\.md",
    r"^(Excluded before splitting: |Audit of the dataset: |The median age )",
    "quotes sentences of dataset_report.json",
)
_COPIES_KEY = (
    r"cxr/schema/.*|dataset_script/(report|prepare|card)\.py|.*model_card\.md|tests/.*|docs/.*",
    r"[\"'`.]copies\b|\bcopies: |settings.*copies|copies=",
    "the key of report.json",
)
_SHOUTS_KEY = (r".*\.py|docs/.*", r"[\"'`.]shouts\b|\bshouts: |shouts=", "the key of report.json")

WORDS = {
    "picture": Retired(
        r"(?i)pictures?",
        "image or radiograph",
        (
            _OLD_CARD,
            (r"dataset_script/collections/label_words\.py", r"picture; pictures;", "words in collections' tables"),
            (r"CHANGELOG\.md|.*\.py", r"\bpictures/|\"pictures\"", "the folder of datasets prepared before"),
            (r"benchmarks/\w+\.py|tests/test_benchmarks\.py", r"--pictures\b|args\.pictures", "a documented flag"),
            (r".*\.py", r"\"head_pictures\"", "a key of the log in metrics.json"),
        ),
    ),
    "copy": Retired(
        r"(?i)\bcopies\b|near[- ]cop(y|ies)|\b(a|the|planted|exact|training|external|test) copy\b"
        r"|\bcopy of (an? |one |the )?(image|radiograph|exposure|phantom|it\b)|_copies\b|\bcopies_|(?-i:\bCopy[(\]|,])",
        "near-duplicate or duplicate",
        (
            _OLD_CARD,
            _COPIES_KEY,
            (r".*", r"Pillow(?:'s)? copies|copies (?:of the pixels|files|the file|out)", "copying of pixels or files"),
            (r".*", r"a copy of (?:the project|this)|a copy without it|(?i:shallow|deep) copy", "copying of files"),
        ),
    ),
    "region views": Retired(r"(?i)(?<![a-z])sight(?![a-z])|glimpse", "region, region view"),
    "desk": Retired(r"(?i)(?<![a-z])desk(?![a-z])", "handlers"),
    "patience": Retired(r"(?i)(?<!early_stopping_)(?<!EarlyStopping)patience", "time limit, timeout"),
    "body limit": Retired(r"(?i)body_?limit|body limit", "request size limit"),
    "ahead": Retired(r"(?i)\bimport ahead\b|\bahead(?:\.py|\()|\bhand(?:s|ed)? (?:\w+ )?ahead", "parallel"),
    "roots": Retired(r"\broots\.py|\bimport roots\b|\broots\.\w", "filesystem"),
    "likeness": Retired(r"(?i)likeness", "near-duplicate detection, similarity"),
    "dividing": Retired(r"\bdividing\.py|\bimport dividing\b|\bdividing\.\w", "division"),
    "opening": Retired(r"\bopening\.py|\bimport opening\b|\bopening\.\w", "upload_files"),
    "finish": Retired(r"\bfinish\.py|\bimport finish\b|\bfinish\.\w", "finalize"),
    "house": Retired(
        r"(?i)(?<![a-z])(house|rooms?(?! for )|doors?)(?![a-z])|(?<![a-z.])floors?(?![a-z(])",
        "package, module, command, interface",
    ),
    "mean": Retired(
        r"\bMEANS\b|\bclass Mean\b|\bMean\(|\b[Nn]o mean\b|\b[Oo]ne mean\b|\b[AE]\w* mean (becomes|does)|the mean that",
        "intervention",
    ),
    "shout": Retired(r"(?i)\bshout\w*|\bcr(y|ies|ied) wolf|\bloud(ly)?\b", "flagged, false alarm", (_SHOUTS_KEY,)),
    "whoever": Retired(r"(?i)\bwhoever\b|\bwhosoever\b|\bwhomever\b", "name who: the user, the caller"),
    "nobody": Retired(r"(?i)\bnobody\b|\beverybody\b|\banybody\b", "no one is named: say what happens"),
    "silence": Retired(
        r"(?i)\bsilent Hub|\bHub (is|was|stays|falls) silent|\bsilence\b|silent_hub", "unreachable, timeout"
    ),
    "for the eye": Retired(r"(?i)\bfor (the|your|a person's) eyes?\b", "to look at"),
    "person": Retired(
        r"(?i)\b(classifier|model|network|probe|gate|Hub)s? (says?|speaks?|asks?|(is|are) asked|tells?)\b",
        "is scored, is measured, returns",
    ),
    "keyboard": Retired(r"(?i)never from a keyboard", "never typed by hand"),
}


class Use(NamedTuple):
    """A line that holds a retired word."""

    word: str
    file: str
    line: int
    text: str


def texts() -> Iterator[tuple[str, str]]:
    """The tracked text files, by name."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if not EXCLUDED.fullmatch(name) and (ROOT / name).is_file():
            yield name, (ROOT / name).read_text(encoding="utf-8")


def uses(name: str, text: str) -> Iterator[Use]:
    """Every line of a file with a retired word, and the file's own name if it is one."""
    for word, retired in WORDS.items():
        lines = [(0, Path(name).stem), *enumerate(text.splitlines(), 1)]
        for number, line in lines:
            if re.search(retired.pattern, _without_allowed(retired, name, line)):
                yield Use(word, name, number, line.strip())


def _without_allowed(retired: Retired, name: str, line: str) -> str:
    """A line less what may stand in it; a line that is excused from its beginning on is excused as a whole."""
    for files, pattern, _ in retired.allowed:
        if re.fullmatch(files, name):
            line = "" if pattern.startswith("^") and re.search(pattern, line) else re.sub(pattern, "", line)
    return line


def test_no_retired_word_is_used():
    found = [use for name, text in texts() for use in uses(name, text)]
    listed = [f"{use.file}:{use.line}: {use.word} -> {WORDS[use.word].instead}: {use.text[:100]}" for use in found]
    assert not listed, "\n".join(listed)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("What becomes of the pictures", "picture"),
        ("def draw_picture(path: Path)", "picture"),
        ("a cluster of copies of one exposure", "copy"),
        ("a near copy of an image", "copy"),
        ("from cxr.serving.web.desk import Desk", "desk"),
        ("within: Patience", "patience"),
        ("A room never imports another", "house"),
        ("the floor they share", "house"),
        ("No mean helps beyond its interval", "mean"),
        ("the classifier shouts", "shout"),
        ("whoever opens it", "whoever"),
        ("what the model says of it", "person"),
        ("findings that nobody has made yet", "nobody"),
    ],
)
def test_a_retired_word_is_found(line, word):
    assert [use.word for use in uses("cxr/module.py", line)] == [word]


@pytest.mark.parametrize(
    "line",
    [
        "early_stopping_patience: int = 0",
        "math.floor(value)",
        "mean = values.mean()",
        "this means that the mean over the seeds is the mean of all",
        'report["copies"]',
        'probe["shouts"]',
        "shutil.copy(source, target)",
        "it leaves room for a suffix; the outdoors, a roommate, a warehouse, a desktop, an oversight and an insight",
    ],
)
def test_ordinary_english_and_contracts_are_let_pass(line):
    assert not list(uses("dataset_script/report.py", line))


def main(prefix: str = "") -> None:
    """Print every use below a folder, then how many there are by folder and word."""
    found = [use for name, text in texts() if name.startswith(prefix) for use in uses(name, text)]
    counts: dict[tuple[str, str], int] = {}
    for use in found:
        print(f"{use.file}:{use.line}: [{use.word}] {use.text[:140]}")
        key = (str(Path(use.file).parent), use.word)
        counts[key] = counts.get(key, 0) + 1
    for (folder, word), count in sorted(counts.items()):
        print(f"{count:6} {folder:40} {word}")
    print(f"{len(found)} in all")


if __name__ == "__main__":
    main(*sys.argv[1:])
