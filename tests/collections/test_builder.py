"""Raw collections from Python: `load_collections`, and the builder as users of `datasets` use builders."""

import logging

import datasets
import pytest
from dicom_files import dataset, exposure, written
from raw import folders, prepare, rows, save

import dataset_script
from cxr.errors import UserError
from cxr.schema.dataset import COLUMNS
from dataset_script import CovidCxr, builder, load_collections
from dataset_script.builder import POOL

EXAMPLE = """
from dataset_script import load_collections

images = load_collections(["folder=/data/xrays", "phantom=100"], image_size=256)
print(images.num_rows, images.features["label"].names)
print(images[0]["image"].size, images[0]["source"], images[0]["patient_id"])

stream = load_collections(["folder=/data/xrays", "phantom=100"], streaming=True)
for image in stream.shuffle(seed=0).take(3):
    print(image["file"], image["label"], image["view"])
"""


def build(raw, cache, **config):
    return CovidCxr(cache_dir=str(cache), sources=[f"folder={raw}"], image_size=16, **config)


def hashes(builder, num_proc=None):
    builder.download_and_prepare(num_proc=num_proc)
    return {row["file"]: row["sha256"] for row in builder.as_dataset(POOL)}


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    raw = folders(tmp_path / "xrays", covid=3, normal=2)
    exec(EXAMPLE.replace("/data/xrays", str(raw)), {})
    count, first, *streamed = capsys.readouterr().out.splitlines()
    assert count == "105 ['NON-COVID', 'COVID']"
    assert first == "(290, 256) phantom 00000-0"
    assert len(streamed) == 3


def test_it_loads_what_the_command_prepares(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    prepare(tmp_path / "out", f"folder={raw}", more=["--duplicates", "keep"])
    ours = load_collections([f"folder={raw}"], image_size=16, cache_dir=tmp_path / "cache")
    assert tuple(ours.column_names) == COLUMNS
    prepared = {row["file"]: row for row in rows(tmp_path / "out")}
    assert [row["file"] for row in ours] == sorted(prepared)
    for row in ours.remove_columns("image"):
        assert prepared[row["file"]] == row | {"split": prepared[row["file"]]["split"]}


def test_a_lasting_cache_never_goes_stale(tmp_path):
    raw = folders(tmp_path / "raw", covid=4, normal=4)
    first = hashes(build(raw, tmp_path / "cache"))
    assert hashes(build(raw, tmp_path / "cache")) == first
    save(raw / "covid" / "004.bmp", 50)
    added = hashes(build(raw, tmp_path / "cache"))
    assert added.keys() - first.keys() == {"covid/004.bmp"}
    save(raw / "covid" / "004.bmp", 51, height=30)
    changed = hashes(build(raw, tmp_path / "cache"))
    assert {file for file in changed if changed[file] != added[file]} == {"covid/004.bmp"}


def test_the_cache_follows_the_code_the_size_and_the_key(tmp_path, monkeypatch):
    raw = folders(tmp_path / "raw", covid=2, normal=2)
    before = build(raw, tmp_path / "cache").cache_dir
    assert build(raw, tmp_path / "cache").cache_dir == before
    assert build(raw, tmp_path / "cache", patient_key=tmp_path / "key").cache_dir != before
    assert CovidCxr(cache_dir=str(tmp_path / "cache"), sources=[f"folder={raw}"], image_size=17).cache_dir != before
    monkeypatch.setattr(builder, "code_digest", lambda *entries: "another reader")
    assert build(raw, tmp_path / "cache").cache_dir != before


def test_processes_keep_the_order_and_agree_on_pseudonyms(tmp_path):
    raw = folders(tmp_path / "raw", covid=9, normal=8)
    for number in range(6):
        made = dataset(exposure(seed=number), 12, PatientID="one patient")
        (raw / "covid" / f"{number}.dcm").write_bytes(written(made))
    (raw / "covid" / "bad.png").touch()
    key = {"patient_key": tmp_path / "key"}
    one, three = (hashes(build(raw, tmp_path / f"cache{count}", **key), count) for count in (1, 3))
    assert list(one.items()) == list(three.items())
    assert len(one) == 23
    builder = build(raw, tmp_path / "keyless")
    builder.download_and_prepare(num_proc=3)
    patients = {row["patient_id"] for row in builder.as_dataset(POOL) if row["format"] == "DICOM"}
    assert len(patients) == 1


def test_it_streams(tmp_path):
    raw = folders(tmp_path / "raw", covid=3, normal=3)
    for stream in (
        build(raw, tmp_path / "cache").as_streaming_dataset(POOL),
        load_collections([f"folder={raw}"], image_size=16, streaming=True),
    ):
        images = list(stream)
        assert [row["label"] for row in images] == [1, 1, 1, 0, 0, 0]
        assert images[0]["image"].size == (16, 19)
    assert not list((tmp_path / "cache").rglob("*.arrow"))


def test_what_cannot_be_read_is_logged_and_what_is_wrong_is_one_line(tmp_path, caplog):
    raw = folders(tmp_path / "raw", covid=2, normal=2)
    (raw / "covid" / "bad.png").touch()
    with caplog.at_level(logging.WARNING):
        assert len(list(load_collections([f"folder={raw}"], image_size=16, streaming=True))) == 4
    assert "left out: raw/covid/bad.png is empty" in caplog.text
    with pytest.raises(UserError, match="no such folder"):
        load_collections([f"folder={tmp_path / 'gone'}"])
    with pytest.raises(AttributeError, match="load_everything"):
        dataset_script.load_everything  # noqa: B018
