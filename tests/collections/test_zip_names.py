"""Names of zip entries in the code pages that programs write without saying so, through both commands on one zip."""

import csv
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from raw import save
from tiny import save_tiny

import predict
from cxr.serving.input_files import find
from dataset_script.__main__ import main as prepare

EACH = 3


class InCodePage(zipfile.ZipInfo):
    """An entry whose name is written as old programs write it: in a code page, without the UTF-8 mark."""

    page = "cp437"

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(self.page, "surrogateescape"), self.flag_bits & ~0x800


FOLDERS = {
    "gbk": ("新冠", "正常"),
    "gbk-result": ("新冠阳性", "病毒性肺炎"),
    "gbk-latin": ("COVID", "肺炎"),
    "shift_jis": ("コロナ", "正常"),
    "cp932-katakana": ("コロナ", "コロナ なし"),
    "cp932-results": ("新型コロナ 陽性", "新型コロナ 陰性"),
    "euc_kr": ("코로나", "정상"),
    "cp949-results": ("코로나 양성", "코로나 음성"),
    "cp949-findings": ("코로나19 확진", "폐렴"),
    "big5": ("新冠肺炎", "正常"),
    "cp950-results": ("新冠 陽性", "新冠 陰性"),
    "cp866": ("ковид", "норма"),
    "cp866-capitals": ("КОВИД", "НОРМА"),
    "cp1251": ("Ковид", "Пневмония"),
    "cp1251-capitals": ("КОВИД", "НОРМА"),
    "cp852": ("COVID dodatni", "gruźlica"),
    "cp1250": ("COVID", "zapalenie płuc"),
    "cp857": ("COVID pozitif", "sağlıklı"),
    "cp1254": ("COVID", "zatürre sağlam"),
    "cp1252": ("COVID bestätigt", "Lungenentzündung"),
    "cp1252-french": ("COVID confirmé", "épanchement"),
    "cp1252-single": ("COVID", "gesund"),
    "cp850": ("COVID confirmé", "neumonía"),
    "cp437": ("COVID bestätigt", "unauffällig"),
}
FILES = {
    "gbk": "胸片 王小明",
    "gbk-latin": "CT图",
    "shift_jis": "胸部Ｘ線写真",
    "cp932-katakana": "レントゲン",
    "euc_kr": "흉부 사진",
    "big5": "胸部X光",
    "cp866": "снимок Иванов",
    "cp1251": "снимок",
    "cp852": "zdjęcie Wójcik",
    "cp1250": "snímek Dvořák",
    "cp857": "göğüs görüntüsü",
    "cp1254": "hasta Yıldız",
    "cp1252-single": "Bild ä",
    "cp850": "radiografía niño",
}


def archive(path: Path, page: str, names: list[str], start: int) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for number, name in enumerate(names):
            info = InCodePage(name)
            info.page = page
            made.writestr(info, save(path.with_suffix(".bmp"), start + number).read_bytes())
    return path


def names_of(case: str) -> list[str]:
    file = FILES.get(case, "image")
    return [f"{folder}/{file} {number}.bmp" for folder in FOLDERS[case] for number in range(EACH)]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small zip for each case."""
    folder = tmp_path_factory.mktemp("zips")
    return {
        case: archive(folder / f"{case}.zip", case.split("-")[0], names_of(case), start=100 * at)
        for at, case in enumerate(FOLDERS)
    }


@pytest.fixture(scope="module")
def answered(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The names that `predict.py` gives the images of each zip."""
    folder = tmp_path_factory.mktemp("answers")
    save_tiny(folder / "model")
    predict.main(["--model", str(folder / "model"), "--csv", str(folder / "out.csv"), *map(str, archives.values())])
    with (folder / "out.csv").open(encoding="utf-8") as stream:
        files = [row["file"] for row in csv.DictReader(stream)]
    return {case: {file.partition(".zip/")[2] for file in files if f"/{case}.zip/" in file} for case in archives}


@pytest.fixture(scope="module")
def report(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What one preparation of all zips reports."""
    out = tmp_path_factory.mktemp("prepared") / "out"
    sources = [flag for path in archives.values() for flag in ("--source", f"folder={path}")]
    flags = ["--no_audit", "--image_size", "16", "--num_proc", "1", "--duplicates", "report", "--out", str(out)]
    assert prepare([*sources, *flags]) == 0
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", FOLDERS)
def test_labels_are_read_in_every_code_page(report: dict, case: str):
    covid, other = FOLDERS[case]
    assert report["label_values"][case] == {covid: {"COVID": EACH}, other: {"NON-COVID": EACH}}


@pytest.mark.parametrize("case", FOLDERS)
def test_answers_carry_the_names_that_were_given(answered: dict[str, set[str]], case: str):
    assert answered[case] == set(names_of(case))


def test_names_that_no_code_page_holds_stay_distinct(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw = [bytes([0x80 + at, 0x81, 0xFF - at, 0x20]) for at in range(0, 100, 5)]
    names = [f"{name.decode('ascii', 'surrogateescape')}{at}.bmp" for at, name in enumerate(raw)]
    path = archive(tmp_path / "bytes.zip", "ascii", names, start=0)
    save_tiny(tmp_path / "model")
    capsys.readouterr()
    predict.main(["--model", str(tmp_path / "model"), "--json", str(path)])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({answer["file"] for answer in answers}) == len(names)
    assert all(answer["verdict"] for answer in answers)


@pytest.mark.parametrize("is_intact", [True, False])
def test_a_name_in_utf8_beside_the_one_in_a_code_page_is_taken(tmp_path: Path, is_intact: bool):
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as made:
        info = InCodePage("covid_/1.bmp")
        checksum = zlib.crc32(info.filename.encode()) if is_intact else 0
        unicode_path = struct.pack("<BI", 1, checksum) + "ковид 新冠/1.bmp".encode()
        info.extra = struct.pack("<HH", 1, 1) + b"\0" + struct.pack("<HH", 0x7075, len(unicode_path)) + unicode_path
        made.writestr(info, save(tmp_path / "one.bmp", 1).read_bytes())
    assert [file.name for file in find([str(tmp_path / "up.zip")])] == [
        "ковид 新冠/1.bmp" if is_intact else "covid_/1.bmp"
    ]
