"""Reading a label: whether a class name, a finding or a test result says COVID-19, something else, or neither.

A text is read only if every word of it is known (`label_phrases`): an unknown word may be a denial, so that a text with
one is not understood, and a person has to say what it means (`--label`). Within a clause, a denial applies to the
disease named beside it; what is doubted, or over, is no class at all.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections import label_phrases
from dataset_script.collections.label_phrases import Clause, Kind, normalised, read_kinds

DOUBTFUL = "is doubtful: suspected, possible, looked for or over"
UNDECIDED = "has no finding yet"


class LabelReading(NamedTuple):
    """A class, or the reason why there is none; neither where the text was not understood."""

    label: int | None = None
    reason: str | None = None

    @property
    def is_understood(self) -> bool:
        """Whether the text was understood."""
        return self != NOT_UNDERSTOOD


NOT_UNDERSTOOD = LabelReading()


def read_label(text: str) -> LabelReading:
    """What a class name, a finding or a test result says, in any of the languages of `label_words`."""
    if text.strip() in ("", "-", "--", "---", "—", "–", "?", "??", ".", "*"):
        return LabelReading(reason=UNDECIDED)
    kinds = read_kinds(normalised(text))
    return NOT_UNDERSTOOD if kinds is None else _judge(kinds)


def read_in_column(value: str, column: str) -> LabelReading:
    """What a cell says; in a column that names COVID-19, a single word such as `yes` or `False` answers it.

    Where the column denies or doubts the disease (`non_covid`, `post_covid`), only what names the disease itself, or
    denies it, is read as it stands: `yes` there is no COVID-19.
    """
    reading = read_label(value)
    if not mentions_covid(column) or mentions_covid(value):
        return reading
    asked = read_label(_TEST.sub(" ", column))
    answer = _answer(value)
    if denies_or_doubts_covid(column):
        return asked if answer else NOT_UNDERSTOOD if answer is False or reading.label == COVID else reading
    if reading.is_understood or len(value.split()) != 1:
        return reading
    if answer is not None and asked.label == COVID and _ASKS_YES_OR_NO.fullmatch(normalised(column).strip()):
        return LabelReading(COVID if answer else NON_COVID)
    return read_label(f"COVID-19: {value}")


_TEST = re.compile(r"(?i)test(ed|ing)?")
_ASKS_YES_OR_NO = re.compile(
    r"((is|has|status|positive|pos|infected|infection|diagnosis|label|result|pcr)|\W|covid|19)+"
)


def _answer(value: str) -> bool | None:
    """What a bare yes or no says; None for anything else."""
    word = normalised(value).strip()
    if word in ("1", "1.0", "y", "t", "是"):
        return True
    if word in ("0", "0.0", "n", "f", "否"):
        return False
    stances = {_stance(kinds) for kinds in read_kinds(word) or []}
    if stances == {_Stance.BARE_AFFIRMATION}:
        return True
    return False if stances == {_Stance.BARE_DENIAL} else None


def mentions_covid(text: str) -> bool:
    """Whether a text names the disease or its virus, whatever else it says and whether or not it is understood."""
    return label_phrases.names_covid(normalised(text))


def denies_or_doubts_covid(column: str) -> bool:
    """Whether a column's name denies or doubts the disease: `non_covid`, `post_covid`."""
    asked = read_label(_TEST.sub(" ", column))
    return mentions_covid(column) and asked.is_understood and asked.label != COVID


def is_container(text: str) -> bool:
    """Whether a folder's name says that it holds a whole collection (`COVID-19 Radiography Database`): no class."""
    return label_phrases.is_container(normalised(text))


_AFFIRMATIONS = {Kind.AFFIRMATION, Kind.RESULT_POSITIVE}
_DENIALS = {Kind.DENIAL, Kind.RESULT_NEGATIVE, Kind.DENIAL_BEFORE, Kind.WITHOUT}
_FINDINGS = {Kind.OTHER_FINDING, Kind.NO_FINDING}
_SILENT = {Kind.NEUTRAL, Kind.ALTERNATIVE}


def _judge(clauses: list[Clause]) -> LabelReading:
    """The reading of a whole text from that of its clauses."""
    kinds = [kind for clause in clauses for kind in clause]
    if Kind.COVID in kinds:
        return _judge_covid(clauses)
    if Kind.DOUBT in kinds:
        return LabelReading(reason=DOUBTFUL)
    if _FINDINGS & set(kinds):
        bare = any(_is_bare(clause, _AFFIRMATIONS) for clause in clauses)
        return NOT_UNDERSTOOD if bare else LabelReading(NON_COVID)
    return _judge_result(kinds)


def _judge_result(kinds: Clause) -> LabelReading:
    """A text that names no disease: `positive`, `PCR negative`, `not positive`, `unknown`."""
    said = [kind for kind in kinds if kind not in _SILENT]
    if said and all(kind == Kind.UNDECIDED for kind in said):
        return LabelReading(reason=UNDECIDED)
    if said == [Kind.RESULT_POSITIVE]:
        return LabelReading(COVID)
    if said == [Kind.RESULT_NEGATIVE] or said == [Kind.DENIAL_BEFORE, Kind.RESULT_POSITIVE]:
        return LabelReading(NON_COVID)
    return NOT_UNDERSTOOD


