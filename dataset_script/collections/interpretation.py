"""How the values and columns of raw collections are read, what the user says they mean, and a record of both.

Every layout reads its labels and finds its columns through one `Interpretation`, so that each value's reading is
counted and shown, and so that `--label` and `--column` apply wherever a value or a column comes from.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cxr.errors import UserError
from cxr.imaging.views import Projection, read_view
from cxr.schema.labels import LABELS
from dataset_script.collections.label_text import LabelReading

LEFT_OUT_BY_USER = "is left out by --label"
NOT_UNDERSTOOD = "has a label that is not understood"
_MEANINGS: dict[str, int | None] = {name: index for index, name in enumerate(LABELS)} | {"out": None}
_SHOWN, _LONGEST = 12, 60

FIELDS = {
    "file": "file filename file_name filepath file_path path image image_path image_file image_name imagename img "
    "img_path",
    "label": "label labels class target category diagnosis covid covid19 covid_19 is_covid covid_status covid_label",
    "finding": "finding findings finding_labels finding_label",
    "patient_id": "patient_id patientid patient subject_id subjectid subject pid mrn medical_record_number "
    "patient_number patient_no study_patient participant participant_id case_id id_patient patient_code "
    "anon_patient_id deid_patient_id submitter_id",
    "view": "view view_position viewposition projection view_name frontal_lateral ap_pa",
    "sex": "sex gender patient_sex patient_gender patientsex",
    "age": "age patient_age patientage age_years age_at_study age_in_years",
    "source": "source",
    "split": "split subset partition",
    "modality": "modality",
    "licence": "licence license",
    "reference_standard": "reference_standard gold_standard ground_truth",
}
"""By field, the names that people give its column, in order of preference; case and punctuation do not matter."""

_TELLING = re.compile(
    r"patient|subject|participant|(^|_)mrn($|_)|record_n|(^|_)person|individual|(^|_)p?id($|_)|label|class|diagnos|view"
    r"|projection|(^|_)age($|_)|sex|gender"
)


@dataclass
class Interpretation:
    """What the user says (`labels`, `columns`) and, once collections have been read, how everything was understood.

    `labels` gives a value, in lower case, its class or None: leave out. `columns` gives a field its column. `values`
    counts images by collection, value and outcome (a class name or a reason); `used` gives each collection's fields
    their columns, `unused` its columns that look as if they mattered; `unknown_views` counts images by collection and
    a view that is neither known as frontal nor as anything else.
    """

    labels: Mapping[str, int | None] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)
    unknown_views: Counter[tuple[str, str]] = field(default_factory=Counter)

    def only(self, sources: Collection[str]) -> "Interpretation":
        """What of it concerns some collections."""
        values = Counter({key: count for key, count in self.values.items() if key[0] in sources})
        views = Counter({key: count for key, count in self.unknown_views.items() if key[0] in sources})
        used = {name: columns for name, columns in self.used.items() if name in sources}
        unused = {name: columns for name, columns in self.unused.items() if name in sources}
        return Interpretation(self.labels, self.columns, values, used, unused, views)

    def overridden(self, value: str) -> LabelReading | None:
        """What the user says that a value means; None where nothing was said of it."""
        key = _key(value)
        if key not in self.labels:
            return None
        label = self.labels[key]
        return LabelReading(reason=LEFT_OUT_BY_USER) if label is None else LabelReading(label)

    def label(self, source: str, value: str, reading: LabelReading) -> int | str:
        """The label of an image of a collection, or the reason why it has none; the reading is counted.

        `reading` is what the collection's layout reads in the value; what the user says comes before it.
        """
        reading = self.overridden(value) or reading
        outcome = reading.reason or NOT_UNDERSTOOD if reading.label is None else LABELS[reading.label]
        self.values[source, value, outcome] += 1
        return outcome if reading.label is None else reading.label

    def view(self, source: str, value: str) -> str:
        """The name of an image's view; one that is not known as frontal is counted."""
        view = read_view(value)
        if view.projection is Projection.UNKNOWN and value:
            self.unknown_views[source, value] += 1
        return view.name or value

    def check_labels_occur(self) -> None:
        """Make sure that every value that the user gave a meaning was met.

        Raises:
            UserError: if one was not, which a slip of the pen would otherwise hide.
        """
        met = {_key(value) for _, value, _ in self.values}
        absent = sorted(set(self.labels) - met)
        if absent:
            values = ", ".join(sorted({value for _, value, _ in self.values})[:_SHOWN])
            raise UserError(f"--label {absent[0]}=…: no collection has this value; there are {values}")

    def check(self, flag: str, sources: Iterable[str], where: str) -> None:
        """Make sure that every value of some collections was understood.

        Raises:
            UserError: if one was not; it lists the values and says how to tell what they mean.
        """
        wanted = set(sources)
        missing = Counter(
            {v: n for (source, v, outcome), n in self.values.items() if outcome == NOT_UNDERSTOOD and source in wanted}
        )
        if missing:
            listed = ", ".join(f"{shortened(value)!r} ({count:,})" for value, count in missing.most_common(_SHOWN))
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            first = shortened(missing.most_common(1)[0][0])
            raise UserError(
                f"{flag}: {where} has values that are not understood: {listed}{more}; say what each means with "
                f"--label '{first}=COVID', '{first}=NON-COVID' or '{first}=out', once for each, or in a --label FILE"
            )

    def find_columns(self, source: str, names: Sequence[str], fields: Iterable[str], flag: str) -> dict[str, str]:
        """The column of each of some fields among a table's column names, as far as there is one.

        Raises:
            UserError: if a column that the user named is not there.
        """
        plain_names = {_plain(name): name for name in reversed(names)}
        found: dict[str, str] = {}
        for wanted in fields:
            given = self.columns.get(wanted)
            spellings = [given] if given else FIELDS[wanted].split()
            column = next((plain_names[_plain(name)] for name in spellings if _plain(name) in plain_names), None)
            if given and column is None:
                listed = ", ".join(names)[:300]
                raise UserError(
                    f"{flag} has no column {given!r}, which --column {wanted}={given} names; it has {listed}"
                )
            if column is not None and column not in found.values():
                found[wanted] = column
        self.note_columns(source, names, found)
        return found

    def note_columns(self, source: str, names: Sequence[str], used: Mapping[str, str]) -> None:
        """Keep which columns of a collection are used, and which are not though they look as if they mattered."""
        self.used[source] = dict(used)
        rest = (name for name in names if name not in used.values())
        self.unused[source] = [name for name in rest if _TELLING.search(_snake(name))]


