"""The published collections, each as a small imitation with the real one's folders, columns and odd names."""

import json
import re
import shutil
import zipfile
from collections import Counter

import pytest
from raw import folders, prepare, refused, rows, save, table
from support import ROOT

from dataset_script.collections import LAYOUTS


def fill(root, names, first=0):
    for seed, name in enumerate(names, first):
        save(root / name, seed)


def actualmed(root):
    findings = ("COVID-19", "No finding", "COVID-19", "No finding", "COVID-19", "Inconclusive")
    listed = [
        {
            "patientid": f"CR.1.2.840.{number // 2}",
            "imagename": f"CR.1.2.840.{number}.png",
            "finding": findings[number // 2 % 6],
            "view": "PA" if number % 4 else "AP",
            "modality": "X-ray",
            "notes": "señal" if number == 0 else "",
        }
        for number in range(240)
    ]
    fill(root / "images", [row["imagename"] for row in listed])
    table(root / "metadata.csv", listed, encoding="latin-1")
    return {"COVID": 120, "NON-COVID": 80}, {"has no finding yet": 40}


def figure1(root, first=3000):
    findings = ("COVID-19", "Pneumonia", "No finding", "COVID-19")
    listed = [
        {
            "patientid": f"COVID-{number // 2:05d}{'ab'[number % 2]}",
            "offset": "3",
            "sex": "F",
            "age": "52",
            "finding": "" if number == 7 else findings[number % 4],
            "view": "L" if number == 8 else "" if number > 60 else "AP erect",
            "modality": "X-ray",
            "artifacts/distortion": "",
            "notes": "naïve",
        }
        for number in range(121)
    ]
    endings = (".jpg", ".png", ".JPG")
    names = [f"{row['patientid']}{endings[number % 3]}" for number, row in enumerate(listed)]
    fill(root / "images", names[:120], first)
    save(root / "images" / "COVID-99999.jpg", 900)
    table(root / "metadata.csv", listed, encoding="latin-1")
    left_out = {"is not there": 1, "has no finding yet": 1, "is no frontal view": 1, "has no row in metadata.csv": 1}
    return {"COVID": 58, "NON-COVID": 60}, left_out


def nih(root):
    """Eight patients in ten without finding; no COVID in it, so folders of COVID images stand beside."""
    listed = [
        {
            "Image Index": f"{number // 3:08d}_{number % 3:03d}.png",
            "Finding Labels": "Effusion|Mass" if number % 3 else "No Finding",
            "Follow-up #": number % 3,
            "Patient ID": number // 3,
            "Patient Age": "058Y" if number % 2 else ("414" if number == 0 else "63"),
            "Patient Gender": "M",
            "View Position": "AP" if number % 2 else "PA",
        }
        for number in range(150)
    ]
    for part in range(3):
        names = [row["Image Index"] for row in listed[part::3][: 50 - (part == 2)]]
        fill(root / f"images_{part + 1:03d}" / "images", names, part * 50)
    table(root / "Data_Entry_2017.csv", listed)
    return {"NON-COVID": 149, "COVID": 0}, {"is not there": 1}


def covidx(root, classes=("normal", "pneumonia", "COVID-19")):
    lines = {"train": [], "test": []}
    for number in range(240):
        split, source = "test" if number % 4 == 0 else "train", ("cohen", "rsna", "sirm")[number % 3]
        kind = classes[number // 4 % len(classes)]
        patient, name = (
            (f"COVID({number})", f"COVID ({number}).png") if number % 3 == 2 else (f"{number}", f"{number}.jpg")
        )
        save(root / split / name, number)
        lines[split].append(f"{patient} {name} {kind} {source}")
    lines["train"] += ["gone gone.png normal rsna", "9 ../9.png normal rsna", lines["train"][0], "odd.png"]
    save(root / "train" / "unlisted.png", 999)
    (root / "train_split.txt").write_text("\n".join(lines["train"]))
    (root / "test_split.txt").write_text("\n".join(lines["test"]) + "\n")
    covid = 80 if len(classes) == 3 else 120
    left_out = {"is not there": 1, "points outside the collection's folder": 1, "is listed more than once": 1}
    left_out |= {"is a line without patient, file and class": 1, "stands in no list": 1}
    return {"COVID": covid, "NON-COVID": 240 - covid}, left_out


def covidx_binary(root):
    return covidx(root, ("positive", "negative"))


def radiography(root):
    root = root / "COVID-19_Radiography_Dataset"
    for place, (kind, prefix) in enumerate(
        (
            ("COVID", "COVID"),
            ("Normal", "Normal"),
            ("Lung_Opacity", "Lung_Opacity"),
            ("Viral Pneumonia", "Viral Pneumonia"),
        )
    ):
        fill(root / kind / "images", [f"{prefix}-{number}.png" for number in range(1, 41)], place * 100)
        fill(root / kind / "masks", [f"{prefix}-{number}.png" for number in range(1, 41)], 5000 + place * 100)
        (root / f"{kind}.metadata.xlsx").write_bytes(b"PK\x03\x04 no image")
    (root / "README.md.txt").write_text("terms")
    return {"COVID": 40, "NON-COVID": 120}, {}


def cxnet(root):
    endings = Counter({"": 60, "-": 8, "p": 5, "p-": 2})
    fill(
        root / "chest_xray_images" / "covid19", [f"{n}{end}.jpg" for end, many in endings.items() for n in range(many)]
    )
    return {"COVID": 68, "NON-COVID": 0}, {"is paediatric": 7}


COLLECTIONS = {
    "actualmed": actualmed,
    "figure1": figure1,
    "nih": nih,
    "covidx": covidx,
    "radiography": radiography,
    "cxnet": cxnet,
}


def zipped(root):
    """The folder as a zip with itself as the top folder, as GitHub and Kaggle pack."""
    return shutil.make_archive(str(root), "zip", root.parent, root.name)


def counted(report, layout):
    total = Counter()
    for source, labels in report["counts"].items():
        if source.split("-")[0] == layout:
            total.update({name: sum(splits.values()) for name, splits in labels.items()})
    return dict(total)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("layout", "make"), [*COLLECTIONS.items(), ("covidx", covidx_binary)])
def test_a_published_layout_is_read(tmp_path, layout, make, packed):
    expected, left_out = make(tmp_path / "raw")
    path = zipped(tmp_path / "raw") if packed else tmp_path / "raw"
    both = folders(tmp_path / "other", 2000, covid=60, normal=60)
    report = prepare(tmp_path / "out", f"{layout}={path}", f"folder={both}")
    assert counted(report, layout) == expected
    assert report["refused"]["reasons"] == left_out


def test_actualmed_and_figure1_keep_their_facts(tmp_path):
    actualmed(tmp_path / "actualmed")
    figure1(tmp_path / "figure1")
    prepare(tmp_path / "out", f"actualmed={tmp_path / 'actualmed'}", f"figure1={tmp_path / 'figure1' / 'metadata.csv'}")
    written = rows(tmp_path / "out")
    assert {row["view"] for row in written} == {"PA", "AP", "AP Erect", ""}
    assert {(row["sex"], row["age"]) for row in written if row["source"] == "figure1"} == {("F", 52.0)}
    assert len({row["patient_id"] for row in written if row["source"] == "actualmed"}) == 100
    both = [row for row in written if row["patient_id"] == "COVID-00001"]
    assert {row["file"] for row in both} == {"images/COVID-00001a.JPG", "images/COVID-00001b.jpg"}
    assert len({row["split"] for row in both}) == 1


def test_nih_patients_stay_together_and_impossible_ages_are_unknown(tmp_path):
    nih(tmp_path / "nih")
    both = folders(tmp_path / "other", 2000, covid=60, normal=60)
    prepare(tmp_path / "out", f"nih={tmp_path / 'nih'}", f"folder={both}")
    written = [row for row in rows(tmp_path / "out") if row["source"] == "nih"]
    splits = {}
    for row in written:
        splits.setdefault(row["patient_id"], set()).add(row["split"])
    assert len(splits) == 50
    assert all(len(where) == 1 for where in splits.values())
    assert {row["age"] for row in written} == {None, 58.0, 63.0}
    assert {row["finding"] for row in written} == {"No Finding", "Effusion|Mass"}


def test_covidx_keeps_its_test_split_and_its_sources(tmp_path):
    covidx(tmp_path / "raw")
    prepare(tmp_path / "out", f"covidx={tmp_path / 'raw'}")
    written = rows(tmp_path / "out")
    assert {row["file"].split("/")[0] for row in written if row["split"] == "test"} == {"test"}
    assert {row["file"].split("/")[0] for row in written if row["split"] != "test"} == {"train"}
    assert {row["source"] for row in written} == {"covidx-cohen", "covidx-rsna", "covidx-sirm"}
    assert "test/COVID (8).png" in {row["file"] for row in written if row["patient_id"] == "COVID(8)"}


def test_covidx_images_of_one_figure1_patient_stay_together(tmp_path):
    covidx(tmp_path / "raw")
    with (tmp_path / "raw" / "train_split.txt").open("a") as lines:
        for number in range(20):
            name = f"COVID-{number // 2:05d}{'ab'[number % 2]}"
            save(tmp_path / "raw" / "train" / f"{name}.jpg", 4000 + number)
            lines.write(f"\n{name} {name}.jpg COVID-19 fig1")
    prepare(tmp_path / "out", f"covidx={tmp_path / 'raw'}")
    patients = {}
    for row in rows(tmp_path / "out"):
        if row["source"] == "covidx-fig1":
            patients.setdefault(row["patient_id"], set()).add(row["split"])
    assert len(patients) == 10
    assert {len(splits) for splits in patients.values()} == {1}


def test_two_editions_of_covidx_lists_are_refused(tmp_path, capsys):
    from raw import refused

    covidx(tmp_path / "raw")
    (tmp_path / "raw" / "test_COVIDx9B.txt").write_text("1 1.png positive cohen")
    assert "keep the lists of one edition" in refused(capsys, tmp_path / "out", f"covidx={tmp_path / 'raw'}")


def test_cxnet_without_abnormality_stays_covid_with_its_own_finding(tmp_path):
    cxnet(tmp_path / "cxnet")
    both = folders(tmp_path / "other", 2000, covid=60, normal=60)
    report = prepare(tmp_path / "out", f"cxnet={tmp_path / 'cxnet'}", f"folder={both}")
    assert report["findings"]["COVID"]["COVID-19, no abnormality seen"] == 8


def test_an_odd_finding_is_never_guessed(tmp_path, capsys):
    actualmed(tmp_path / "raw")
    text = (tmp_path / "raw" / "metadata.csv").read_text("latin-1")
    (tmp_path / "raw" / "metadata.csv").write_text(text.replace("No finding", "Foreign body", 1), "latin-1")
    assert "'Foreign body' (1)" in refused(capsys, tmp_path / "out", f"actualmed={tmp_path / 'raw'}")


def test_a_zip_is_read_as_its_folder_is(tmp_path):
    raw = folders(tmp_path / "raw", Train__covid=30, Train__normal=30, Test__covid=9, Test__normal=9)
    packed = tmp_path / "elsewhere" / "raw.zip"
    packed.parent.mkdir()
    shutil.make_archive(str(packed.with_suffix("")), "zip", raw)
    one = prepare(tmp_path / "one", f"folder={raw}")
    two = prepare(tmp_path / "two", f"folder={packed}", num_proc=2)
    assert one["fingerprint"] == two["fingerprint"]


@pytest.mark.parametrize("layout", ["ieee8023", "table"])
def test_tables_with_their_images_may_be_zipped(tmp_path, layout):
    both = {"ieee8023": "finding", "table": "label"}[layout]
    listed = [
        {"file": f"images/{n}.png", "filename": f"{n}.png", both: "COVID-19" if n % 2 else "Pneumonia", "view": "PA"}
        | {"patientid": n, "modality": "X-ray"}
        for n in range(80)
    ]
    fill(tmp_path / "raw" / "images", [row["filename"] for row in listed])
    table(tmp_path / "raw" / "metadata.csv", listed)
    assert prepare(tmp_path / "out", f"{layout}={zipped(tmp_path / 'raw')}")["images"] == 80


def test_entries_that_lead_out_of_a_zip_are_refused_and_counted(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    packed = shutil.make_archive(str(tmp_path / "raw"), "zip", raw)
    with zipfile.ZipFile(packed, "a") as archive:
        for name in ("../evil.bmp", "/etc/evil.bmp", "covid/../../evil.bmp", "C:\\evil.bmp", "__MACOSX/covid/._1.bmp"):
            archive.writestr(name, (raw / "covid" / "000.bmp").read_bytes())
    report = prepare(tmp_path / "out", f"folder={packed}")
    assert report["images"] == 80
    assert report["refused"]["reasons"] == {"points outside the collection's folder": 4}
    assert not list(tmp_path.rglob("evil*"))


def test_a_damaged_entry_of_a_zip_is_counted(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    packed = tmp_path / "raw.zip"
    shutil.make_archive(str(tmp_path / "raw"), "zip", raw)
    with zipfile.ZipFile(packed) as archive:
        at = archive.getinfo("covid/007.bmp").header_offset + 60
    broken = bytearray(packed.read_bytes())
    broken[at : at + 40] = b"\xff" * 40
    packed.write_bytes(broken)
    report = prepare(tmp_path / "out", f"folder={packed}")
    assert report["images"] == 79
    assert report["refused"]["reasons"] == {"cannot be opened (damaged inside its zip)": 1}


def test_a_zip_that_cannot_be_opened_is_one_line(tmp_path, capsys):
    from raw import refused

    raw = folders(tmp_path / "raw", covid=4, normal=4)
    packed = tmp_path / "raw.zip"
    shutil.make_archive(str(tmp_path / "raw"), "zip", raw)
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    assert "is damaged or no zip" in refused(capsys, tmp_path / "out", f"folder={packed}")
    marked = bytearray(whole)
    for at in (match.start() for match in re.finditer(b"PK\x01\x02", whole)):
        marked[at + 8] |= 1
    packed.write_bytes(marked)
    assert "is encrypted" in refused(capsys, tmp_path / "out", f"folder={packed}")
    assert "no such folder or zip" in refused(capsys, tmp_path / "out", f"folder={tmp_path / 'gone.zip'}")


def test_the_documentation_describes_every_layout():
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    for layout in LAYOUTS:
        assert re.search(rf"^\| `{layout}[`=]", text, re.MULTILINE), layout


def test_reports_of_zips_name_no_folder_of_this_machine(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    report = prepare(tmp_path / "out", f"folder={shutil.make_archive(str(tmp_path / 'raw'), 'zip', raw)}")
    assert str(tmp_path) not in json.dumps(report)
