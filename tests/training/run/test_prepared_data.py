"""What was prepared is what is trained on: whatever was changed since is found before the first step, in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import encode

from cxr.training.run import main

Change = Callable[[Path], None]


def shard(folder: Path, split: str = "train") -> Path:
    return next((folder / "data").glob(f"{split}-*"))


def rewritten(change: Callable[[pa.Table], pa.Table], split: str = "train", digest: bool = False) -> Change:
    """Change the table of a split; unless a `digest` is to contradict it, under a name that says nothing of it."""

    def rewrite(folder: Path) -> None:
        old = shard(folder, split)
        table = change(pq.read_table(old))
        new = old if digest else old.with_name(f"{split}-00000-of-00001.parquet")
        old.unlink()
        pq.write_table(table, new)
        card = folder / "README.md"
        card.write_text(card.read_text(encoding="utf-8").replace(old.name, new.name), encoding="utf-8")

    return rewrite


def with_column(name: str, values: Callable[[list], list], **options: object) -> Change:
    def change(table: pa.Table) -> pa.Table:
        column = table.schema.field(name)
        changed = pa.array(values(table[name].to_pylist()), column.type)
        return table.set_column(table.schema.get_field_index(name), column, changed)

    return rewritten(change, **options)


def first(value: object) -> Callable[[list], list]:
    """The value in place of the first one."""
    return lambda values: [value, *values[1:]]


def cast(name: str, kind: pa.DataType) -> Change:
    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index(name)
        return table.set_column(index, name, table[name].cast(kind))

    return rewritten(change)


def from_train(take: Callable[[pa.Table, pa.Table], pa.Table]) -> Change:
    """Put together the test split anew, from its own table and that of training."""

    def change(folder: Path) -> None:
        train = pq.read_table(shard(folder))
        rewritten(lambda test: take(test, train), "test")(folder)

    return change


def as_before(test: pa.Table, train: pa.Table, *columns: str) -> pa.Table:
    """The test rows with some columns of the training rows of the same label."""
    for name in columns:
        pools = {label: train.filter(pa.compute.equal(train["label"], label))[name].to_pylist() for label in (0, 1)}
        values = pa.array([pools[label].pop() for label in test["label"].to_pylist()], test.schema.field(name).type)
        test = test.set_column(test.schema.get_field_index(name), test.schema.field(name), values)
    return test


def in_report(change: Callable[[dict], object]) -> Change:
    def edit(folder: Path) -> None:
        path = next((folder / "data").glob("report-*"))
        report = json.loads(path.read_text(encoding="utf-8"))
        change(report)
        path.write_text(json.dumps(report), encoding="utf-8")

    return edit


def cut(pattern: str, share: float) -> Change:
    def change(folder: Path) -> None:
        path = next(folder.glob(pattern))
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return change


def flip(folder: Path) -> None:
    path = shard(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def broken_front_matter(folder: Path) -> None:
    card = folder / "README.md"
    card.write_text(card.read_text(encoding="utf-8").replace("---\n", "---\n: [", 1), encoding="utf-8")


def another_folder(folder: Path) -> None:
    card = folder / "README.md"
    shutil.move(shard(folder, "test"), folder.parent / shard(folder, "test").name)
    card.write_text(card.read_text(encoding="utf-8").replace("data/test-", "../test-"), encoding="utf-8")


SECRET = {"bytes": None, "path": "/etc/hostname"}
PATIENTS, FILES, HASHES = ("source", "patient_id"), ("sha256",), ("phash",)
CHANGES: dict[str, tuple[Change, list[str]]] = {
    "no column": (rewritten(lambda table: table.drop_columns("phash")), ["train-", "phash"]),
    "no image": (rewritten(lambda table: table.drop_columns("image"), "validation"), ["validation-", "image"]),
    "a column more": (rewritten(lambda t: t.append_column("mask", t["file"]), "test"), ["test-", "mask"]),
    "text as label": (cast("label", pa.string()), ["train-", "label", "string"]),
    "no such label": (with_column("label", first(2)), ["label", "row 0"]),
    "empty label": (with_column("label", first(None), split="test"), ["test-", "label", "row 0"]),
    "one label changed": (with_column("label", lambda labels: [1 - labels[0], *labels[1:]]), ["train", "report"]),
    "rows gone": (rewritten(lambda table: table.slice(1)), ["train", "report"]),
    "rows doubled": (rewritten(lambda t: pa.concat_tables([t, t])), ["train", "report"]),
    "no hash": (with_column("sha256", first("xyz")), ["sha256", "row 0"]),
    "empty hash": (with_column("phash", first(None)), ["phash", "row 0"]),
    "short hash": (with_column("phash", first("ab")), ["phash", "row 0"]),
    "a path as image": (with_column("image", first(SECRET)), ["train-", "row 0", "bytes"]),
    "a path as test image": (with_column("image", first(SECRET), split="test"), ["test-", "row 0", "bytes"]),
    "broken test image": (
        with_column("image", first({"bytes": b"no", "path": None}), split="test"),
        ["test-", "row 0"],
    ),
    "half a validation image": (
        with_column("image", lambda cells: [*cells[:-1], {"bytes": cells[-1]["bytes"][:200]}], split="validation"),
        ["validation-", "row"],
    ),
    "colour": (
        with_column("image", first({"bytes": encode(np.zeros((36, 36, 3), np.uint8))}), split="test"),
        ["RGB"],
    ),
    "a flipped bit": (flip, ["train-", "hash"]),
    "rewritten": (with_column("view", first("AP"), digest=True), ["train-", "hash"]),
    "cut off": (cut("data/train-*", 0.6), ["train-", "cannot be read"]),
    "empty file": (cut("data/validation-*", 0), ["validation-", "cannot be read"]),
    "no file": (lambda folder: shard(folder, "test").unlink(), ["test-"]),
    "another folder": (another_folder, ["test-", "not in the folder"]),
    "half a report": (cut("data/report-*", 0.5), ["report-", "JSON"]),
    "empty report": (cut("data/report-*", 0), ["report-", "JSON"]),
    "no report": (lambda folder: next(folder.glob("data/report-*")).unlink(), ["report-"]),
    "a report without counts": (in_report(lambda report: report.pop("counts")), ["report-", "counts"]),
    "a report of text": (in_report(lambda report: report.update(image_size="36")), ["report-", "image_size"]),
    "a report of nothing": (in_report(lambda report: report.clear()), ["report-", "damaged"]),
    "a report of others": (in_report(lambda report: report.update(splits=[])), ["report-", "splits"]),
    "a broken card": (broken_front_matter, ["README.md"]),
    "half a card": (cut("README.md", 0.1), ["README.md"]),
    "training rows in test": (from_train(lambda test, train: as_before(test, train, *test.column_names)), ["share"]),
    "patients in both": (from_train(lambda test, train: as_before(test, train, *PATIENTS)), ["10 images", "patient"]),
    "files in both": (from_train(lambda test, train: as_before(test, train, *FILES)), ["10 a file"]),
    "near-duplicates": (from_train(lambda test, train: as_before(test, train, *HASHES)), ["10 are near-duplicates"]),
}


@pytest.fixture
def copy(dataset, tmp_path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "copy"))


@pytest.mark.parametrize(("change", "parts"), CHANGES.values(), ids=CHANGES)
def test_what_was_changed_since_is_found_before_the_first_step(command, copy, capsys, tmp_path, change, parts):
    change(copy)
    capsys.readouterr()
    assert main([*command[1:], "--dataset", str(copy)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    for part in (f"--dataset {copy}", *parts):
        assert part in errors[0]
    assert not list((tmp_path / "run").rglob("*"))


BROKEN = 25
"""A row that is read after the first step."""

WAYS = [
    pytest.param([], id="table"),
    pytest.param(["--dataloader_num_workers", "2"], id="workers", marks=pytest.mark.slow),
    pytest.param(["--streaming", "--shuffle_buffer", "4"], id="stream", marks=pytest.mark.slow),
]


def with_row(number: int, image: bytes) -> Change:
    cell = {"bytes": image, "path": None}
    return with_column("image", lambda images: [*images[:number], cell, *images[number + 1 :]])


@pytest.mark.parametrize("flags", WAYS)
def test_an_image_that_cannot_be_decoded_in_mid_run_is_named_and_no_step_is_lost(
    command, copy, capsys, tmp_path, flags
):
    run = [*command[1:], "--dataset", str(copy), "--method", "full", "--max_steps", "5", "--save_steps", "100", *flags]
    whole, cut = (["--output_dir", str(tmp_path / name)] for name in ("whole", "cut"))
    good = pq.read_table(shard(copy))["image"][BROKEN]["bytes"].as_py()
    with_row(BROKEN, good)(copy)
    assert main([*run, *whole]) == 0
    with_row(BROKEN, good[:99])(copy)
    capsys.readouterr()
    assert main([*run, *cut]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    where = f"train-00000-of-00001.parquet, row {BROKEN}: the image cannot be decoded"
    assert error.startswith(f"error: --dataset copy: {where}")
    assert error.endswith("--resume_from_checkpoint true")
    with_row(BROKEN, good)(copy)
    assert main([*run, *cut, "--resume_from_checkpoint", "true"]) == 0
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