def shortened(value: str) -> str:
    """A value on one line of a message, however long the cell is that a missing quotation mark made."""
    text = " ".join(value.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _key(value: str) -> str:
    return " ".join(value.casefold().split())


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _snake(name: str) -> str:
    return re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).casefold()


def parse_labels(given: Sequence[str]) -> dict[str, int | None]:
    """`--label` as given: `VALUE=COVID|NON-COVID|out` each, or the name of a file with one such line each.

    Raises:
        UserError: if one has another form, or a value is given two meanings.
    """
    meanings: dict[str, int | None] = {}
    for argument in given:
        for line in _lines(argument):
            value, meaning = _meaning(line, argument)
            if meanings.setdefault(value, meaning) != meaning:
                raise UserError(f"--label {line}: {value!r} was given another meaning before")
    return meanings


def _lines(argument: str) -> list[str]:
    path = Path(argument).expanduser()
    if _meaning_of(argument) is not None or not path.is_file():
        return [argument]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--label {argument} cannot be read: one VALUE=COVID, VALUE=NON-COVID or VALUE=out a line"
        ) from error
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _meaning(line: str, argument: str) -> tuple[str, int | None]:
    named = _meaning_of(line)
    if named is None:
        raise UserError(
            f"--label {argument}: expected VALUE=COVID, VALUE=NON-COVID or VALUE=out, or a file of such lines"
        )
    value = _key(line.rpartition("=")[0])
    return value, _MEANINGS[named]


def _meaning_of(line: str) -> str | None:
    """The right-hand side of `VALUE=MEANING` as it is spelt here; None if there is none."""
    _, equals, meaning = line.rpartition("=")
    return {name.casefold(): name for name in _MEANINGS}.get(meaning.strip().casefold()) if equals else None


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    """`--column` as given, `FIELD=NAME` each.

    Raises:
        UserError: if one has another form, names a field that there is not, or a field is given twice.
    """
    columns: dict[str, str] = {}
    for argument in given:
        wanted, equals, name = (part.strip() for part in argument.partition("="))
        if not equals or not name or wanted not in FIELDS:
            raise UserError(f"--column {argument}: expected FIELD=NAME with FIELD one of {', '.join(FIELDS)}")
        if columns.setdefault(wanted, name) != name:
            raise UserError(f"--column {argument}: {wanted} was given the column {columns[wanted]!r} before")
    return columns
