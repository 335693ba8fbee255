"""Records in columns: they come back as they went in, in little memory, and are small to send to other processes."""

import pickle
import shutil

from raw import folders

from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections import collect
from dataset_script.collections.filesystem import Folder, ZipFile, open_root, stamp_of
from dataset_script.records import FileRef, Record, Records


def test_records_come_back_as_they_went_in(tmp_path):
    folder, packed = Folder(tmp_path), ZipFile("/data/images.zip")
    odd = "r\udcf6ntgen.png"  # a byte that is no UTF-8, as Python names it
    first, third = (FileRef(packed, name, stamp_of(name)) for name in ("2.png", "3.png"))
    second = FileRef(folder, odd, stamp_of())
    records = [
        Record("b", COVID, "COVID-19", "2.png", first, "p1", "PA", "F", 0.5, "test"),
        Record("b", NON_COVID, "", "1.png", second, mask=FileRef(folder, "masks/1.png", stamp_of(1))),
        Record("a", NON_COVID, "Ödem", "3.png", third, age=90.0),
    ]
    held = Records()
    for record in records:
        held.append(record)
    assert list(held) == records
    held.sort()
    assert list(held) == [records[2], records[1], records[0]]


def test_a_record_is_small_to_send_even_from_a_large_zip(tmp_path):
    raw = folders(tmp_path / "raw", covid=300, normal=300)
    packed = shutil.make_archive(str(tmp_path / "raw"), "zip", raw)
    records = collect([f"folder={packed}"]).records
    task = pickle.dumps([records[at] for at in range(16)])
    assert len(task) < 16 * 250
    assert [record.image.read() for record in pickle.loads(task)] == [
        (raw / record.file).read_bytes() for record in pickle.loads(task)
    ]


def test_a_stamp_changes_with_its_file_alone(tmp_path):
    raw = folders(tmp_path / "raw", covid=2)
    shutil.make_archive(str(tmp_path / "one"), "zip", raw)
    folders(raw, 50, covid=1)  # another 000.bmp
    folders(raw, 60, normal=1)
    shutil.make_archive(str(tmp_path / "two"), "zip", raw)
    one, two = (open_root(str(tmp_path / f"{name}.zip"), "") for name in ("one", "two"))
    assert one.ref("covid/000.bmp").stamp != two.ref("covid/000.bmp").stamp
    assert one.ref("covid/001.bmp").stamp == two.ref("covid/001.bmp").stamp
