"""How labels, columns, patients, views and file names of collections are understood, through the command."""

import shutil
import unicodedata
import zipfile
from pathlib import Path

import pytest
from raw import folders, prepare, refused, rows, save, table
from support import ROOT


def listed(root: Path, count: int = 60, **more: object) -> list[dict]:
    """Rows of a table with one image each; `more` are further columns, a function of the row's number or a text."""
    found = []
    for number in range(count):
        save(root / f"img{number:03d}.png", number)
        row = {"file": f"img{number:03d}.png", "label": "COVID" if number % 2 else "Normal"}
        row |= {name: value(number) if callable(value) else value for name, value in more.items()}
        found.append(row)
    return found


def labels_of(out: Path) -> dict[str, int]:
    return {row["file"]: row["label"] for row in rows(out)}


def test_signs_and_denials_count_in_tables_and_are_shown(tmp_path, capsys):
    lines = listed(tmp_path / "raw")
    for number, text in ((0, "COVID-"), (2, "PCR negative for COVID-19"), (1, "COVID +"), (4, "suspected COVID-19")):
        lines[number]["label"] = text
    report = prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', lines)}")
    found = labels_of(tmp_path / "out")
    assert (found["img000.png"], found["img002.png"], found["img001.png"]) == (0, 0, 1)
    assert "img004.png" not in found
    doubtful = "is doubtful: suspected, possible, looked for or over"
    assert report["refused"]["reasons"] == {doubtful: 1}
    values = report["label_values"]["list"]
    assert values["COVID-"] == {"NON-COVID": 1}
    assert values["suspected COVID-19"] == {doubtful: 1}
    printed = capsys.readouterr().out
    assert "COVID- → NON-COVID" in printed
    assert "file from 'file', label from 'label'" in printed
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| list | PCR negative for COVID-19 | NON-COVID | 1 |" in card


def test_folders_named_with_signs_denials_and_doubts(tmp_path):
    names = {"COVID-": 20, "COVID+": 30, "Normal": 20, "suspected COVID": 4, "no evidence of COVID": 3}
    raw = folders(tmp_path / "COVID-19 Radiography Database", **names)
    report = prepare(tmp_path / "out", f"folder={raw}")
    assert sum(row["label"] for row in rows(tmp_path / "out")) == 30
    assert report["images"] == 73
    assert report["refused"]["total"] == 4


def test_the_user_says_what_a_value_means(tmp_path, capsys):
    lines = listed(tmp_path / "raw")
    for number in range(0, 20, 2):
        lines[number]["label"] = "Befund B"
    lines[1]["label"] = "Typical=yes"
    source = f"table={table(tmp_path / 'raw' / 'list.csv', lines)}"
    message = refused(capsys, tmp_path / "out", source)
    assert "its column 'label' has values that are not understood: 'Befund B' (10), 'Typical=yes' (1)" in message
    meanings = tmp_path / "meanings.txt"
    meanings.write_text("# of our hospital\nBefund B=out\n\n", encoding="utf-8")
    report = prepare(tmp_path / "out", source, more=["--label", str(meanings), "--label", "typical=YES=covid"])
    assert report["refused"]["reasons"] == {"is left out by --label": 10}
    assert labels_of(tmp_path / "out")["img001.png"] == 1


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--label", "Normal"], "--label Normal: expected VALUE=COVID"),
        (["--label", "Normal=maybe"], "expected VALUE=COVID"),
        (["--label", "Norm=out"], "no collection has this value; there are COVID, Normal"),
        (["--label", "Normal=out", "--label", "normal=COVID"], "was given another meaning before"),
        (["--column", "label"], "expected FIELD=NAME with FIELD one of file, label"),
        (["--column", "weight=kg"], "expected FIELD=NAME"),
        (["--column", "age=years"], "has no column 'years'"),
    ],
)
def test_a_wrong_override_is_one_line(tmp_path, capsys, flags, expected):
    source = f"table={table(tmp_path / 'raw' / 'list.csv', listed(tmp_path / 'raw', 6))}"
    assert expected in refused(capsys, tmp_path / "out", source, flags=flags)


def test_columns_are_found_shown_and_overridden(tmp_path, capsys):
    lines = listed(tmp_path / "raw", PatientID=lambda n: f"p{n // 3}", mrn_id=lambda n: f"m{n}", Gender="F")
    source = f"table={table(tmp_path / 'raw' / 'list.csv', lines)}"
    report = prepare(tmp_path / "out", source)
    assert report["patients"] == 20
    used = {"file": "file", "label": "label", "patient_id": "patientid", "sex": "gender"}
    assert report["columns"] == {"list": {"used": used, "unused": ["mrn_id"]}}
    assert "warning: list: the columns mrn_id are not used" in capsys.readouterr().err
    report = prepare(tmp_path / "other", source, more=["--column", "patient_id=MRN_ID"])
    assert report["patients"] == 60


