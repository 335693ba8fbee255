"""Tables: CSV as people's programs write it, JSON Lines, and what is wrong in them."""

import json

import pytest
from raw import patients, prepare, refused, rows, save, table


@pytest.fixture
def raw(tmp_path):
    return patients(tmp_path / "raw", 60, 1)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_separators_and_encodings(tmp_path, raw, separator, encoding):
    for row in raw:
        row["finding"] = "Lungenentzündung"
    listed = table(tmp_path / "raw" / "list.csv", raw, separator, encoding)
    report = prepare(tmp_path / "out", f"table={listed}")
    assert report["images"] == 60
    assert report["findings"]["COVID"] == {"Lungenentzündung": 30}
    assert set(report["counts"]) == {"list"}


def test_json_lines_with_every_column(tmp_path, raw):
    for row in raw:
        row |= {"source": "hospital", "sex": "female", "age": 54, "view": "ap supine", "finding": None}
    listed = tmp_path / "raw" / "list.jsonl"
    listed.write_text("\n".join(json.dumps(row) for row in raw) + "\n\n")
    report = prepare(tmp_path / "out", f"table={listed}")
    assert report["ages"]["COVID"] == {"known": 30, "unknown": 0, "min": 54, "quartiles": [54, 54, 54], "max": 54}
    assert report["views"] == {"NON-COVID": {"AP Supine": 30}, "COVID": {"AP Supine": 30}}
    assert report["sexes"] == {"NON-COVID": {"F": 30}, "COVID": {"F": 30}}
    assert set(report["counts"]) == {"hospital"}
    assert {row["patient_id"] for row in rows(tmp_path / "out")} == {f"p{number}" for number in range(60)}


def test_half_a_character_in_json_is_no_reason_to_stop(tmp_path, raw):
    raw[0] |= {"finding": "pneumonia \ud83d", "patient_id": "p\udc00"}
    listed = tmp_path / "raw" / "list.jsonl"
    listed.write_text("\n".join(json.dumps(row) for row in raw))
    assert "\\ud83d" in listed.read_text()
    assert prepare(tmp_path / "out", f"table={listed}")["images"] == 60


def test_a_row_may_name_its_own_source_and_leave_its_patient_out(tmp_path, raw):
    for number, row in enumerate(raw):
        row |= {"source": "a" if number < 30 else "", "patient_id": ""}
    report = prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', raw)}")
    assert set(report["counts"]) == {"a", "list"}
    assert sum(split["patients"] for split in report["splits"].values()) == 60


def test_a_tables_own_splits_are_kept(tmp_path, raw):
    for number, row in enumerate(raw):
        row["split"] = ("Training", "dev", "test")[number // 20]
    report = prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', raw)}")
    assert [split["images"] for split in report["splits"].values()] == [20, 20, 20]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"label": "elephant"}, ["its column 'label'", "'elephant' (1)", "'elephant=out'"]),
        ({"split": "sometimes"}, ["line 3", "unknown split 'sometimes'", "validation"]),
        ({"file": "0-0.bmp"}, ["line 3", "0-0.bmp", "the other label"]),
    ],
)
def test_a_wrong_row_is_named(tmp_path, raw, capsys, change, expected):
    raw[1] |= change
    listed = table(tmp_path / "raw" / "list.csv", [row | {"split": row.get("split", "")} for row in raw])
    message = refused(capsys, tmp_path / "out", f"table={listed}")
    assert all(part in message for part in [*expected, "list.csv"])


def test_a_wrong_table_is_named(tmp_path, capsys):
    out, folder = tmp_path / "out", tmp_path / "raw"
    listed = table(folder / "list.csv", [{"where": "x.png", "label": "covid"}])
    assert "columns are where, label" in refused(capsys, out, f"table={listed}")
    listed.write_text("file,label\n")
    assert "no rows" in refused(capsys, out, f"table={listed}")
    listed.write_text("")
    assert "no column 'file'" in refused(capsys, out, f"table={listed}")
    listed.write_text('{"file": "x.png", "label": "covid"}\n{broken\n')
    assert "line 2" in refused(capsys, out, f"table={listed}")
    assert "no column" in refused(capsys, out, f"table={save(folder / 'x.bmp', 1)}")
    assert "no such file" in refused(capsys, out, f"table={folder / 'gone.csv'}")
    (tmp_path / "empty").mkdir()
    assert "holds 0 tables" in refused(capsys, out, f"table={tmp_path / 'empty'}")


def test_rows_without_their_image_are_counted(tmp_path, raw):
    outside = save(tmp_path / "secret.bmp", 5000)
    extra = [
        {"file": "gone.png", "label": "covid"},
        {"file": "../secret.bmp", "label": "covid"},
        {"file": str(outside), "label": "covid"},
        {"file": "", "label": "covid"},
        {"file": "./0-0.bmp", "label": "normal"},
        {"file": "1-0.bmp", "label": "covid", "view": "Lateral"},
        {"file": "1-0.bmp", "label": "covid", "modality": "CT"},
    ]
    absolute = {"file": str(save(tmp_path / "raw" / "more.bmp", 5001)), "label": "covid"}
    listed = table(tmp_path / "raw" / "list.csv", [*raw, absolute, *extra])
    report = prepare(tmp_path / "out", f"table={listed}")
    assert report["images"] == 61
    assert report["refused"]["reasons"] == {
        "is not there": 2,
        "points outside the collection's folder": 2,
        "is listed more than once": 1,
        "is no frontal view": 1,
        "is no X-ray (CT or other modality)": 1,
    }


def test_labels_may_be_the_numbers_of_our_own_classes(tmp_path, raw):
    for row in raw:
        row["label"] = "1" if row["label"] == "COVID" else "0"
    report = prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', raw)}")
    assert sum(report["counts"]["list"]["COVID"].values()) == 30
