"""What each phrase of a label does: it names the disease, affirms, denies or doubts it, or none of these."""

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache

from dataset_script.collections import label_ideographs, label_words


class Kind(Enum):
    """What a word or phrase does in a text about COVID-19."""

    COVID = auto()
    AFFIRMATION = auto()
    DENIAL = auto()
    DENIAL_BEFORE = auto()
    WITHOUT = auto()
    DOUBT = auto()
    OTHER_FINDING = auto()
    NO_FINDING = auto()
    UNDECIDED = auto()
    NEUTRAL = auto()
    ALTERNATIVE = auto()
    RESULT_POSITIVE = auto()
    RESULT_NEGATIVE = auto()


Clause = list[Kind]
_LONGEST = 10
_WORD = re.compile(r"[^\W\d_]+|\d+|[+\-?±]|[,;/|.:!\n\[\](){}&]")
_RESULTS = r"(\b(positi|negati|poziti)(f|v|ve|vo|va|ef)\b|\b(pos|neg)\b|отрицательн|положительн)"
_TEST = (
    r"((schnell|antigen|pcr)?test(s|ed|e|i)?(\s+results?)?|swab|screening|tampone|hisopado|prueba(\s+de)?|abstrich|"
    r"(тест|мазок)(\s+на)?)\b"
)
_RESULT_OF_TEST = (
    r"^\s*(positive[rs]?|negative[rs]?|pos|neg)\.?"
    r"((\s+|-)(covid|19|2019|sars|cov|2|ncov|corona|coronavirus|rt|pcr|antigen|rapid))*"
    r"(\s+|-)(schnell|antigen|pcr)?test(\s+results?)?(?=\s*$|\s*[,;]|\s+(for|of|auf)\b)"
)
"""`negative COVID test`, `positiver PCR-Test`: only at the start, because what stands before may deny or doubt it."""
_BREAKS = set(",;/|.:!\n[](){}&")


def normalised(text: str) -> str:
    """Lower case without accents; signs are spelt out, hyphens within a word are spaces, so are underscores."""
    if not text.isascii():
        for written, meant in label_ideographs.IN_ENGLISH.items():
            text = text.replace(written, f" {meant} ")
    text = re.sub(r"(?i)(?<![^\W_])un[-_]?(?=covid|corona)", " non ", text)  # alone, `un` is an article
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z]|[A-Z]{2,})", " ", text)
    text = unicodedata.normalize("NFKC", text).replace("ß", "ss").replace("ı", "i").casefold()
    text = re.sub(r"\bpós\b", "post", text)  # without its accent it is short for positive
    text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    for code, meant in label_words.CODES.items():
        text = re.sub(code, meant, text)
    text = re.sub("[‐‑‒–—―−﹣－]", "-", text).replace("_", " ").replace("’", " ").replace("'", " ")
    text = text.replace("ø", "o").replace("ł", "l").replace("æ", "ae").replace("đ", "d")
    text = re.sub(r"\+\s*[/|]?\s*-|-\s*[/|]\s*\+|±", " ? ", text)
    text = re.sub(
        _RESULT_OF_TEST, lambda found: re.sub(r"\w*test(\s+results?)?$", " ", found[0]).replace("-", " "), text
    )
    text = re.sub(rf"(?<=\w)-(?={_TEST})", " ", text)
    text = re.sub(rf"\b{_TEST}\s*[:=]?(?=(\s*[^\W_]+[\s/-]+){{0,4}}?\s*[:=]?\s*{_RESULTS})", " ", text)
    text = re.sub(r"-\s*ve\b", " negative ", text)
    text = re.sub(r"\+\s*ve\b", " positive ", text)
    text = re.sub(r"\bw\s*/\s*o\b", " without ", text)
    text = re.sub(r"\b(r|h|d|n|s)\s*/\s*(o|d|a|p)\b", r" \1 \2 ", text)
    text = re.sub(r"\b(z|v)\.\s?(n|a)\.", r" \1 \2 ", text)
    text = re.sub(r"\b(vs|dx|ddx|hx|neg|pos|excl|susp|prob|poss)\.", r"\1 ", text)
    text = re.sub(r"(?<=\w)-(?=\w)|(?<=[^\W\d])\.(?=[^\W\d])", " ", text)
    text = re.sub(r"(?<=\w)\s+-\s+(?=\w)", " : ", text)
    text = re.sub(
        r"[\[({<]\s*-+\s*[\])}>]|(?<=[\w)\]])\s*-+\s*(?=$|[,;|)\]}.:])|(?<=\w)-\s+|^\s*-(?=\w)", " minus_sign ", text
    )
    text = re.sub(r"[\[({<]\s*\++\s*[\])}>]|\++", " plus_sign ", text)
    return re.sub(r"[\"“”„«»*#=~<>]", " ", text).replace("-", " ")


