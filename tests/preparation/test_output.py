"""What is written: Contract 1, the same whatever the number of processes, and put in place or not at all."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import datasets
import imagehash
import numpy as np
import pytest
from PIL import Image
from raw import folders, prepare, refused, save

from cxr.imaging.reader import read_radiograph
from cxr.schema.labels import LABELS
from dataset_script.__main__ import main

FACTS = ["finding", "patient_id", "source", "view", "sex", "age", "file", "sha256", "phash"]
COLUMNS = ["image", "label", *FACTS, "width", "height", "mode", "format", "reference_standard", "boxes"]


def files(out):
    """The dataset's files; the cache is not part of it."""
    paths = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in paths.items() if not name.startswith(".cache/")}


def test_contract_one(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    save(raw / "covid" / "000.bmp", 0, height=300, width=401)
    report = prepare(tmp_path / "out", f"folder={raw}", image_size=146)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train", "validation", "test"]
    assert {split: part.num_rows for split, part in loaded.items()} == {
        split: counts["images"] for split, counts in report["splits"].items()
    }
    for part in loaded.values():
        assert part.column_names == COLUMNS
        assert part.features["label"].names == LABELS
        assert set(part["label"]) == {0, 1}
    whole = datasets.concatenate_datasets(list(loaded.values()))
    for row in whole:
        path = raw / row["file"]
        assert np.array_equal(np.asarray(row["image"]), read_radiograph(path, short_side=146).pixels)
        assert (row["image"].mode, row["image"].format, min(row["image"].size)) == ("L", "PNG", 146)
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert row["phash"] == str(imagehash.phash(row["image"], hash_size=16))
        assert (row["width"], row["height"]) == Image.open(path).size
        assert (row["mode"], row["format"], row["age"]) == ("L", "BMP", None)
        assert row["label"] == row["file"].startswith("covid")
    assert len(set(whole["patient_id"])) == 80


def test_the_card_tells_the_hub_how_to_read_it(tmp_path):
    from huggingface_hub import DatasetCard

    report = prepare(tmp_path / "out", "phantom=24", image_size=32)
    card = DatasetCard.load(tmp_path / "out" / "README.md")
    configs, info = card.data.configs, card.data.dataset_info
    train = next((tmp_path / "out" / "data").glob("train-*"))
    assert configs[0]["data_files"][0] == {"split": "train", "path": [f"data/{train.name}"]}
    assert {split["name"]: split["num_examples"] for split in info["splits"]} == {
        split: counts["images"] for split, counts in report["splits"].items()
    }
    assert info["features"][1]["dtype"] == {"class_label": {"names": {"0": "NON-COVID", "1": "COVID"}}}
    assert report["fingerprint"] in card.text
    assert "synthetic" in card.text
    assert card.data.license == "apache-2.0"


def in_two_processes(raw: Path, out: Path) -> list[str | Path]:
    """The command line that prepares a folder with two processes."""
    flags = ["--no_audit", "--image_size", "16", "--num_proc", "2"]
    return ["-m", "dataset_script", "--source", f"folder={raw}", *flags, "--out", out]


def test_the_same_input_gives_the_same_bytes_whatever_the_processes(tmp_path, run_cli):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    one = prepare(tmp_path / "one", f"folder={raw}")
    done = run_cli(in_two_processes(raw, tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "one") == files(tmp_path / "two")
    other = prepare(tmp_path / "three", f"folder={raw}", image_size=18)
    assert other["fingerprint"] != one["fingerprint"]


def test_an_unreadable_image_is_counted_and_named_and_not_fatal(tmp_path, run_cli):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    (raw / "covid" / "empty.png").touch()
    (raw / "normal" / "cut.png").write_bytes((raw / "normal" / "000.bmp").read_bytes()[:300])
    (raw / "covid" / "report.pdf").write_bytes(b"%PDF-1.7")
    done = run_cli(in_two_processes(raw, tmp_path / "out"))
    assert done.returncode == 0
    assert "is empty" in done.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["images"] == 80
    assert [(item["source"], item["file"], item["reason"].split(" (")[0]) for item in report["lists"]["refused"]] == [
        ("raw", "covid/empty.png", "is empty"),
        ("raw", "covid/report.pdf", "is not an image we can read"),
        ("raw", "normal/cut.png", "is damaged or cut off"),
    ]
    assert report["refused"]["sources"]["raw"]["is empty"] == 1


def test_when_nothing_can_be_read_that_is_an_error(tmp_path, capsys):
    for name in ("covid", "normal"):
        (tmp_path / "raw" / name).mkdir(parents=True)
        (tmp_path / "raw" / name / "x.png").write_bytes(b"\x89PNG broken")
    message = refused(capsys, tmp_path / "out", f"folder={tmp_path / 'raw'}")
    assert "none of the 2 images can be read" in message
    assert "covid/x.png" in message


def test_only_a_dataset_of_ours_is_replaced(tmp_path, capsys):
    out = tmp_path / "out"
    first = prepare(out, "phantom=24", image_size=32)
    second = prepare(out, "phantom=26", image_size=32)
    assert json.loads((out / "report.json").read_text()) == second != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    (out / "notes.txt").write_text("mine")
    assert "holds notes.txt" in refused(capsys, out, "phantom=24")
    theirs = save(tmp_path / "theirs" / "thesis.bmp", 1)
    assert "no dataset of ours" in refused(capsys, tmp_path / "theirs", "phantom=24")
    assert theirs.exists()
    assert "is a file" in refused(capsys, theirs, "phantom=24")
    assert "cannot write there" in refused(capsys, theirs / "below", "phantom=24")


def test_a_failed_run_leaves_the_old_dataset(tmp_path, capsys):
    prepare(tmp_path / "out", "phantom=24", image_size=32)
    before = files(tmp_path / "out")
    raw = folders(tmp_path / "raw", covid=60, normal=2)
    refused(capsys, tmp_path / "out", f"folder={raw}")
    assert files(tmp_path / "out") == before


def test_the_output_may_lie_inside_its_source(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    assert prepare(raw / "out", f"folder={raw}") == prepare(raw / "out", f"folder={raw}")


def test_sources_merge_and_an_image_belongs_to_one(tmp_path, capsys):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    report = prepare(tmp_path / "out", "phantom=24", f"folder={raw}")
    assert set(report["counts"]) == {"phantom", "raw"}
    assert report["sources"] == ["folder=raw", "phantom=24"]
    assert "both hold" in refused(capsys, tmp_path / "new", f"folder={raw}", f"folder={raw}/")


@pytest.mark.parametrize("source", ["", "covid", "=x", "folder", "folder=", "dicom=x", "phantom=", "phantom"])
def test_a_malformed_source_is_one_line(tmp_path, capsys, source):
    assert "expected NAME=PATH" in refused(capsys, tmp_path / "out", source)


@pytest.mark.parametrize(
    "flags",
    [
        ["--image_size", "0"],
        ["--image_size", "99999"],
        ["--image_size", "-5"],
        ["--num_proc", "0"],
        ["--image_size", "x"],
        ["--seed", "x"],
    ],
)
def test_a_malformed_flag_is_one_line(tmp_path, capsys, flags):
    with pytest.raises(SystemExit) as caught:
        main(["--source", "phantom=24", "--out", str(tmp_path / "out"), *flags])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert flags[0] in message


def test_nothing_is_left_behind_elsewhere_and_no_torch_is_needed(tmp_path, env):
    code = (
        "import sys\nfrom dataset_script.__main__ import main\n"
        f"flags = ['--no_audit', '--image_size', '32', '--out', {str(tmp_path / 'out')!r}]\n"
        "assert main(['--source', 'phantom=24', *flags]) == 0\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    home = tmp_path / "home"
    home.mkdir()
    settings = env | {"HOME": str(home), "HF_HOME": str(home / "hf")}
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_pixels_are_png_bytes_of_one_channel(tmp_path):
    import pyarrow.parquet

    prepare(tmp_path / "out", "phantom=24", image_size=32)
    column = pyarrow.parquet.read_table(next((tmp_path / "out" / "data").glob("test-*")))["image"]
    for cell in column.to_pylist():
        with Image.open(io.BytesIO(cell["bytes"])) as image:
            assert (image.format, image.mode) == ("PNG", "L")