class _Stance(Enum):
    """What one clause says of COVID-19, or, if it does not name it, of the whole."""

    PLAIN = auto()  # names it
    EXPLICIT = auto()  # affirms it in so many words
    DENIED = auto()
    DOUBTED = auto()
    CONTRADICTORY = auto()
    BARE_AFFIRMATION = auto()  # names nothing, affirms
    BARE_DENIAL = auto()
    DENIES_NEXT = auto()  # denies another finding named behind the denial
    DENIES_OTHER = auto()  # denies another finding named before the denial, or in an unclear way
    SILENT = auto()


def _judge_covid(clauses: list[Clause]) -> LabelReading:
    stances = [_stance(clause) for clause in clauses]
    found = set(stances)
    if _Stance.CONTRADICTORY in found:
        return NOT_UNDERSTOOD
    if _Stance.DENIED in found:
        if found & {_Stance.PLAIN, _Stance.EXPLICIT, _Stance.BARE_AFFIRMATION}:
            return NOT_UNDERSTOOD
        bare_doubt = any(_is_bare(clause, {Kind.DOUBT}) for clause in clauses)
        named = any(
            stance == _Stance.DOUBTED and Kind.COVID in clause for clause, stance in zip(clauses, stances, strict=True)
        )
        return LabelReading(reason=DOUBTFUL) if bare_doubt or named else LabelReading(NON_COVID)
    if _Stance.DOUBTED in found:
        return LabelReading(reason=DOUBTFUL)
    return _judge_affirmed(stances, found)


def _judge_affirmed(stances: list[_Stance], found: set[_Stance]) -> LabelReading:
    """COVID-19 is named and nowhere denied beside its name; denials in other clauses may still apply to it."""
    explicit = _Stance.EXPLICIT in found or _Stance.BARE_AFFIRMATION in found
    if _Stance.BARE_DENIAL in found:
        return NOT_UNDERSTOOD if explicit else LabelReading(NON_COVID)
    first = min(stances.index(stance) for stance in (_Stance.PLAIN, _Stance.EXPLICIT) if stance in found)
    denies_before = _Stance.DENIES_NEXT in stances[:first]
    if not explicit and (denies_before or _Stance.DENIES_OTHER in found):
        return NOT_UNDERSTOOD
    return LabelReading(COVID)


def _stance(clause: Clause) -> _Stance:
    said = _merged([kind for kind in clause if kind not in _SILENT])
    if Kind.DOUBT in said or Kind.UNDECIDED in said:
        return _Stance.DOUBTED
    if Kind.ALTERNATIVE in clause and Kind.COVID in said and not _DENIALS & set(said):
        return _Stance.DOUBTED
    denied = [at for at, kind in enumerate(said) if kind in _DENIALS]
    affirmed = [at for at, kind in enumerate(said) if kind in _AFFIRMATIONS]
    if Kind.COVID not in said:
        return _stance_elsewhere(said, denied, affirmed)
    if not denied and Kind.NO_FINDING in said:
        return _Stance.DENIED if said.index(Kind.NO_FINDING) < said.index(Kind.COVID) else _Stance.PLAIN
    if not denied:
        return _Stance.EXPLICIT if affirmed else _Stance.PLAIN
    if affirmed:
        return _Stance.DENIED if _denies_that_it_was_found(said) else _Stance.CONTRADICTORY
    last = max(at for at, kind in enumerate(said) if kind == Kind.COVID)
    behind = [at for at in denied if at > last]
    if len(behind) < len(denied):
        return _Stance.DENIED
    return _denied_behind(said, behind)


def _denies_that_it_was_found(said: Clause) -> bool:
    """`no COVID detected`, `not COVID positive`."""
    first, *between, last = said
    return first == Kind.DENIAL_BEFORE and set(between) == {Kind.COVID} and last in _AFFIRMATIONS


def _denied_behind(said: Clause, behind: list[int]) -> _Stance:
    """The stance of a clause in which every denial stands behind the disease."""
    if any(said[at] in (Kind.DENIAL, Kind.RESULT_NEGATIVE) or at == len(said) - 1 for at in behind):
        return _Stance.DENIED
    joined = all(said[at] == Kind.WITHOUT and said[at + 1] in _FINDINGS for at in behind)
    return _Stance.PLAIN if joined else _Stance.CONTRADICTORY


def _stance_elsewhere(said: Clause, denied: list[int], affirmed: list[int]) -> _Stance:
    """The stance of a clause that does not name the disease."""
    has_object = bool(_FINDINGS & set(said))
    if denied and affirmed:
        return _Stance.CONTRADICTORY
    if not denied:
        return _Stance.BARE_AFFIRMATION if affirmed and not has_object else _Stance.SILENT
    if not has_object:
        return _Stance.BARE_DENIAL
    return _Stance.DENIES_NEXT if said[0] in (Kind.DENIAL_BEFORE, Kind.WITHOUT) else _Stance.DENIES_OTHER


def _merged(said: Clause) -> Clause:
    """`not positive` is one denial, and `not negative` one doubt."""
    found: Clause = []
    for kind in said:
        if found and found[-1] == Kind.DENIAL_BEFORE and kind in _AFFIRMATIONS:
            found[-1] = Kind.RESULT_NEGATIVE
        elif found and found[-1] == Kind.DENIAL_BEFORE and kind in _DENIALS:
            found[-1] = Kind.DOUBT
        else:
            found.append(kind)
    return found


def _is_bare(clause: Clause, kinds: set[Kind]) -> bool:
    """Whether a clause says nothing but what is of these kinds."""
    said = [kind for kind in clause if kind not in _SILENT]
    return bool(said) and set(said) <= kinds