@pytest.mark.parametrize(
    "stop_gap", ["nan", "None", "N/A", "unknown", "-", "anonymous", "NULL", "<NA>", "Unknown patient", "#N/A"]
)
def test_a_stop_gap_is_no_patient(tmp_path, stop_gap):
    lines = listed(tmp_path / "raw", patient_id=lambda n: stop_gap if n < 40 else f"p{n}")
    assert prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', lines)}")["patients"] == 60


def test_zero_is_a_patient_only_where_it_may_be_one(tmp_path):
    lines = listed(tmp_path / "raw", 120, patient_id=lambda n: 0 if n < 30 else n, sex=lambda n: "MF"[n % 3 == 0])
    assert prepare(tmp_path / "two", f"table={table(tmp_path / 'raw' / 'list.csv', lines)}")["patients"] == 120
    for line in lines:
        line["sex"] = "F"
    assert prepare(tmp_path / "one", f"table={table(tmp_path / 'raw' / 'list.csv', lines)}")["patients"] == 91


def test_one_number_in_several_spellings_is_one_patient(tmp_path):
    spellings = ("{}", "{}.0", "{:03d}")
    lines = listed(tmp_path / "raw", 120, patient_id=lambda n: spellings[n % 3].format(n // 3))
    assert prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', lines)}")["patients"] == 40
    lines[0]["patient_id"] = "A0"
    assert prepare(tmp_path / "text", f"table={table(tmp_path / 'raw' / 'list.csv', lines)}")["patients"] > 80


def test_views_that_are_not_frontal_leave_and_unknown_ones_are_listed(tmp_path):
    views = ["PA", "Perfil", "AP_horizontal", "LAO", "側面", "XTABLE LATERAL", "somehow", "vp_ll", "Frontal", "AP LLD"]
    lines = listed(tmp_path / "raw", 100, view=lambda n: views[n % 10 if n < 10 else 0])
    report = prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', lines)}")
    assert report["refused"]["reasons"] == {"is no frontal view": 6}
    assert report["unknown_views"] == {"list": {"somehow": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nfile;label\n{}",
        "\n\nfile,label\n{}",
        "\r\n ,\r\nfile;label\r\n{}",
        "file\tlabel\n{}",
        '"sep=;"\n\nfile;label\n{}',
    ],
)
def test_tables_behind_blank_lines_and_a_stated_separator(tmp_path, text):
    lines = listed(tmp_path / "raw")
    separator = next(sign for sign in ";\t," if sign in text.replace("sep=", "").split("label")[0][-6:])
    body = "\n".join(f"{line['file']}{separator}{line['label']}" for line in lines)
    (tmp_path / "raw" / "list.csv").write_text(text.format(body), encoding="utf-8", newline="")
    assert prepare(tmp_path / "out", f"table={tmp_path / 'raw' / 'list.csv'}")["images"] == 60


def test_a_workbook_is_told_to_be_saved_as_csv(tmp_path, capsys):
    book = tmp_path / "raw" / "list.xlsx"
    book.parent.mkdir()
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    assert "list.xlsx is a spreadsheet workbook: save it as CSV" in refused(capsys, tmp_path / "out", f"table={book}")


@pytest.mark.parametrize("packed", [False, True])
def test_files_are_found_whatever_the_case_and_composition_of_their_names(tmp_path, packed):
    raw = tmp_path / "raw"
    lines = listed(raw)
    for number, line in enumerate(lines):
        name = unicodedata.normalize("NFD", f"thoräx {number:03d}.png")
        (raw / line["file"]).rename(raw / name)
        line["file"] = unicodedata.normalize("NFC", f"Thoräx {number:03d}.PNG")
    table(raw / "list.csv", lines)
    source = shutil.make_archive(str(tmp_path / "raw"), "zip", raw) if packed else raw / "list.csv"
    assert prepare(tmp_path / "out", f"table={source}")["images"] == 60


def test_an_archive_among_the_images_is_named(tmp_path):
    raw = folders(tmp_path / "raw", covid=30, normal=30)
    (raw / "covid" / "more.zip").write_bytes(b"PK\5\6" + bytes(18))
    report = prepare(tmp_path / "out", f"folder={raw}")
    assert report["refused"]["reasons"] == {"is an archive: unpack it, or name it by itself": 1}


CASES = ROOT.parent / "shared" / "cases" / "tables"


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases: the collected faulty tables need it")
@pytest.mark.parametrize(
    ("name", "images", "patients"),
    [("t22", 80, 20), ("t1_nan", 80, 80), ("t21", 80, 20), ("t16", 12, 12), ("t3", 80, 40), ("t14", 80, 40)],
)
def test_the_collected_tables(tmp_path, name, images, patients):
    raw = tmp_path / "raw"
    for number in range(80):
        file = f"{'cov' if number % 2 else 'nor'}{number:03d}.png"
        shutil.copy(save(raw / "img" / file, number), raw / file)
    shutil.copy(CASES / f"{name}.csv", raw)
    report = prepare(tmp_path / "out", f"table={raw / name}.csv", seed=int(name == "t21"))
    assert report["images"] == images
    assert report["patients"] == patients
    assert all(row["label"] == row["file"].rpartition("/")[2].startswith("cov") for row in rows(tmp_path / "out"))