def _clauses(text: str) -> Iterator[list[str]]:
    """The words between punctuation marks; `but` and `however` part clauses too."""
    words: list[str] = []
    for word in re.findall(r"plus_sign|minus_sign|" + _WORD.pattern, text):
        if word in _BREAKS or word in ("but", "however", "although"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def read_kinds(text: str) -> list[Clause] | None:
    """The clauses of a text that say something, each as what its phrases do; None if a word is unknown."""
    found: list[Clause] = []
    for words in _clauses(text):
        kinds = []
        for kind in _phrases(words):
            if kind is None:
                return None
            kinds.append(kind)
        if kinds:
            found.append(kinds)
    return found


def names_covid(text: str) -> bool:
    """Whether a normalised text names the disease or its virus, whatever else it says."""
    return any(Kind.COVID in _phrases(words) for words in _clauses(text))


def is_container(text: str) -> bool:
    """Whether a normalised text says that something holds a whole collection (`COVID-19 Radiography Database`)."""
    words = {part for clause in _clauses(text) for word in clause for part in _parts(word)}
    return bool(words & _container_words())


@lru_cache
def _container_words() -> frozenset[str]:
    return frozenset(re.findall(r"\w+", label_words.CONTAINER))


def _phrases(words: list[str]) -> Iterator[Kind | None]:
    """What each phrase does, the longest known first; None for a word that is not known."""
    at = 0
    words = [part for word in words for part in _parts(word)]
    while at < len(words):
        length = next((n for n in range(_LONGEST, 0, -1) if tuple(words[at : at + n]) in _lexicon()), 0)
        yield _lexicon()[tuple(words[at : at + length])] if length else None
        at += length or 1


@lru_cache(maxsize=65536)
def _parts(word: str) -> tuple[str, ...]:
    """A word as it stands if it is known, else the known words that it is made of (`noncovid`), else as it stands."""
    if word in _single_words() or not word.isalpha():
        return (word,)
    best: dict[int, tuple[str, ...]] = {0: ()}
    for end in range(2, len(word) + 1):
        made = (best[start] + (word[start:end],) for start in best if word[start:end] in _compoundable())
        shortest = min(made, key=len, default=None)
        if shortest is not None:
            best[end] = shortest
    return best.get(len(word)) or (word,)


@lru_cache
def _lexicon() -> dict[tuple[str, ...], Kind]:
    """Every phrase, as the words that `_clauses` makes of it; later lists win where two hold the same."""
    lists = {
        Kind.NEUTRAL: label_words.NEUTRAL,
        Kind.ALTERNATIVE: label_words.ALTERNATIVE,
        Kind.UNDECIDED: label_words.UNDECIDED,
        Kind.OTHER_FINDING: label_words.OTHER_FINDING,
        Kind.AFFIRMATION: label_words.AFFIRMATION + "; plus_sign",
        Kind.RESULT_POSITIVE: label_words.RESULT_POSITIVE + "; plus_sign",
        Kind.COVID: label_words.COVID,
        Kind.DENIAL_BEFORE: label_words.DENIAL_BEFORE,
        Kind.WITHOUT: label_words.WITHOUT,
        Kind.DENIAL: label_words.DENIAL,
        Kind.RESULT_NEGATIVE: label_words.RESULT_NEGATIVE + "; minus_sign",
        Kind.DOUBT: label_words.DOUBT + "; ?",
    }
    found = {}
    for kind, text in lists.items():
        for entry in re.split("[;\n]", text):
            words = tuple(re.findall(r"plus_sign|minus_sign|" + _WORD.pattern, _plain_entry(entry)))
            if words:
                found[words] = kind
    no_findings = (
        words for words, kind in found.items() if kind == Kind.OTHER_FINDING and words[0] in ("no", "nofinding")
    )
    return found | dict.fromkeys(no_findings, Kind.NO_FINDING)


def _plain_entry(entry: str) -> str:
    return entry.strip() if entry.strip() in ("plus_sign", "minus_sign", "?") else normalised(entry.strip())


@lru_cache
def _single_words() -> frozenset[str]:
    """Every word that stands in a phrase."""
    return frozenset(word for words in _lexicon() for word in words)


@lru_cache
def _compoundable() -> frozenset[str]:
    """Words that compounds are made of; short ones would be found within any word."""
    short = {"no", "non", "not", "neg", "pos", "un", "tb", "sin", "flu"}
    return frozenset(word for word in _single_words() if word.isalpha() and (len(word) > 3 or word in short))
