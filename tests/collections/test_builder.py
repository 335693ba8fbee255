"""The builder by itself, as `datasets` users use builders."""

from raw import folders, save

from dataset_script.builder import POOL, CovidCxr
from dataset_script.collections import collect


def build(raw, cache, **config):
    return CovidCxr(cache_dir=str(cache), records=collect([f"folder={raw}"]).records, image_size=16, **config)


def pictures(builder, num_proc=None):
    builder.download_and_prepare(num_proc=num_proc)
    return {row["file"]: row["sha256"] for row in builder.as_dataset(POOL)}


def test_a_lasting_cache_never_goes_stale(tmp_path):
    raw = folders(tmp_path / "raw", covid=4, normal=4)
    first = pictures(build(raw, tmp_path / "cache"))
    assert pictures(build(raw, tmp_path / "cache")) == first
    save(raw / "covid" / "004.bmp", 50)
    added = pictures(build(raw, tmp_path / "cache"))
    assert added.keys() - first.keys() == {"covid/004.bmp"}
    save(raw / "covid" / "004.bmp", 51, height=30)
    changed = pictures(build(raw, tmp_path / "cache"))
    assert {file for file in changed if changed[file] != added[file]} == {"covid/004.bmp"}


def test_processes_keep_the_order(tmp_path):
    raw = folders(tmp_path / "raw", covid=9, normal=8)
    (raw / "covid" / "bad.png").touch()
    one, three = (pictures(build(raw, tmp_path / f"cache{count}"), count) for count in (1, 3))
    assert list(one.items()) == list(three.items())
    assert len(one) == 17


def test_it_streams(tmp_path):
    raw = folders(tmp_path / "raw", covid=3, normal=3)
    rows = list(build(raw, tmp_path / "cache").as_streaming_dataset(POOL))
    assert [row["label"] for row in rows] == [1, 1, 1, 0, 0, 0]
    assert rows[0]["image"].size == (16, 19)
