"""Killed, repeated, changed, run twice at once: the output is the old dataset or the new one, and work is kept."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest
from filelock import FileLock
from raw import folders, prepare, refused, save
from support import ROOT

from cxr.training.data.dataset import load
from dataset_script import reading
from dataset_script.__main__ import main

CHANGES = ("replace", "rename", "unlink")


def held(out: Path, cache: Path) -> dict[str, list[str]]:
    loaded = datasets.load_dataset(str(out), cache_dir=str(cache))
    return {split: sorted(part["sha256"]) for split, part in loaded.items()}


def die_at(step: int, arguments: list[str]) -> int:
    """Run `main` in a child that dies, as by SIGKILL, before its `step`-th change to the disk; its exit status."""
    child = os.fork()
    if child == 0:
        left = [step]

        def fatal(change):
            def wrapped(*args, **kwargs):
                left[0] -= 1
                if left[0] <= 0:
                    os._exit(99)
                return change(*args, **kwargs)

            return wrapped

        for name in CHANGES:
            setattr(Path, name, fatal(getattr(Path, name)))
        with open(os.devnull, "w") as nowhere:
            sys.stdout = sys.stderr = nowhere
            os._exit(main(arguments))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_killed_at_any_change_to_the_disk_it_is_the_old_dataset_or_the_new_one(tmp_path):
    raw, out = folders(tmp_path / "raw", covid=40, normal=40), tmp_path / "out"
    prepare(out, f"folder={raw}")
    old = held(out, tmp_path / "cache")
    folders(raw, 500, covid=45, normal=44)
    prepare(tmp_path / "whole", f"folder={raw}")
    new = held(tmp_path / "whole", tmp_path / "cache")
    assert old != new
    spare = shutil.copytree(out, tmp_path / "spare")
    flags = ["--source", f"folder={raw}", "--no_audit", "--image_size", "16", "--num_proc", "1", "--out", str(out)]
    seen, step = [], 0
    while True:
        step += 1
        status = die_at(step, flags)
        now = held(out, tmp_path / f"cache{step}")
        assert now in (old, new), step
        loaded = load(str(out), None, 8)
        assert {split: part["images"] for split, part in loaded.report["splits"].items()} == {
            split: len(hashes) for split, hashes in now.items()
        }, step
        seen.append(now == new)
        if status == 0:
            break
        assert status == 99
        shutil.rmtree(out)
        shutil.copytree(spare, out)
    assert not seen[0]
    assert seen[-1]
    assert len(seen) > 5
    assert len(list((out / "data").glob("*.parquet"))) == 3
    assert len(list((out / "data").glob("report-*"))) == 1


def test_a_killed_first_run_is_taken_up_where_it_was(tmp_path, env, capsys):
    flags = [
        "--source",
        "phantom=120",
        "--no_audit",
        "--image_size",
        "16",
        "--num_proc",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    command = [sys.executable, "-m", "dataset_script", *flags]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while _rows(tmp_path / "out") < 32 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = _rows(tmp_path / "out")
    assert before >= 32
    assert not (tmp_path / "out" / "README.md").exists()
    assert main(flags) == 0
    assert _rows(tmp_path / "out") == 120


@pytest.mark.parametrize("held", [[], ["lock"], ["lock", "downloads"]])
def test_a_run_that_was_killed_before_it_read_an_image_can_be_repeated(held: list[str], tmp_path):
    cache = tmp_path / "out" / ".cache"
    cache.mkdir(parents=True)
    for name in held:
        (cache / name).touch()
    prepare(tmp_path / "out", "phantom=24")
    assert (tmp_path / "out" / "README.md").is_file()


@pytest.mark.parametrize("held", [".cache/pip", ".cache"])
def test_the_cache_of_another_program_is_no_run_that_was_killed(held: str, tmp_path, capsys):
    (tmp_path / "out" / held).parent.mkdir(parents=True)
    (tmp_path / "out" / held).touch()
    assert main(["--source", "phantom=24", "--out", str(tmp_path / "out")]) == 2
    assert "holds .cache, which is no dataset of ours" in capsys.readouterr().err
    assert (tmp_path / "out" / held).is_file()


def _rows(out: Path) -> int:
    import sqlite3

    try:
        with sqlite3.connect(f"file:{out}/.cache/rows.sqlite?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM images").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.fixture
def read(monkeypatch):
    """The files that are read, one entry each."""
    seen, original = [], reading.read_record

    def noted(record, *args):
        seen.append(record.file)
        return original(record, *args)

    monkeypatch.setattr(reading, "read_record", noted)
    return seen


def test_what_was_read_is_not_read_again(tmp_path, read, capsys):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    first = prepare(tmp_path / "out", f"folder={raw}")
    assert len(read) == 80
    read.clear()
    assert prepare(tmp_path / "out", f"folder={raw}") == first
    assert "nothing has changed" in capsys.readouterr().err
    save(raw / "covid" / "new.bmp", 900)
    assert prepare(tmp_path / "out", f"folder={raw}")["images"] == 81
    assert read == ["covid/new.bmp"]
    read.clear()
    prepare(tmp_path / "out", f"folder={raw}", seed=3)
    assert read == []
    (raw / "covid" / "new.bmp").unlink()
    again = prepare(tmp_path / "out", f"folder={raw}")
    assert (again["fingerprint"], read) == (first["fingerprint"], [])
    prepare(tmp_path / "out", f"folder={raw}", image_size=18)
    assert len(read) == 80


def test_a_file_that_changed_is_read_again_even_if_its_size_and_time_did_not(tmp_path, read):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    first = prepare(tmp_path / "out", f"folder={raw}")
    changed = raw / "covid" / "007.bmp"
    times = changed.stat()
    save(changed, 901)
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    read.clear()
    assert prepare(tmp_path / "out", f"folder={raw}")["fingerprint"] != first["fingerprint"]
    assert read == ["covid/007.bmp"]


def test_a_zip_that_gains_an_image_has_only_that_one_read(tmp_path, read):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    packed = shutil.make_archive(str(tmp_path / "raw"), "zip", raw)
    prepare(tmp_path / "out", f"folder={packed}")
    save(raw / "covid" / "new.bmp", 900)
    shutil.make_archive(str(tmp_path / "raw"), "zip", raw)
    read.clear()
    assert prepare(tmp_path / "out", f"folder={packed}")["images"] == 81
    assert read == ["covid/new.bmp"]


def test_a_shard_that_is_gone_or_damaged_is_written_again(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    prepare(tmp_path / "out", f"folder={raw}")
    whole = held(tmp_path / "out", tmp_path / "cache")
    next((tmp_path / "out" / "data").glob("test-*")).unlink()
    prepare(tmp_path / "out", f"folder={raw}")
    assert held(tmp_path / "out", tmp_path / "cache2") == whole


def test_a_damaged_cache_costs_time_only(tmp_path):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    prepare(tmp_path / "out", f"folder={raw}")
    (tmp_path / "out" / ".cache" / "rows.sqlite").write_bytes(b"no database at all" * 1000)
    folders(raw, 500, covid=41)
    assert prepare(tmp_path / "out", f"folder={raw}")["images"] == 81


def test_two_preparations_do_not_write_to_one_folder(tmp_path, capsys):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    prepare(tmp_path / "out", f"folder={raw}")
    with FileLock(tmp_path / "out" / ".cache" / "lock"):
        assert "another preparation is writing there" in refused(capsys, tmp_path / "out", f"folder={raw}")


def test_a_new_image_that_joins_two_patients_has_its_moves_listed(tmp_path):
    from raw import patients, table

    listed = patients(tmp_path / "raw", 100, 1)
    prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', listed)}")
    for number in range(0, 60, 2):
        shutil.copy(tmp_path / "raw" / f"{number}-0.bmp", tmp_path / "raw" / f"bridge{number}.bmp")
        listed.append({"file": f"bridge{number}.bmp", "label": "NON-COVID", "patient_id": f"p{number + 2}"})
    report = prepare(tmp_path / "out", f"table={table(tmp_path / 'raw' / 'list.csv', listed)}")
    assert report["moves"] == len(report["lists"]["moves"]) > 0
    assert {move["to"] for move in report["lists"]["moves"]} <= {"train", "validation", "test"}
    assert all(move["from"] != move["to"] for move in report["lists"]["moves"])
