"""Labels are read, never guessed: signs, denials and doubts in the languages of public collections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections.label_text import DOUBTFUL, UNDECIDED, mentions_covid, read_in_column, read_label

AFFIRMED = """
tested positive for COVID-19; COVID-19 test: positive; COVID-19 pnömonisi; новый коронавирус; U07.1; COVID=1; C19+
covid = yes; U071 COVID-19
COVID; covid-19; COVID19; COVID +; COVID+; covid (+); COVID-19 (+); COVID positive; Positive; positive for COVID-19
confirmed COVID-19; COVID-19 pneumonia; SARS-CoV-2; sars_cov_2; 2019-nCoV; COVID-19, ARDS; Pneumonia/Viral/COVID-19
covid_patients; CovidPositive; covidpositive; RT-PCR positive; COVID +ve; coronavirus disease; Corona_Virus; COVID cases
COVID positivo; Covid positif; COVID-19 without effusion; COVID-19, no effusion; 新冠肺炎; 新冠阳性; コロナ陽性
asymptomatic COVID; 新型コロナウイルス感染症; positive COVID-19 test; positiver COVID-Test; COVID-Test positiv
PCR-Test positiv; positive test for COVID-19; COVID-Schnelltest positiv; positive COVID-19 PCR test
COVID-19 detected; with_covid; COVID-19 infection; COVID: yes; COVID-19 (PCR confirmed); ковид; 코로나 양성
"""
DENIED = """
tested negative for COVID-19; COVID-19 test negative; kein Nachweis von SARS-CoV-2; COVID-19 nicht nachweisbar
se descarta COVID-19; no se observa neumonía COVID; pas d'argument pour COVID-19; no radiographic evidence of COVID-19
keine Hinweise auf COVID-19; absence de signes de COVID-19; COVID=0; covid = no; no COVID or influenza
neither COVID nor flu
COVID-; COVID -; COVID−; COVID–; covid neg.; COVID-19 negative; neg; NON-COVID; noncovid; NonCovid; no covid; not covid
without COVID; negative for COVID-19; PCR negative for COVID-19; COVID ruled out; COVID-19 excluded; COVID not detected
COVID -ve; COVID-19 (-); COVID(-); COVID [-]; COVID_-; covid negativo; COVID-19 négatif; negativo para COVID-19
no evidence of COVID-19; COVID unlikely; Normal; No Finding; Pneumonia; viral pneumonia; Lung_Opacity; E.Coli; SARS
ARDS; healthy; control; not positive; COVID-19, negative; COVID: no; COVID-19: negative; sin COVID; ohne COVID
kein COVID; pas de COVID; COVID-19 ausgeschlossen; 新冠阴性; 非新冠; コロナ陰性; нет коронавируса; COVID free
no pneumonia or COVID-19; COVID-19 absent; Pneumonia/Viral/MERS-CoV; Influenza/H1N1; Negative for Pneumonia; neumonía
negative COVID test; negativer COVID-Test; neg. COVID test; negative test for COVID-19; COVID-Test negativ
PCR: undetectable; undetectable; SARS-CoV-2 not detectable
covid_negative; non_covid19; nocovid; COVIDneg; covidnegative; No findings of COVID-19; Not COVID, negative; PCR-
"""
DOUBTED = """
history of positive COVID test; no positive COVID test; positive or negative COVID test; pending negative COVID test
negative COVID test but suspected; non-negative COVID test; non-COVID=0
susp. COVID; atypical for COVID-19; pre-covid; poss. COVID
COVID-19 to be ruled out; COVID to be excluded; COVID-19 should be ruled out; COVID-19 auszuschließen
do wykluczenia COVID
COVID or influenza; U07.2; Hinweise auf COVID-19; influenza oder COVID-19; covid ou grippe
suspected COVID-19; possible COVID; COVID?; COVID-19 ?; rule out COVID; r/o COVID-19; probable COVID-19; post-COVID
history of COVID-19; h/o covid; COVID not excluded; COVID cannot be excluded; likely COVID; COVID +/-; COVID±
sospecha de COVID; Verdacht auf COVID; V.a. COVID; suspicion de COVID; 疑似新冠; suspected; COVID-19, suspected
previous COVID-19; recovered COVID; COVID contact; COVID test; long covid; COVID-19 not confirmed; PUI
COVID consistent with; COVID-19 not negative; COVID-19 pending; COVID-19: unknown; COVID inconclusive
"""
UNDECIDED_TEXTS = "inconclusive; unknown; todo; pending; nan; N/A; none; -; ?"
NOT_UNDERSTOOD = """
COVID-19 lorem; lorem; COVID positive negative; no covid, positive; dataset1; No pneumonia, COVID-19; COVID: 0
images; COVID-19, influenza negative; negative COVID test, later positive
"""


def texts(listed: str) -> list[str]:
    return [text.strip() for line in listed.splitlines() for text in line.split(";") if text.strip()]


@pytest.mark.parametrize("text", texts(AFFIRMED))
def test_affirmed_texts_are_covid(text):
    assert read_label(text) == (COVID, None)


@pytest.mark.parametrize("text", texts(DENIED))
def test_denied_and_other_texts_are_non_covid(text):
    assert read_label(text) == (NON_COVID, None)


@pytest.mark.parametrize("text", texts(DOUBTED))
def test_doubtful_texts_are_no_class(text):
    assert read_label(text) == (None, DOUBTFUL)


@pytest.mark.parametrize("text", ["", " ", *texts(UNDECIDED_TEXTS)])
def test_undecided_texts_are_no_class(text):
    assert read_label(text) == (None, UNDECIDED)


@pytest.mark.parametrize("text", texts(NOT_UNDERSTOOD))
def test_what_is_not_understood_is_not_guessed(text):
    assert not read_label(text).is_understood


@pytest.mark.parametrize(
    ("column", "value", "label"),
    [
        *(("covid", value, COVID) for value in ("1", "1.0", "Y", "True", "ja", "是")),
        *(("is_covid", value, NON_COVID) for value in ("0", "0.0", "N", "False", "nein", "否")),
        *(("non_covid", value, NON_COVID) for value in ("1", "yes", "True")),
        *(("non_covid", value, None) for value in ("0", "no", "False")),
        *(("post_covid", value, None) for value in ("1", "yes", "no", "positive")),
        *(("covid_stage", value, None) for value in ("0", "1")),
        *(("covid", value, None) for value in ("2", "positve", "")),
    ],
)
def test_a_bare_answer_is_read_with_its_column(column, value, label):
    assert read_in_column(value, column).label == label


@pytest.mark.parametrize(("text", "named"), [("COVID blah", True), ("blahcovid blah", False), ("normal", False)])
def test_the_disease_is_seen_in_a_text_that_is_not_understood(text, named):
    assert mentions_covid(text) == named


names = st.sampled_from(
    ["COVID", "covid-19", "COVID19", "Covid 19", "SARS-CoV-2", "sars_cov_2", "2019-nCoV", "coronavirus", "新冠"]
)
others = st.sampled_from(["", " pneumonia", " infection", ", ARDS", " patient", " viral pneumonia", " (PCR)"])
before = st.sampled_from(
    """no;not;non;non-;without;negative for;no evidence of;absence of;no sign of;free of;PCR negative for;ruled out;
    sin;negativo para;sem;pas de;sans;senza;kein;keine;ohne;nicht;geen;zonder;bez;нет;без;ingen;tanpa;
    no pneumonia or;neither influenza nor;patient without""".replace("\n", "").split(";")
)
behind = st.sampled_from(
    """-; -;(-); (-);[-]; −; –; neg; neg.; negative; -ve; ruled out; excluded; not detected; unlikely; absent;: negative
    ;: no;, negative;, ruled out; was ruled out; negativo; negativa; négatif; negativ; ausgeschlossen; descartado
    ; não detectado; non rilevato; uitgesloten; yok; ujemny; исключен
    ; отрицательный; 阴性; 陰性; not found;= neg""".replace("\n", "").split(";")
)
doubts = st.sampled_from(
    """suspected ;possible ;probable ;likely ;rule out ;r/o ;?;query ;history of ;post-;post ;previous ;suspicion of ;
    sospecha de ;posible ;suspeita de ;suspicion de ;sospetto ;Verdacht auf ;verdenking ;podejrzenie ;подозрение на ;
    疑似;cannot exclude ;presumed ;unconfirmed ;recovered """.replace("\n", "").split(";")
)
case = st.sampled_from([str, str.upper, str.lower, str.title])
spaces = st.sampled_from([" ", "_", "  "])


@given(before, names, others, case, spaces)
def test_a_denial_before_the_disease_is_never_covid(denial, name, other, spell, space):
    assert read_label(spell(f"{denial.strip()} {name}{other}").replace(" ", space)).label != COVID


@given(names, behind, case, others)
def test_a_denial_behind_the_disease_is_never_covid(name, denial, spell, other):
    assert read_label(spell(f"{name}{denial.rstrip()}")).label == NON_COVID
    assert read_label(spell(f"{name}{other}{denial}")).label != COVID


@given(doubts, names, others, case)
def test_a_doubt_is_no_class(doubt, name, other, spell):
    assert read_label(spell(f"{doubt.lstrip()}{name}{other}")) == (None, DOUBTFUL)
    assert read_label(spell(f"{name}{other} {doubt.strip()}")).label is None


@given(names, st.text(max_size=12), st.text(max_size=12), st.sampled_from(["{}{}{}", "{} {} {}", "{},{},{}"]))
def test_words_that_are_not_known_are_never_guessed(name, front, back, pattern):
    reading = read_label(pattern.format(front, name, back))
    if any(char.isalpha() for char in front + back) and reading.label == COVID:
        for text in (front, back):
            assert read_label(f"influenza {text}").is_understood or read_label(f"{name} {text}").is_understood


@given(before, behind, names, doubts)
def test_no_combination_of_denials_and_doubts_is_covid(denial, closing, name, doubt):
    for text in (f"{denial.strip()} {name}{closing}", f"{doubt}{name}{closing}", f"{denial.strip()} {doubt}{name}"):
        assert read_label(text).label != COVID
