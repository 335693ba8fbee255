"""What is wrong with people's collections: each has a clear reason, counted in the report, or one line that ends it."""

import struct
import zlib

import pytest
from dicom_files import SECRETS, dataset, exposure, written
from raw import folders, prepare, refused, rows, save, table


def listed(root, **more):
    """Eighty rows of a covid-chestxray-dataset, and their files."""
    lines = []
    for number in range(80):
        save(root / "images" / f"{number}.png", number)
        finding = "COVID-19" if number % 2 else "Pneumonia"
        row = {"patientid": number, "finding": finding, "view": "PA", "modality": "X-ray", "filename": f"{number}.png"}
        lines.append(row | more)
    return lines


def huge_png(path, side=15_000):
    """A PNG of 225 megapixels, a few hundred kB on disk."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    lines = zlib.compress(bytes((side + 1) * side), 1)
    chunks = ((b"IHDR", header), (b"IDAT", lines), (b"IEND", b""))
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))


def test_a_finding_that_is_not_understood_is_an_error_that_names_it_and_the_flag(tmp_path, capsys):
    lines = listed(tmp_path / "raw")
    save(tmp_path / "raw" / "images" / "900.png", 900)
    lines.append({**lines[0], "finding": "Banana", "filename": "900.png"})
    table(tmp_path / "raw" / "metadata.csv", lines)
    source = f"ieee8023={tmp_path / 'raw'}"
    message = refused(capsys, tmp_path / "out", source)
    assert "the column 'finding' of metadata.csv has values that are not understood: 'Banana' (1)" in message
    assert "--label 'Banana=COVID'" in message


def test_rows_without_files_and_files_without_rows(tmp_path):
    lines = listed(tmp_path / "raw")
    lines += [lines[3], {**lines[5], "filename": "gone.png"}, {**lines[7], "filename": ""}]
    for number, finding in ((901, "todo"),):
        save(tmp_path / "raw" / "images" / f"{number}.png", number)
        lines.append({**lines[0], "finding": finding, "filename": f"{number}.png"})
    save(tmp_path / "raw" / "images" / "unlisted.png", 999)
    table(tmp_path / "raw" / "metadata.csv", lines)
    report = prepare(tmp_path / "out", f"ieee8023={tmp_path / 'raw'}")
    assert report["images"] == 80
    assert report["refused"]["reasons"] == {
        "has no finding yet": 1,
        "has no row in metadata.csv": 1,
        "is listed more than once": 1,
        "is not there": 2,
    }


def test_unreadable_and_200_megapixel_images_are_counted(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    huge_png(raw / "covid" / "huge.png")
    (raw / "covid" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    report = prepare(tmp_path / "out", f"folder={raw}")
    assert report["images"] == 80
    assert report["refused"]["reasons"] == {"is damaged or cut off": 1, "is larger than 100 megapixels": 1}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp1252"])
def test_a_table_in_any_encoding(tmp_path, encoding):
    lines = listed(tmp_path / "raw", location="Córdoba, España".replace(",", ""))
    table(tmp_path / "raw" / "metadata.csv", lines, encoding=encoding)
    assert prepare(tmp_path / "out", f"ieee8023={tmp_path / 'raw'}")["images"] == 80


def test_a_class_with_one_patient_is_one_line(tmp_path, capsys):
    raw = folders(tmp_path / "raw", covid=60, normal=1)
    message = refused(capsys, tmp_path / "out", f"folder={raw}")
    assert "no NON-COVID image falls into the" in message
    assert "add more NON-COVID patients" in message


def test_dicom_may_stand_for_any_image_and_no_name_is_kept(tmp_path, capsys):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    for number in range(6):
        made = dataset(exposure(seed=number), 12, PatientID=f"MRN-{number // 2}")
        (raw / "covid" / f"Quixotic-{number}.dcm").write_bytes(written(made))
    for name, elements in (("ct", {"Modality": "CT"}), ("side", {"ViewPosition": "LL"})):
        (raw / "covid" / f"{name}.dcm").write_bytes(written(dataset(exposure(seed=50), 12, **elements)))
    flags = ["--patient_key", str(tmp_path / "key"), "--duplicates", "keep"]
    report = prepare(tmp_path / "out", f"folder={raw}", more=flags)
    assert report["refused"]["reasons"] == {"is no X-ray (CT or other modality)": 1, "is no frontal view": 1}
    mine = [row for row in rows(tmp_path / "out") if row["format"] == "DICOM"]
    assert len(mine) == 6
    assert {(row["view"], row["sex"]) for row in mine} == {("PA", "F")}
    splits = {}
    for row in mine:
        splits.setdefault(row["patient_id"], set()).add(row["split"])
    assert len(splits) == 3
    assert all(len(where) == 1 for where in splits.values())
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and ".cache" not in path.parts:
            text = path.read_bytes()
            assert not any(secret.encode() in text for secret in (*SECRETS.values(), "MRN-", "Quixotic")), path
    again = prepare(tmp_path / "again", f"folder={raw}", more=flags)
    assert again["fingerprint"] == report["fingerprint"]
    capsys.readouterr()
    prepare(tmp_path / "keyless", f"folder={raw}")
    assert "no --patient_key" in capsys.readouterr().err


def test_the_patient_key_may_not_lie_in_the_dataset(tmp_path, capsys):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    flags = ["--patient_key", str(tmp_path / "out" / "key")]
    assert "keep the key elsewhere" in refused(capsys, tmp_path / "out", f"folder={raw}", flags=flags)
